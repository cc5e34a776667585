/**
 * Lifecycle hooks and the actions a member in a wait state waits for. What follows when they are over is decided in
 * members.ts.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html
 * https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutLifecycleHook.html
 */
import { ServiceError, validationError } from './errors.ts';
import type { LifecycleAction, LifecycleHook, Transition } from './group-state.ts';
import { newUuid } from './identity.ts';
import { allMembers, memberIn } from './lifecycle.ts';
import { schedule } from './queue.ts';
import type { Group, Member, World } from './state.ts';

/** "The range is from 30 to 7200 seconds." */
const heartbeatSeconds = { least: 30, most: 7200 };
/** "48 hours or 100 times the heartbeat timeout, whichever is smaller" */
const longestWaitMs = 48 * 3_600_000;
const heartbeatsPerWait = 100;
/** "by default ... 50 per Auto Scaling group" */
const hooksPerGroup = 50;

export const globalTimeoutMs = (hook: Pick<LifecycleHook, 'heartbeatMs'>): number =>
  Math.min(longestWaitMs, heartbeatsPerWait * hook.heartbeatMs);

/** A new hook, or changes to the one of that name; `null` clears what can be cleared. */
export function putHook(
  group: Group,
  change: Pick<LifecycleHook, 'name'> & { [Key in keyof LifecycleHook]?: LifecycleHook[Key] | undefined },
): LifecycleHook {
  const existing = Object.hasOwn(group.hooks, change.name) ? group.hooks[change.name] : undefined;
  const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  const hook = {
    transition: undefined,
    heartbeatMs: 3_600_000,
    defaultResult: 'ABANDON',
    notificationTargetArn: null,
    roleArn: null,
    metadata: null,
    ...existing,
    ...given,
  } as Omit<LifecycleHook, 'transition'> & { transition?: Transition };
  if (hook.transition === undefined) {
    throw validationError('LifecycleTransition is required when creating a new lifecycle hook.');
  }
  const seconds = hook.heartbeatMs / 1000;
  if (!(seconds >= heartbeatSeconds.least && seconds <= heartbeatSeconds.most)) {
    throw validationError(
      `Heartbeat timeout must be between ${heartbeatSeconds.least} and ${heartbeatSeconds.most} seconds, not ${seconds}`,
    );
  }
  if (!existing && Object.keys(group.hooks).length >= hooksPerGroup) {
    throw new ServiceError(
      'LimitExceeded',
      `AutoScalingGroup ${group.name} has already ${hooksPerGroup} lifecycle hooks`,
    );
  }
  group.hooks[hook.name] = hook as LifecycleHook;
  return hook as LifecycleHook;
}

export function findHook(group: Group, name: string): LifecycleHook {
  if (Object.hasOwn(group.hooks, name)) return group.hooks[name]!;
  throw validationError(`No Lifecycle Hook found with name ${name} in AutoScalingGroup ${group.name}`);
}

/** One action per hook of the transition, all at once; false when there is none to wait for. */
export function beginActions(world: World, group: Group, member: Member, transition: Transition): boolean {
  for (const hook of Object.values(group.hooks)) {
    if (hook.transition !== transition) continue;
    const action = {
      hook: hook.name,
      transition,
      token: newUuid(world),
      endsAt: world.now + hook.heartbeatMs,
      latestEndsAt: world.now + globalTimeoutMs(hook),
    };
    member.actions.push(action);
    scheduleTimeout(world, group, member, action);
  }
  return member.actions.length > 0;
}

function scheduleTimeout(world: World, group: Group, member: Member, action: LifecycleAction): void {
  schedule(world, action.endsAt - world.now, {
    kind: 'hook.timeout',
    group: group.name,
    id: member.instanceId,
    token: action.token,
  });
}

/** The action has run out at the world's present; undefined when it is over or a heartbeat has moved its end. */
export const actionThatRanOut = (world: World, member: Member, token: string): LifecycleAction | undefined =>
  member.actions.find((action) => action.token === token && action.endsAt <= world.now);

/** "This extends the timeout by the length of time defined using the PutLifecycleHook API call", up to the global one. */
export function recordHeartbeat(world: World, group: Group, member: Member, action: LifecycleAction): void {
  const { heartbeatMs } = findHook(group, action.hook);
  action.endsAt = Math.min(world.now + heartbeatMs, action.latestEndsAt);
  scheduleTimeout(world, group, member, action);
}

/** The outstanding action of a hook, by its token or by its instance. */
export function findAction(
  group: Group,
  hook: string,
  by: { token?: string | undefined; instanceId?: string | undefined },
): { member: Member; action: LifecycleAction } {
  const { token, instanceId } = by;
  findHook(group, hook);
  if (token === undefined && instanceId === undefined) {
    throw validationError('Either LifecycleActionToken or InstanceId must be specified.');
  }
  const candidates = instanceId === undefined ? allMembers(group) : [memberIn(group, instanceId)];
  for (const member of candidates) {
    const action = member?.actions.find(
      (one) => one.hook === hook && (token === undefined || one.token === token),
    );
    if (member && action) return { member, action };
  }
  throw validationError(
    `No active Lifecycle Action found with ${token === undefined ? `instance ID ${instanceId}` : `token ${token}`}`,
  );
}
