/**
 * Target groups: registration and draining. Which verdict the health checks come to is target-checks.ts.
 *
 * initial → healthy | unhealthy; deregistered → draining → unused (which is: no longer there).
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#deregistration-delay
 */
import { ServiceError } from './errors.ts';
import { newSuffix, nextSerial } from './identity.ts';
import { schedule } from './queue.ts';
import { concerns, find, happened } from './standing.ts';
import type { HealthCheck, Instance, Tags, TargetGroup, World } from './state.ts';
import { planCheck, registered } from './target-checks.ts';

export function findTargetGroup(world: World, arn: string): TargetGroup {
  if (Object.hasOwn(world.targetGroups, arn)) return world.targetGroups[arn]!;
  throw new ServiceError('TargetGroupNotFound', `Target groups '${arn}' not found`);
}

export function createTargetGroup(
  world: World,
  request: {
    name: string;
    port: number;
    protocol: string;
    tags: Tags;
    healthCheck?: Partial<HealthCheck>;
    deregistrationDelayMs?: number;
  },
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
    healthCheck: { ...defaultCheck(world, request.protocol), ...request.healthCheck },
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

/**
 * "The default is 30 seconds" (API reference, CreateTargetGroup); here it is as long as software takes to start, so that
 * a target is healthy at its first check however fast the world runs.
 */
const defaultCheck = (world: World, protocol: string): HealthCheck => ({
  intervalMs: Math.max(1, world.timing.warmUpMs),
  timeoutMs: 5_000,
  healthyThreshold: 5,
  unhealthyThreshold: 2,
  protocol,
  port: 'traffic-port',
  path: '/',
  matcher: '200',
});

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
    registeredAt: world.now,
    checkDue: null,
    drainedAt: null,
  };
  planCheck(world, group, group.targets[instance.id]!);
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
  const slow = instance && find(world, ['slow-drain'], (fault) => concerns(fault, instance));
  if (!slow) return group.deregistrationDelayMs;
  happened(slow);
  return slow.fault.drainMs;
}

export function forgetDrained(world: World, arn: string, instanceId: string, registration: number): void {
  const target = registered(world, arn, instanceId, registration);
  if (target?.state === 'draining') delete world.targetGroups[arn]!.targets[instanceId];
}

/** A terminated instance is deregistered by the load balancer itself. */
export function forgetInstance(world: World, instanceId: string): void {
  for (const group of Object.values(world.targetGroups)) {
    if (group.targets[instanceId]) delete group.targets[instanceId];
  }
}
