/**
 * Auto Scaling's health checks: when a member counts as unhealthy, and its replacement.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/health-check-grace-period.html
 */
import { timestamp } from '../../clock.ts';
import { schedule } from './queue.ts';
import { failLaunch, terminateMember } from './scaling.ts';
import type { Group, Member, World } from './state.ts';
import { targetHealth } from './targets.ts';

/** Looks at one member; a member within its grace period is looked at again when that ends. */
export function checkMember(world: World, group: Group, member: Member): void {
  if (member.lifecycle === 'Pending') checkLaunch(world, group, member);
  if (member.lifecycle !== 'InService') return;
  if (member.health === 'Unhealthy') {
    replaceUnhealthy(world, group, member, 'a user health-check');
    return;
  }
  if (group.suspended.HealthCheck !== undefined) return;
  const failure = failureOf(world, group, member);
  if (failure === null) return;
  // The grace period forgives failing checks, not an instance that no longer runs.
  const graceEndsAt = (member.inServiceAt ?? world.now) + group.healthCheckGraceMs;
  if (failure.graceful && world.now < graceEndsAt) {
    schedule(world, graceEndsAt - world.now, {
      kind: 'group.health',
      group: group.name,
      id: member.instanceId,
    });
    return;
  }
  member.health = 'Unhealthy';
  replaceUnhealthy(world, group, member, failure.reason);
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
    `Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: ${reason}`,
  );
}

function failureOf(world: World, group: Group, member: Member): { reason: string; graceful: boolean } | null {
  const instance = world.instances[member.instanceId];
  if (instance?.state !== 'running') {
    const state = instance?.state ?? 'terminated';
    return {
      reason: `an EC2 health check indicating it has been terminated or stopped (${state})`,
      graceful: false,
    };
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

/** ReplaceUnhealthy works through Terminate and Launch: with Terminate suspended nothing is replaced. */
function replaceUnhealthy(world: World, group: Group, member: Member, reason: string): void {
  if (group.suspended.ReplaceUnhealthy !== undefined || group.suspended.Terminate !== undefined) return;
  terminateMember(
    world,
    group,
    member,
    `At ${timestamp(world.now)} an instance was taken out of service in response to ${reason}.`,
  );
}
