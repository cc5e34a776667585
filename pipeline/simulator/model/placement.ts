/**
 * Auto Scaling's choices: in which zone a group grows, and which member goes when it shrinks. Chooses, changes nothing.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html#AutoScalingBehavior.InstanceUsage
 */
import type { Group, Member, World } from './state.ts';

/** Members that count towards desired: launched or in service, and staying. */
export const counts = (member: Member): boolean =>
  member.lifecycle === 'Pending' || member.lifecycle === 'InService';

/** Members that count, by zone. Whoever launches or terminates keeps it up to date. */
export type Spread = Map<string, Member[]>;

/** Every zone of the group is there, also an empty one. */
export function spreadOf(group: Group): Spread {
  const zones: Spread = new Map(group.zones.map((zone) => [zone, []]));
  for (const member of Object.values(group.members)) if (counts(member)) addTo(zones, member);
  return zones;
}

export function addTo(spread: Spread, member: Member): void {
  const zone = spread.get(member.zone);
  if (zone) zone.push(member);
  else spread.set(member.zone, [member]);
}

export function removeFrom(spread: Spread, member: Member): void {
  const zone = spread.get(member.zone) ?? [];
  const index = zone.indexOf(member);
  if (index >= 0) zone.splice(index, 1);
}

export const sizeOf = (spread: Spread): number =>
  [...spread.values()].reduce((sum, members) => sum + members.length, 0);

/** Where the next instance is launched. */
export const emptiestZone = (group: Group, spread: Spread): string =>
  group.zones.reduce((best, zone) =>
    (spread.get(zone)?.length ?? 0) < (spread.get(best)?.length ?? 0) ? zone : best,
  );

/** Two or more instances between the fullest and the emptiest zone: a difference of one cannot be helped. */
export function unbalanced(spread: Spread): boolean {
  const sizes = [...spread.values()].map((members) => members.length);
  return Math.max(...sizes) - Math.min(...sizes) > 1;
}

/**
 * First the zone with most instances among those with an unprotected one, then the group's policies in order;
 * 'Default' is the oldest template version. What is left in a tie goes by age, then by id. Null when nobody may go.
 */
export function chooseVictim(world: World, group: Group, spread: Spread): Member | null {
  let pool: Member[] = [];
  let largest = -1;
  for (const members of spread.values()) {
    if (members.length < largest) continue;
    const eligible = members.filter((member) => mayGo(group, member));
    if (eligible.length === 0) continue;
    pool = members.length > largest ? eligible : pool.concat(eligible);
    largest = members.length;
  }
  const order = [...group.terminationPolicies.map((policy) => orders[policy] ?? byTemplate), byAge, byId];
  const before = (a: Member, b: Member): boolean => {
    for (const compare of order) {
      const difference = compare(a, b, world);
      if (difference !== 0) return difference < 0;
    }
    return false;
  };
  return pool.reduce<Member | null>((best, member) => (best && !before(member, best) ? best : member), null);
}

const mayGo = (group: Group, member: Member): boolean =>
  !member.protectedFromScaleIn &&
  !member.rebalancing &&
  // "Suspending Terminate applies only to instances that are currently in the InService state."
  (group.suspended.Terminate === undefined || member.lifecycle === 'Pending');

type Order = (a: Member, b: Member, world: World) => number;
const byAge: Order = (a, b) => a.joinedAt - b.joinedAt;
const byId: Order = (a, b) => (a.instanceId < b.instanceId ? -1 : 1);
const byTemplate: Order = (a, b, world) => {
  const created = (member: Member): number => world.templates[member.template.id]?.createdAt ?? 0;
  return created(a) - created(b) || Number(a.template.version) - Number(b.template.version);
};
const orders: Record<string, Order> = {
  Default: byTemplate,
  OldestLaunchTemplate: byTemplate,
  OldestInstance: byAge,
  NewestInstance: (a, b) => b.joinedAt - a.joinedAt,
};
