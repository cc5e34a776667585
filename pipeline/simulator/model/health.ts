/**
 * Auto Scaling's health checks: when a member counts as unhealthy. At what pace it is replaced is replacing.ts.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/health-check-grace-period.html
 */
import { causes } from './activities.ts';
import { lookAt } from './attention.ts';
import { isLaunching, isTerminating, isWarm } from './lifecycle.ts';
import { failLaunch, terminateMember } from './members.ts';
import { schedule } from './queue.ts';
import type { Group, Member, World } from './state.ts';
import { type TargetHealth, targetHealth } from './target-checks.ts';

/** What SetInstanceHealth says about an instance. */
export const markedByUser = 'a user health-check';

/** Looks at one member; a member within its grace period is looked at again when that ends. */
export function checkMember(world: World, group: Group, member: Member): void {
  if (isTerminating(member)) return;
  if (isWarm(member)) checkWarm(world, group, member);
  else if (isLaunching(member)) checkLaunch(world, group, member);
  // Instances on standby are not checked.
  if (member.lifecycle !== 'InService') return;
  const ails = member.health === 'Unhealthy' || findFailure(world, group, member);
  if (!ails && !isAtRisk(world, group, member)) return;
  group.ailing = true;
  lookAt(world, group);
}

/** EC2 recommends to replace its spot instance, and the group listens to that. */
export const isAtRisk = (world: World, group: Group, member: Member): boolean =>
  group.capacityRebalance && (world.instances[member.instanceId]?.interruption ?? null) !== null;

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
  const { ReplaceUnhealthy, Terminate } = group.suspended;
  if (ReplaceUnhealthy !== undefined || Terminate !== undefined) return;
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

export const outOfService = (world: World, reason: string): string =>
  causes(world, `an instance was taken out of service in response to ${reason}`);

function failureOf(world: World, group: Group, member: Member): { reason: string; graceful: boolean } | null {
  const instance = world.instances[member.instanceId];
  if (instance?.state !== 'running') {
    return { reason: notRunning(instance?.state ?? 'terminated'), graceful: false };
  }
  if (instance.checks === 'impaired') {
    return { reason: 'an EC2 instance status checks failure', graceful: true };
  }
  if (elbVerdicts(world, group, member).includes('unhealthy')) {
    return { reason: 'an ELB system health check failure', graceful: true };
  }
  return null;
}

/** Whether the group takes an instance for unhealthy that its target groups call so. */
export const asksTargetGroups = ({ healthCheckType }: Group): boolean =>
  healthCheckType.split(',').includes('ELB');

/** What the group's target groups say of a member; nothing when the group does not ask them. */
export function elbVerdicts(world: World, group: Group, member: Member): TargetHealth['state'][] {
  if (!asksTargetGroups(group)) return [];
  return group.targetGroupArns.flatMap((arn) => {
    const targetGroup = world.targetGroups[arn];
    return targetGroup ? [targetHealth(world, targetGroup, member.instanceId).state] : [];
  });
}
