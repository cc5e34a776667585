/**
 * At what pace members that ail are replaced: unhealthy ones, and spot instances EC2 may soon take back. Works through
 * Terminate and Launch: with Terminate suspended nothing is replaced.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html#minimize-downtime
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-maintenance-policy-overview-and-considerations.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-capacity-rebalancing.html
 */
import { causes } from './activities.ts';
import { lookAt } from './attention.ts';
import { isAtRisk, markedByUser, outOfService } from './health.ts';
import { terminateMember } from './members.ts';
import { removeFrom, type Spread } from './placement.ts';
import type { Group, Member, World } from './state.ts';

/**
 * Terminates those that may go now, and takes them out of `spread`.
 * @returns why instances are to be launched before the members they replace are terminated: a cause for each
 */
export function replaceAiling(world: World, group: Group, spread: Spread): string[] {
  if (!group.ailing || group.suspended.Terminate !== undefined) return [];
  const ahead = [...replaceUnhealthy(world, group, spread), ...replaceAtRisk(world, group, spread)];
  group.ailing = inService(spread).some(
    (member) => member.health === 'Unhealthy' || isAtRisk(world, group, member),
  );
  if (group.ailing) lookAt(world, group, world.timing.healthCheckMs);
  return ahead;
}

const inService = (spread: Spread): Member[] =>
  [...spread.values()].flat().filter(({ lifecycle }) => lifecycle === 'InService');

function takeOut(world: World, group: Group, spread: Spread, member: Member, reason: string): void {
  removeFrom(spread, member);
  terminateMember(world, group, member, outOfService(world, reason));
}

const needingReplacement = (world: World): string =>
  causes(world, 'an instance was launched in response to an unhealthy instance needing to be replaced');

function replaceUnhealthy(world: World, group: Group, spread: Spread): string[] {
  if (group.suspended.ReplaceUnhealthy !== undefined) return [];
  const members = inService(spread);
  const unhealthy = members.filter(({ health }) => health === 'Unhealthy');
  const urgent = unhealthy.filter((member) => isUrgent(world, group, member));
  const others = unhealthy.filter((member) => !urgent.includes(member));
  const { least, most } = bounds(group);
  // "It also waits for the default instance warmup to finish before continuing."
  const warm = members.filter((one) => (one.inServiceAt ?? 0) + (group.warmUpMs ?? 0) <= world.now);
  const spare = Math.max(0, warm.length - urgent.length - least);
  const victims = [...urgent, ...others.slice(0, spare)];
  for (const member of victims) {
    takeOut(world, group, spread, member, member.unhealthyBecause ?? markedByUser);
  }
  group.replacements.push(...victims.map(() => needingReplacement(world)));
  const waiting = unhealthy.length - victims.length;
  return Array.from({ length: Math.min(waiting, most - group.desired) }, () => needingReplacement(world));
}

/**
 * "If Amazon EC2 Auto Scaling determines that any instances are no longer running or were marked unhealthy with the
 * set-instance-health command, it immediately replaces them"; a maintenance policy spares those that still run.
 */
function isUrgent(world: World, group: Group, member: Member): boolean {
  if (world.instances[member.instanceId]?.state !== 'running') return true;
  return group.maintenance === null && member.unhealthyBecause === markedByUser;
}

/** "or one": a tenth of desired, and at least one instance. */
const tenthOf = (desired: number): number => Math.max(1, Math.floor(desired / 10));

/**
 * How few instances in service a group may have while unhealthy ones are replaced, and how many instances at most.
 * Without a policy it "only replaces up to 10 percent of the group's desired capacity at a time", at least one, and
 * terminates first. With one, its percentages hold, and at least one instance can always be replaced.
 */
function bounds({ desired, maintenance }: Group): { least: number; most: number } {
  if (maintenance === null) return { least: desired - tenthOf(desired), most: desired };
  const { minHealthyPercent, maxHealthyPercent } = maintenance;
  const least = Math.ceil((desired * minHealthyPercent) / 100);
  const most =
    maxHealthyPercent > 100
      ? Math.max(desired + 1, Math.floor((desired * maxHealthyPercent) / 100))
      : desired;
  return { least: most === desired ? Math.min(least, desired - 1) : least, most };
}

/** Capacity Rebalancing: a new instance is in service first, a tenth of desired at a time; then one at risk goes. */
function replaceAtRisk(world: World, group: Group, spread: Spread): string[] {
  const members = inService(spread);
  const atRisk = members.filter((member) => member.health === 'Healthy' && isAtRisk(world, group, member));
  const spare = Math.max(0, members.length - group.desired);
  for (const member of atRisk.slice(0, spare)) {
    takeOut(world, group, spread, member, 'an EC2 instance rebalance recommendation');
  }
  const cause = causes(
    world,
    'an instance was launched in response to an EC2 instance rebalance recommendation',
  );
  const waiting = Math.max(0, atRisk.length - spare);
  return Array.from({ length: Math.min(waiting, tenthOf(group.desired)) }, () => cause);
}
