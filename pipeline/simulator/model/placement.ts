/**
 * Auto Scaling's choices: in which zone a group grows, and which member goes when it shrinks. Chooses, changes nothing.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html#AutoScalingBehavior.InstanceUsage
 */
import { counts } from './lifecycle.ts';
import { launchOptions, marketsOf, nextToGoIsSpot, preferenceOf } from './purchasing.ts';
import type { Group, Member, World } from './state.ts';

/** Members that count, by zone. Whoever launches or terminates keeps it up to date. */
export type Spread = Map<string, Member[]>;

/** Every zone of the group is there, also an empty one, and every other that still has members. */
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

/** The group's zones, those with the fewest instances first: where the next instance is launched. */
export const emptiestFirst = (group: Group, spread: Spread): string[] =>
  group.zones.toSorted((a, b) => (spread.get(a)?.length ?? 0) - (spread.get(b)?.length ?? 0));

const retired = (group: Group, zone: string): boolean => !group.zones.includes(zone);

/**
 * How many instances have to be launched in other zones until the group is even; 0 when it is. Two or more instances
 * between the fullest and the emptiest zone are uneven, and so are instances in a zone that is no longer the group's.
 */
export function movesToBalance(group: Group, spread: Spread): number {
  const sizes = group.zones.map((zone) => spread.get(zone)?.length ?? 0);
  const total = sizeOf(spread);
  const strays = total - sizes.reduce((sum, size) => sum + size, 0);
  if (strays === 0 && Math.max(...sizes) - Math.min(...sizes) <= 1) return 0;
  const fair = Math.floor(total / sizes.length);
  const missing = sizes.reduce((sum, size) => sum + Math.max(0, fair - size), 0);
  return Math.max(1, strays, missing);
}

/**
 * The market first, if the group has several; then a zone that is no longer the group's, or the zone with most
 * instances among those with an unprotected one; then the group's policies in order. Null when nobody may go.
 */
export function chooseVictim(world: World, group: Group, spread: Spread): Member | null {
  const spot = group.mixedInstances ? nextToGoIsSpot(group, marketsOf([...spread.values()].flat())) : null;
  const eligible = (member: Member): boolean =>
    mayGo(group, member) && (spot === null || member.spot === spot);
  const pool = fullest(group, spread, eligible);
  const candidates =
    pool.length > 0 || spot === null ? pool : fullest(group, spread, (one) => mayGo(group, one));
  const order = [...group.terminationPolicies.flatMap((policy) => orderOf(policy, world, group)), byId];
  const before = (a: Member, b: Member): boolean => {
    for (const compare of order) {
      const difference = compare(a, b);
      if (difference !== 0) return difference < 0;
    }
    return false;
  };
  return candidates.reduce<Member | null>(
    (best, member) => (best && !before(member, best) ? best : member),
    null,
  );
}

/** Eligible members of the fullest zones that have any; zones taken from the group come before all others. */
function fullest(group: Group, spread: Spread, eligible: (member: Member) => boolean): Member[] {
  let pool: Member[] = [];
  let largest = -1;
  for (const [zone, members] of spread) {
    const size = retired(group, zone) ? Number.POSITIVE_INFINITY : members.length;
    if (size < largest) continue;
    const some = members.filter(eligible);
    if (some.length === 0) continue;
    pool = size > largest ? some : pool.concat(some);
    largest = size;
  }
  return pool;
}

const mayGo = (group: Group, member: Member): boolean =>
  !member.protectedFromScaleIn &&
  !member.rebalancing &&
  // "Suspending Terminate applies only to instances that are currently in the InService state."
  (group.suspended.Terminate === undefined || member.lifecycle !== 'InService');

type Order = (a: Member, b: Member) => number;

const hourMs = 3_600_000;
const byId: Order = (a, b) => (a.instanceId < b.instanceId ? -1 : 1);

/** What a policy compares by. Members a policy does not tell apart are left to the next one, in the end to chance. */
function orderOf(policy: string, world: World, group: Group): Order[] {
  const launchedAt = (member: Member): number =>
    world.instances[member.instanceId]?.launchedAt ?? member.joinedAt;
  const toNextHour = (member: Member): number => hourMs - ((world.now - launchedAt(member)) % hourMs);
  const byHour: Order = (a, b) => toNextHour(a) - toNextHour(b);
  const byAge: Order = (a, b) => launchedAt(a) - launchedAt(b);
  /** Instance types of low preference go first. */
  const byAllocation: Order = (a, b) =>
    preferenceOf(group, b.instanceType) - preferenceOf(group, a.instanceType);
  switch (policy) {
    case 'OldestInstance':
      return [byAge];
    case 'NewestInstance':
      return [(a, b) => byAge(b, a)];
    case 'ClosestToNextInstanceHour':
      return [byHour];
    case 'OldestLaunchTemplate':
      return [byTemplate(world, group)];
    case 'AllocationStrategy':
      return [byAllocation];
    // No instance of this world comes from a launch configuration.
    case 'OldestLaunchConfiguration':
      return [];
    default:
      return [...(group.mixedInstances ? [byAllocation] : []), byTemplate(world, group), byHour];
  }
}

/** "instances that use the noncurrent launch template ... first, followed by ... the oldest version of the current" */
function byTemplate(world: World, group: Group): Order {
  const current = new Set(launchOptions(group).map(({ templateId }) => templateId));
  const age = ({ template }: Member): number => {
    if (template === null) return -1;
    return current.has(template.id)
      ? Number.POSITIVE_INFINITY
      : (world.templates[template.id]?.createdAt ?? 0);
  };
  return (a, b) => {
    const [first, second] = [age(a), age(b)];
    if (first !== second) return first - second;
    return Number(a.template?.version ?? 0) - Number(b.template?.version ?? 0);
  };
}
