/**
 * What Auto Scaling does by itself: keep the number of instances at desired and spread them over zones. Where it grows
 * and who goes is placement.ts, from what it launches purchasing.ts, a member's way in and out members.ts, who is
 * unhealthy health.ts, at what pace it is replaced replacing.ts; what a user asks for is groups.ts and membership.ts.
 *
 * Suspension: https://docs.aws.amazon.com/autoscaling/ec2/userguide/understand-how-suspending-processes-affects-other-processes.html
 * Zones: https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html#arch-AutoScalingMultiAZ
 */
import { activitiesOf, begin, capacityChange, causes, end } from './activities.ts';
import { lookAt } from './attention.ts';
import { launcher } from './launch-member.ts';
import { isLaunching, isMoving } from './lifecycle.ts';
import { returnToPool, terminateMember } from './members.ts';
import {
  addTo,
  chooseVictim,
  movesToBalance,
  removeFrom,
  type Spread,
  sizeOf,
  spreadOf,
} from './placement.ts';
import { schedule } from './queue.ts';
import { wantedIn } from './refresh-state.ts';
import { replaceAiling } from './replacing.ts';
import type { Group, World } from './state.ts';
import { drawFromPool, reconcilePool, reusesOnScaleIn } from './warm-pool.ts';

/** Replaces what ails, launches what is missing, terminates what is too much. */
export function reconcile(world: World, group: Group): void {
  const spread = spreadOf(group);
  const ahead = replaceAiling(world, group, spread);
  const wanted = wantedIn(world, group) + ahead.length;
  const actual = sizeOf(spread);
  if (actual < wanted && !grow(world, group, spread, { actual, wanted, ahead })) return;
  shrink(world, group, spread, wanted);
  group.capacityCause = '';
  group.replacements = [];
  considerRebalancing(world, group, spread);
  reconcilePool(world, group);
}

/** False when it could not be done, and is tried again later or when Launch is resumed. */
function grow(
  world: World,
  group: Group,
  spread: Spread,
  { actual, wanted, ahead }: { actual: number; wanted: number; ahead: string[] },
): boolean {
  if (group.suspended.Launch !== undefined) return false;
  const launch = launcher(world, group, spread);
  for (let count = actual; count < wanted; count += 1) {
    const cause =
      group.replacements.at(-1) ??
      ahead[count - (wanted - ahead.length)] ??
      group.capacityCause + difference(world, 'started', count, count + 1);
    const member = drawFromPool(world, group, spread, cause) ?? launch(cause);
    if (!member) {
      lookAt(world, group, world.timing.launchRetryMs);
      return false;
    }
    group.replacements.pop();
    addTo(spread, member);
  }
  return true;
}

const difference = (world: World, verb: string, from: number, to: number): string =>
  causes(
    world,
    `an instance was ${verb} in response to a difference between desired and actual capacity, ${capacityChange(from, to)}`,
  );

function shrink(world: World, group: Group, spread: Spread, wanted: number): void {
  const extras = [...spread.values()].flat().filter((member) => member.rebalancing && isLaunching(member));
  for (let count = sizeOf(spread) - extras.length; count > wanted; count -= 1) {
    const victim = chooseVictim(world, group, spread);
    if (!victim) {
      if (group.suspended.Terminate === undefined) reportProtection(world, group, count);
      return;
    }
    const why =
      movesToBalance(group, spread) > 0 && group.capacityCause === ''
        ? balancing(world)
        : group.capacityCause;
    const cause =
      `${why}${difference(world, 'taken out of service', count, count - 1)}  ` +
      causes(world, `instance ${victim.instanceId} was selected for termination`);
    removeFrom(spread, victim);
    if (victim.health === 'Healthy' && reusesOnScaleIn(group)) returnToPool(world, group, victim, cause);
    else terminateMember(world, group, victim, cause);
  }
}

const balancing = (world: World): string =>
  `${causes(world, 'instances were launched to balance instances in zones with other zones resulting in more than desired number of instances in the group')}  `;

/** https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-instance-protection.html */
function reportProtection(world: World, group: Group, count: number): void {
  const message =
    'Could not scale to desired capacity because all remaining instances are protected from scale-in.';
  if (activitiesOf(world, group.name).at(-1)?.message === message) return;
  const cause = group.capacityCause + difference(world, 'taken out of service', count, count - 1);
  const activity = begin(world, group, {
    description: 'Terminating EC2 instance',
    cause,
    status: 'InProgress',
  });
  end(world, activity, 'Failed', message);
}

function considerRebalancing(world: World, group: Group, spread: Spread): void {
  if (group.rebalanceDue !== null || movesToBalance(group, spread) === 0) return;
  group.rebalanceDue = world.now + world.timing.rebalanceMs;
  schedule(world, world.timing.rebalanceMs, { kind: 'group.rebalance', group: group.name });
}

/**
 * An uneven group is evened out by launching first and terminating after: as soon as the new instance is in service there
 * is one too many, whatever its targets say. No page promises more than the order ("launches new instances before
 * terminating the previous ones"), and operators see the surplus end within seconds of the launch's end:
 * https://github.com/hellofresh/eks-rolling-update/issues/107,
 * https://github.com/spacelift-io/terraform-aws-spacelift-workerpool-on-ec2/pull/96
 */
export function rebalance(world: World, group: Group): void {
  const { AZRebalance, Launch, Terminate } = group.suspended;
  const spread = spreadOf(group);
  const moves = movesToBalance(group, spread);
  if (AZRebalance !== undefined || Launch !== undefined || moves === 0) return;
  const settled = Object.values(group.members).every((member) => !isMoving(member));
  const size = sizeOf(spread);
  if (settled && (size === group.desired || Terminate !== undefined)) {
    launchToBalance(world, group, spread, Math.min(moves, ceiling(group) - size));
  }
  considerRebalancing(world, group, spread);
}

function launchToBalance(world: World, group: Group, spread: Spread, count: number): void {
  const launch = launcher(world, group, spread, 'balanced-only');
  for (let launched = 0; launched < count; launched += 1) {
    const sizes = [...spread].map(([zone, members]) => ({ zone, size: members.length }));
    const member = launch(
      causes(
        world,
        `availability zones ${sizes.map(({ zone }) => zone).join(' ')} had ${sizes.map(({ size }) => size).join(' ')} ` +
          `instances respectively. An instance was launched to aid in balancing the group's zones`,
      ),
    );
    if (!member) return;
    member.rebalancing = true;
    addTo(spread, member);
  }
}

/**
 * The group can exceed its maximum "by a margin of 10 percent or one instance, whichever is greater" while it is
 * rebalanced, for as long as Terminate is suspended; and a maintenance policy's upper bound holds here as well.
 */
function ceiling({ max, desired, maintenance }: Group): number {
  const margin = max + Math.max(1, Math.floor(max / 10));
  if (maintenance === null) return margin;
  return Math.min(margin, Math.max(desired + 1, Math.floor((desired * maintenance.maxHealthyPercent) / 100)));
}
