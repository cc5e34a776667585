/**
 * Target groups: registration, health, and draining.
 *
 * initial → healthy | unhealthy; deregistered → draining → unused (which is: no longer there).
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#deregistration-delay
 */
import { works } from './behaviour.ts';
import { ServiceError } from './errors.ts';
import { newSuffix, nextSerial } from './identity.ts';
import { schedule } from './queue.ts';
import { bound, find, happened } from './standing.ts';
import type { Instance, Tags, Target, TargetGroup, World } from './state.ts';

export function findTargetGroup(world: World, arn: string): TargetGroup {
  if (Object.hasOwn(world.targetGroups, arn)) return world.targetGroups[arn]!;
  throw new ServiceError('TargetGroupNotFound', `Target groups '${arn}' not found`);
}

export function createTargetGroup(
  world: World,
  request: { name: string; port: number; protocol: string; tags: Tags; deregistrationDelayMs?: number },
): TargetGroup {
  if (Object.values(world.targetGroups).some((group) => group.name === request.name)) {
    throw new ServiceError(
      'DuplicateTargetGroupName',
      `A target group with the same name '${request.name}' exists, but with different settings`,
    );
  }
  const { region, accountId } = world;
  const arn = (kind: string): string =>
    `arn:aws:elasticloadbalancing:${region}:${accountId}:${kind}/${newSuffix(world)}`;
  const group: TargetGroup = {
    arn: arn(`targetgroup/${request.name}`),
    serial: nextSerial(world),
    name: request.name,
    port: request.port,
    protocol: request.protocol,
    deregistrationDelayMs: request.deregistrationDelayMs ?? world.timing.drainMs,
    attributes: {},
    requestsPerSecond: 100,
    // Health is checked only for target groups in use by a load balancer, so each gets one of its own.
    loadBalancerArns: [arn(`loadbalancer/app/${request.name}`)],
    targets: {},
    tags: request.tags,
  };
  world.targetGroups[group.arn] = group;
  return group;
}

/** Registers, or takes a draining target back into service. A target already registered stays as it is. */
export function register(world: World, group: TargetGroup, instance: Instance, port = group.port): void {
  const existing = group.targets[instance.id];
  if (existing && existing.state !== 'draining') return;
  const registration = nextSerial(world);
  group.targets[instance.id] = {
    instanceId: instance.id,
    port,
    state: 'initial',
    registration,
    drainedAt: null,
  };
  schedule(world, world.timing.warmUpMs, {
    kind: 'target.health',
    arn: group.arn,
    id: instance.id,
    registration,
  });
}

/** Starts draining; returns when it ends (now, for a target that is not registered). */
export function deregister(world: World, group: TargetGroup, instanceId: string): number {
  const target = group.targets[instanceId];
  if (!target) return world.now;
  if (target.state === 'draining') return target.drainedAt ?? world.now;
  const delayMs = drainMs(world, group, instanceId);
  target.state = 'draining';
  target.drainedAt = world.now + delayMs;
  schedule(world, delayMs, {
    kind: 'target.drained',
    arn: group.arn,
    id: instanceId,
    registration: target.registration,
  });
  return target.drainedAt;
}

function drainMs(world: World, group: TargetGroup, instanceId: string): number {
  const instance = world.instances[instanceId];
  const slow = instance && find(world, ['slow-drain'], (fault) => bound(fault, instance));
  if (!slow) return group.deregistrationDelayMs;
  happened(slow);
  return slow.fault.drainMs;
}

/** The verdict of the health checks on one target, now. */
export function checkTarget(world: World, arn: string, instanceId: string, registration: number): void {
  const target = registered(world, arn, instanceId, registration);
  const instance = world.instances[instanceId];
  if (!target || !instance || target.state === 'draining') return;
  target.state = works(world, instance) ? 'healthy' : 'unhealthy';
  const { conduct, runningSince } = instance;
  if (target.state === 'healthy' && conduct.failsAfterMs !== null && runningSince !== null) {
    const failsAt = runningSince + conduct.failsAfterMs;
    schedule(world, failsAt - world.now, { kind: 'target.health', arn, id: instanceId, registration });
  }
  if (target.state === 'unhealthy' && instance.groupName !== null) {
    const { healthCheckMs } = world.timing;
    schedule(world, healthCheckMs, { kind: 'group.health', group: instance.groupName, id: instanceId });
  }
}

/** The instance's software may have changed its mind: it is checked wherever it is registered. */
export function recheckTargets(world: World, instanceId: string): void {
  for (const { arn, targets } of Object.values(world.targetGroups)) {
    const registration = targets[instanceId]?.registration;
    if (registration === undefined) continue;
    schedule(world, 0, { kind: 'target.health', arn, id: instanceId, registration });
  }
}

export function forgetDrained(world: World, arn: string, instanceId: string, registration: number): void {
  const target = registered(world, arn, instanceId, registration);
  if (target?.state === 'draining') delete world.targetGroups[arn]!.targets[instanceId];
}

function registered(world: World, arn: string, instanceId: string, registration: number): Target | null {
  const target = world.targetGroups[arn]?.targets[instanceId];
  return target?.registration === registration ? target : null;
}

/** A terminated instance is deregistered by the load balancer itself. */
export function forgetInstance(world: World, instanceId: string): void {
  for (const group of Object.values(world.targetGroups)) {
    if (group.targets[instanceId]) delete group.targets[instanceId];
  }
}

export interface TargetHealth {
  state: Target['state'] | 'unused';
  reason: string | null;
  description: string | null;
}

/** What DescribeTargetHealth says about an instance, registered or not. */
export function targetHealth(world: World, group: TargetGroup, instanceId: string): TargetHealth {
  const target = group.targets[instanceId];
  if (!target) {
    return {
      state: 'unused',
      reason: 'Target.NotRegistered',
      description: 'Target is not registered to the target group',
    };
  }
  if (target.state === 'draining') {
    return {
      state: 'draining',
      reason: 'Target.DeregistrationInProgress',
      description: 'Target deregistration is in progress',
    };
  }
  const instance = world.instances[instanceId];
  if (instance && ['stopping', 'stopped', 'shutting-down', 'terminated'].includes(instance.state)) {
    return {
      state: 'unused',
      reason: 'Target.InvalidState',
      description: `Target is in the ${instance.state} state`,
    };
  }
  switch (target.state) {
    case 'initial':
      return {
        state: 'initial',
        reason: 'Elb.RegistrationInProgress',
        description: 'Target registration is in progress',
      };
    case 'healthy':
      return { state: 'healthy', reason: null, description: null };
    case 'unhealthy':
      return {
        state: 'unhealthy',
        reason: 'Target.FailedHealthChecks',
        description: 'Health checks failed',
      };
  }
}
