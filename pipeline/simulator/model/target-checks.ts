/**
 * Health checks of target groups: what they find, and what DescribeTargetHealth says of it. Checks come at fixed
 * intervals from the registration on; as it is known when an instance's software works and when it does not, only the
 * checks that change a verdict are events.
 *
 * "After your target is registered, it must pass one health check to be considered healthy"; after that only so many
 * checks in a row change the verdict. A target may be unhealthy before it is healthy for the first time.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
 */
import { works } from './behaviour.ts';
import { schedule } from './queue.ts';
import type { Event, Instance, Target, TargetGroup, World } from './state.ts';

/** Lets the next check that may find something new be an event. */
export function planCheck(world: World, group: TargetGroup, target: Target): void {
  const instance = world.instances[target.instanceId];
  const next = instance ? nextCheck(world, group, target, instance) : null;
  if (next === target.checkDue) return;
  target.checkDue = next;
  if (next === null) return;
  schedule(world, next - world.now, {
    kind: 'target.health',
    arn: group.arn,
    id: target.instanceId,
    registration: target.registration,
  });
}

/** A check, and what follows from it. A check that was planned anew leaves its first appointment behind. */
export function checkTarget(world: World, event: Extract<Event, { kind: 'target.health' }>): void {
  const target = registered(world, event.arn, event.id, event.registration);
  const instance = world.instances[event.id];
  if (!target || !instance || target.state === 'draining' || target.checkDue !== event.due) return;
  target.checkDue = null;
  const group = world.targetGroups[event.arn]!;
  const { state, at } = verdict(world, group, target, instance);
  if (at <= world.now && target.state !== state) {
    target.state = state;
    if (state === 'unhealthy' && instance.groupName !== null) {
      const { healthCheckMs } = world.timing;
      schedule(world, healthCheckMs, { kind: 'group.health', group: instance.groupName, id: instance.id });
    }
  }
  planCheck(world, group, target);
}

/** The instance's software works, or works no more, other than was foreseen: its targets are checked accordingly. */
export function recheckTargets(world: World, instanceId: string): void {
  for (const group of Object.values(world.targetGroups)) {
    const target = group.targets[instanceId];
    if (target && target.state !== 'draining') planCheck(world, group, target);
  }
}

/** A stopped instance that was started: "initial" once more, wherever it is registered. */
export function restartTargets(world: World, instanceId: string): void {
  for (const group of Object.values(world.targetGroups)) {
    const target = group.targets[instanceId];
    if (!target || target.state === 'draining') continue;
    Object.assign(target, { state: 'initial', registeredAt: world.now });
    planCheck(world, group, target);
  }
}

export function registered(
  world: World,
  arn: string,
  instanceId: string,
  registration: number,
): Target | null {
  const target = world.targetGroups[arn]?.targets[instanceId];
  return target?.registration === registration ? target : null;
}

/** What the checks come to if the instance goes on as it is, and with which check. */
function verdict(
  world: World,
  { healthCheck }: TargetGroup,
  target: Target,
  instance: Instance,
): { state: 'healthy' | 'unhealthy'; at: number } {
  const good = works(world, instance);
  const { healthyThreshold, unhealthyThreshold, intervalMs } = healthCheck;
  const needed = !good ? unhealthyThreshold : target.state === 'unhealthy' ? healthyThreshold : 1;
  const first = firstCheck(healthCheck, target, steadySince(world, instance, good));
  return { state: good ? 'healthy' : 'unhealthy', at: first + (needed - 1) * intervalMs };
}

function nextCheck(world: World, group: TargetGroup, target: Target, instance: Instance): number | null {
  const { state, at } = verdict(world, group, target, instance);
  const candidates: number[] = [];
  if (state !== target.state) candidates.push(Math.max(at, world.now));
  const turn = nextTurn(world, instance);
  if (turn !== null) candidates.push(firstCheck(group.healthCheck, target, turn));
  return candidates.length === 0 ? null : Math.min(...candidates);
}

/** The first check at or after `time`; the first of all comes an interval after the registration. */
function firstCheck(
  { intervalMs }: TargetGroup['healthCheck'],
  { registeredAt }: Target,
  time: number,
): number {
  return registeredAt + Math.max(1, Math.ceil((time - registeredAt) / intervalMs)) * intervalMs;
}

/** Since when the software has worked, or not. */
function steadySince(world: World, instance: Instance, good: boolean): number {
  const { state, checksSince, runningSince, conduct } = instance;
  if (state !== 'running' || runningSince === null) return checksSince;
  const { readyAfterMs, failsAfterMs } = conduct;
  if (good) return runningSince + readyAfterMs!;
  const worked = readyAfterMs !== null && failsAfterMs !== null && failsAfterMs > readyAfterMs;
  const failedAt = worked ? runningSince + failsAfterMs : runningSince;
  return world.now >= failedAt ? failedAt : runningSince;
}

/** When the software begins to work, or ceases to, if that is still to come. */
function nextTurn(world: World, { state, runningSince, conduct }: Instance): number | null {
  if (state !== 'running' || runningSince === null || conduct.readyAfterMs === null) return null;
  const turns = [runningSince + conduct.readyAfterMs];
  if (conduct.failsAfterMs !== null) turns.push(runningSince + conduct.failsAfterMs);
  const coming = turns.filter((turn) => turn > world.now);
  return coming.length === 0 ? null : Math.min(...coming);
}

export interface TargetHealth {
  state: Target['state'] | 'unused';
  reason: string | null;
  description: string | null;
}

const health = (state: TargetHealth['state'], reason: string | null, description: string | null) => ({
  state,
  reason,
  description,
});

/**
 * What DescribeTargetHealth says about an instance, registered or not. 'unhealthy.draining' and 'unavailable' are
 * states of Network Load Balancers and of health checks switched off; neither exists here.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/check-target-health.html
 */
export function targetHealth(world: World, group: TargetGroup, instanceId: string): TargetHealth {
  const target = group.targets[instanceId];
  const instance = world.instances[instanceId];
  if (!target || !instance) {
    return health('unused', 'Target.NotRegistered', 'Target is not registered to the target group');
  }
  if (target.state === 'draining') {
    return health('draining', 'Target.DeregistrationInProgress', 'Target deregistration is in progress');
  }
  if (group.loadBalancerArns.length === 0) {
    const description = 'Target group is not configured to receive traffic from the load balancer';
    return health('unused', 'Target.NotInUse', description);
  }
  if (instance.state !== 'running' && instance.state !== 'pending') {
    const state = instance.state.startsWith('stop') ? 'stopped' : 'terminated';
    return health('unused', 'Target.InvalidState', `Target is in the ${state} state`);
  }
  switch (target.state) {
    case 'initial':
      return world.now < target.registeredAt + group.healthCheck.intervalMs
        ? health('initial', 'Elb.RegistrationInProgress', 'Target registration is in progress')
        : health('initial', 'Elb.InitialHealthChecking', 'Initial health checks in progress');
    case 'healthy':
      return health('healthy', null, null);
    case 'unhealthy':
      // Software that was up answers 503; what never came up answers nothing.
      return instance.conduct.readyAfterMs === null
        ? health('unhealthy', 'Target.Timeout', 'Request timed out')
        : health('unhealthy', 'Target.ResponseCodeMismatch', 'Health checks failed with these codes: [503]');
  }
}
