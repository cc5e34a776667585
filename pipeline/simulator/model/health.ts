/**
 * Auto Scaling's health checks: when a member counts as unhealthy, and at what pace unhealthy members are replaced.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/health-check-grace-period.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-maintenance-policy-overview-and-considerations.html
 */
import { causes } from './activities.ts';
import { lookAt } from './attention.ts';
import { isLaunching, isTerminating, isWarm } from './lifecycle.ts';
import { failLaunch, terminateMember } from './members.ts';
import { removeFrom, type Spread } from './placement.ts';
import { schedule } from './queue.ts';
import type { Group, Member, World } from './state.ts';
import { targetHealth } from './target-checks.ts';

/** What SetInstanceHealth says about an instance. */
export const markedByUser = 'a user health-check';

/** Looks at one member; a member within its grace period is looked at again when that ends. */
export function checkMember(world: World, group: Group, member: Member): void {
  if (isTerminating(member)) return;
  if (isWarm(member)) checkWarm(world, group, member);
  else if (isLaunching(member)) checkLaunch(world, group, member);
  // Instances on standby are not checked.
  if (member.lifecycle !== 'InService') return;
  if (member.health === 'Healthy' && !findFailure(world, group, member)) return;
  group.unhealthy = true;
  lookAt(world, group);
}

/** Marks the member, unless it is well or its grace period forgives it. */
function findFailure(world: World, group: Group, member: Member): boolean {
  if (group.suspended.HealthCheck !== undefined) return false;
  const failure = failureOf(world, group, member);
  if (failure === null) return false;
  // The grace period forgives failing checks, not an instance that no longer runs.
  const graceEndsAt = (member.inServiceAt ?? world.now) + group.healthCheckGraceMs;
  if (failure.graceful && world.now < graceEndsAt) {
    schedule(world, graceEndsAt - world.now, {
      kind: 'group.health',
      group: group.name,
      id: member.instanceId,
    });
    return false;
  }
  member.health = 'Unhealthy';
  member.unhealthyBecause = failure.reason;
  return true;
}

/** A stopped instance is what a warm pool is made of; one that is lost, or that a user calls unhealthy, is replaced. */
function checkWarm(world: World, group: Group, member: Member): void {
  const state = world.instances[member.instanceId]?.state ?? 'terminated';
  if (state === 'shutting-down' || state === 'terminated') {
    member.health = 'Unhealthy';
    member.unhealthyBecause = notRunning(state);
  }
  if (member.health === 'Healthy') return;
  terminateMember(world, group, member, outOfService(world, member.unhealthyBecause ?? markedByUser));
}

/** An instance that goes away before it is in service is a failed launch, whatever is suspended. */
function checkLaunch(world: World, group: Group, member: Member): void {
  const instance = world.instances[member.instanceId];
  if (instance?.state === 'pending' || instance?.state === 'running') return;
  const reason = instance?.stateReason?.message ?? 'Client.InstanceInitiatedShutdown';
  failLaunch(
    world,
    group,
    member,
    'Failed',
    `Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: ${reason}`,
  );
}

const notRunning = (state: string): string =>
  `an EC2 health check indicating it has been terminated or stopped (${state})`;

const outOfService = (world: World, reason: string): string =>
  causes(world, `an instance was taken out of service in response to ${reason}`);

function failureOf(world: World, group: Group, member: Member): { reason: string; graceful: boolean } | null {
  const instance = world.instances[member.instanceId];
  if (instance?.state !== 'running') {
    return { reason: notRunning(instance?.state ?? 'terminated'), graceful: false };
  }
  if (instance.checks === 'impaired') {
    return { reason: 'an EC2 instance status checks failure', graceful: true };
  }
  if (group.healthCheckType.split(',').includes('ELB')) {
    for (const arn of group.targetGroupArns) {
      const targetGroup = world.targetGroups[arn];
      if (targetGroup && targetHealth(world, targetGroup, member.instanceId).state === 'unhealthy') {
        return { reason: 'an ELB system health check failure', graceful: true };
      }
    }
  }
  return null;
}

/**
 * Terminates as many unhealthy members as may go now, and takes them out of `spread`. ReplaceUnhealthy works through
 * Terminate and Launch: with Terminate suspended nothing is replaced.
 * @returns how many replacements are to be launched before the members they replace are terminated
 */
export function replaceUnhealthy(world: World, group: Group, spread: Spread): number {
  const { ReplaceUnhealthy, Terminate } = group.suspended;
  if (!group.unhealthy || ReplaceUnhealthy !== undefined || Terminate !== undefined) return 0;
  const inService = [...spread.values()].flat().filter(({ lifecycle }) => lifecycle === 'InService');
  const unhealthy = inService.filter(({ health }) => health === 'Unhealthy');
  const urgent = unhealthy.filter((member) => isUrgent(world, group, member));
  const others = unhealthy.filter((member) => !urgent.includes(member));
  const { least, most } = bounds(group);
  const spare = Math.max(0, inService.length - urgent.length - least);
  const victims = [...urgent, ...others.slice(0, spare)];
  for (const member of victims) {
    removeFrom(spread, member);
    terminateMember(world, group, member, outOfService(world, member.unhealthyBecause ?? markedByUser));
  }
  const waiting = unhealthy.length - victims.length;
  group.unhealthy = waiting > 0;
  group.replacements += victims.length;
  if (waiting > 0) lookAt(world, group, world.timing.healthCheckMs);
  return Math.min(waiting, most - group.desired);
}

/**
 * "If Amazon EC2 Auto Scaling determines that any instances are no longer running or were marked unhealthy with the
 * set-instance-health command, it immediately replaces them"; a maintenance policy spares those that still run.
 */
function isUrgent(world: World, group: Group, member: Member): boolean {
  if (world.instances[member.instanceId]?.state !== 'running') return true;
  return group.maintenance === null && member.unhealthyBecause === markedByUser;
}

/**
 * How few instances in service a group may have while unhealthy ones are replaced, and how many instances at most.
 * Without a policy it "only replaces up to 10 percent of the group's desired capacity at a time", at least one, and
 * terminates first. With one, its percentages hold, and at least one instance can always be replaced.
 */
function bounds({ desired, maintenance }: Group): { least: number; most: number } {
  if (maintenance === null) return { least: desired - Math.max(1, Math.floor(desired / 10)), most: desired };
  const { minHealthyPercent, maxHealthyPercent } = maintenance;
  const least = Math.ceil((desired * minHealthyPercent) / 100);
  const most =
    maxHealthyPercent > 100
      ? Math.max(desired + 1, Math.floor((desired * maxHealthyPercent) / 100))
      : desired;
  return { least: most === desired ? Math.min(least, desired - 1) : least, most };
}
