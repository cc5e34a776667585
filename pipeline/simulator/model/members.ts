/**
 * A member's way through its lifecycle: into service, out of it, to standby and back, into the warm pool and out of the
 * group, held up by lifecycle hooks where there are some. Who goes where and when is decided elsewhere.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/warm-pool-instance-lifecycle.html
 */
import { activityOf, beginMove, causes, end } from './activities.ts';
import { lookAt } from './attention.ts';
import type { LifecycleAction, LifecycleResult, Transition } from './group-state.ts';
import { actionThatRanOut, beginActions, findHook } from './hooks.ts';
import * as instances from './instances.ts';
import { isTerminating, isWarm, passageOf } from './lifecycle.ts';
import { schedule } from './queue.ts';
import type { Activity, Group, Instance, Member, World } from './state.ts';
import { deregister, register } from './targets.ts';

/** An instance joins a group or its warm pool. */
export const newMember = (
  world: World,
  { id, zone, instanceType, spot }: Instance,
  given: Pick<Member, 'lifecycle' | 'protectedFromScaleIn' | 'template' | 'activity'>,
): Member => ({
  instanceId: id,
  zone,
  instanceType,
  spot,
  health: 'Healthy',
  unhealthyBecause: null,
  joinedAt: world.now,
  inServiceAt: null,
  rebalancing: false,
  draining: false,
  actions: [],
  ...given,
});

/** The instance is up: a launching member meets its hooks, or goes on. */
export function memberIsUp(world: World, group: Group, member: Member): void {
  if (member.lifecycle !== 'Pending' && member.lifecycle !== 'Warmed:Pending') return;
  if (!holdUp(world, group, member, 'launching')) goOn(world, group, member);
}

/** The next step of a member that waits for nothing but time. */
export function memberProceeds(world: World, group: Group, member: Member): void {
  if (member.lifecycle.endsWith(':Proceed')) goOn(world, group, member);
  else memberIsUp(world, group, member);
}

const proceedSoon = (world: World, group: Group, member: Member): void =>
  schedule(world, world.timing.reactionMs, {
    kind: 'member.proceeds',
    group: group.name,
    id: member.instanceId,
  });

/** Puts a member into its passage's wait state; false when no hook asks for it. */
function holdUp(world: World, group: Group, member: Member, transition: Transition): boolean {
  const passage = passageOf(member.lifecycle);
  if (passage === null || !beginActions(world, group, member, transition)) return false;
  member.lifecycle = `${passage}:Wait`;
  const activity = activityOf(world, group, member);
  if (activity?.endedAt === null) activity.status = 'MidLifecycleAction';
  return true;
}

/** What lies behind the passage: nothing holds the member up any more. */
function goOn(world: World, group: Group, member: Member): void {
  switch (passageOf(member.lifecycle)) {
    case 'Pending':
      enterService(world, group, member);
      return;
    case 'Warmed:Pending':
      enterPool(world, group, member);
      return;
    case 'Terminating':
    case 'Warmed:Terminating':
      terminateInstance(world, group, member);
      return;
    case null:
  }
}

/**
 * One action of a member in a wait state is over. The member goes on when it was the last; ABANDON ends a launch, and
 * on the way out it only "stops any remaining actions, such as other lifecycle hooks".
 */
export function completeAction(
  world: World,
  group: Group,
  member: Member,
  action: LifecycleAction,
  result: LifecycleResult,
  why = `Lifecycle Action Completed with ${result} Result`,
): void {
  member.actions = result === 'ABANDON' ? [] : member.actions.filter((other) => other !== action);
  if (member.actions.length > 0) return;
  const passage = passageOf(member.lifecycle);
  if (passage === null) return;
  if (result === 'ABANDON' && action.transition === 'launching') {
    failLaunch(
      world,
      group,
      member,
      'Cancelled',
      `Instance failed to complete user's Lifecycle Action: Lifecycle Action with token ${action.token} was abandoned: ${why}`,
    );
    return;
  }
  member.lifecycle = `${passage}:Proceed`;
  proceedSoon(world, group, member);
}

export function hookTimedOut(world: World, group: Group, member: Member, token: string): void {
  const action = actionThatRanOut(world, member, token);
  if (!action) return;
  const { defaultResult } = findHook(group, action.hook);
  completeAction(world, group, member, action, defaultResult, 'Heartbeat Timeout');
}

/** In service, and registered with the group's load balancers; what ails already is found out by a health check. */
function enterService(world: World, group: Group, member: Member): void {
  member.lifecycle = 'InService';
  member.inServiceAt = world.now;
  member.rebalancing = false;
  finish(world, group, member);
  const instance = world.instances[member.instanceId];
  if (instance?.state === 'running' && group.suspended.AddToLoadBalancer === undefined) {
    for (const arn of group.targetGroupArns) {
      const targetGroup = world.targetGroups[arn];
      if (targetGroup) register(world, targetGroup, instance);
    }
  }
  // Until now only a loss of the instance counted: not what a user said of it, nor a rebalance recommendation.
  if (instance?.state !== 'running' || instance.interruption || member.health === 'Unhealthy') {
    schedule(world, 0, { kind: 'group.health', group: group.name, id: member.instanceId });
  }
  lookAt(world, group);
}

/** The member's activity succeeded, and with it a cooldown begins. */
function finish(world: World, group: Group, member: Member): void {
  const activity = activityOf(world, group, member);
  if (activity?.endedAt !== null) return;
  end(world, activity, 'Successful');
  group.cooldown = { activityId: activity.id, until: world.now + group.cooldownMs };
}

/** A prepared instance waits stopped or running, as the pool's state says. */
function enterPool(world: World, group: Group, member: Member): void {
  const instance = world.instances[member.instanceId];
  if (group.warmPool?.state === 'Stopped' && instance?.state === 'running') instances.stop(world, instance);
  else
    settleInPool(world, group, member, instance?.state === 'stopped' ? 'Warmed:Stopped' : 'Warmed:Running');
}

export function memberStopped(world: World, group: Group, member: Member): void {
  if (passageOf(member.lifecycle) !== 'Warmed:Pending') return;
  settleInPool(world, group, member, 'Warmed:Stopped');
}

function settleInPool(
  world: World,
  group: Group,
  member: Member,
  lifecycle: 'Warmed:Stopped' | 'Warmed:Running',
): void {
  member.lifecycle = lifecycle;
  end(world, activityOf(world, group, member), 'Successful');
  lookAt(world, group);
}

/** A prepared member leaves the pool for the group: started if it was stopped, then launched like any other. */
export function leavePool(world: World, group: Group, member: Member, cause: string): void {
  const pool = group.warmPool!;
  delete pool.members[member.instanceId];
  group.members[member.instanceId] = member;
  beginMove(world, group, member, {
    description: `Launching a new EC2 instance from warm pool: ${member.instanceId}`,
    cause,
    status: 'PreInService',
    progress: 30,
  });
  member.protectedFromScaleIn = group.newInstancesProtected;
  comeUp(world, group, member);
}

/** On its way into service with an instance that exists already. */
export function comeUp(world: World, group: Group, member: Member): void {
  member.lifecycle = 'Pending';
  const instance = world.instances[member.instanceId];
  if (instance?.state === 'stopped') instances.start(world, instance);
  else proceedSoon(world, group, member);
}

/**
 * Takes a member out of service: deregisters it, waits until every target group has drained it, then for the hooks,
 * then terminates the instance. For a member already on its way out, returns the activity that is under way.
 */
export function terminateMember(world: World, group: Group, member: Member, cause: string): Activity {
  const underWay = activityOf(world, group, member);
  if (underWay && isTerminating(member)) return underWay;
  const drainedAt = drain(world, group, member);
  const activity = beginMove(world, group, member, {
    description: `Terminating EC2 instance: ${member.instanceId}`,
    cause,
    status: drainedAt > world.now ? 'WaitingForELBConnectionDraining' : 'InProgress',
    progress: 50,
  });
  member.lifecycle = isWarm(member) ? 'Warmed:Terminating' : 'Terminating';
  lookAt(world, group);
  return activity;
}

/** Without a word from hooks, also for a member that waits for them. */
export function terminateAtOnce(world: World, group: Group, member: Member, cause: string): void {
  terminateMember(world, group, member, cause);
  member.actions = [];
  member.lifecycle = isWarm(member) ? 'Warmed:Terminating:Proceed' : 'Terminating:Proceed';
  terminateInstance(world, group, member);
}

/** "Instances can be returned to the warm pool on scale in": drained, held up by termination hooks, then kept. */
export function returnToPool(world: World, group: Group, member: Member, cause: string): void {
  drain(world, group, member);
  beginMove(world, group, member, {
    description: `Returning EC2 instance to warm pool: ${member.instanceId}`,
    cause,
    status: 'InProgress',
    progress: 50,
  });
  delete group.members[member.instanceId];
  group.warmPool!.members[member.instanceId] = member;
  member.lifecycle = 'Warmed:Pending';
  member.inServiceAt = null;
  lookAt(world, group);
}

/** Stops whatever is under way with a member and drains it; 'member.drained' follows at the time returned. */
export function drain(world: World, group: Group, member: Member): number {
  end(world, activityOf(world, group, member), 'Cancelled');
  member.actions = [];
  member.draining = true;
  const drainedAt = Math.max(
    world.now,
    ...group.targetGroupArns.map((arn) => {
      const targetGroup = world.targetGroups[arn];
      return targetGroup ? deregister(world, targetGroup, member.instanceId) : world.now;
    }),
  );
  schedule(world, drainedAt - world.now, {
    kind: 'member.drained',
    group: group.name,
    id: member.instanceId,
  });
  return drainedAt;
}

/** The launch of a pending member failed; its instance, should it still be there, is terminated. */
export function failLaunch(
  world: World,
  group: Group,
  member: Member,
  status: 'Failed' | 'Cancelled',
  message: string,
): void {
  end(world, activityOf(world, group, member), status, message);
  const cause = causes(world, 'an instance was taken out of service in response to a launch failure');
  terminateMember(world, group, member, cause);
}

export function memberDrained(world: World, group: Group, member: Member): void {
  member.draining = false;
  const activity = activityOf(world, group, member);
  if (activity?.status === 'WaitingForELBConnectionDraining') activity.status = 'InProgress';
  switch (member.lifecycle) {
    case 'EnteringStandby':
      member.lifecycle = 'Standby';
      finish(world, group, member);
      return;
    case 'Detaching':
      finish(world, group, member);
      release(world, member);
      leave(world, group, member);
      return;
    case 'Terminating':
    case 'Warmed:Pending':
    case 'Warmed:Terminating':
      if (!holdUp(world, group, member, 'terminating')) goOn(world, group, member);
  }
}

/** A detached instance is its owner's: nothing of the group is left on it. */
function release(world: World, member: Member): void {
  const instance = world.instances[member.instanceId];
  if (!instance) return;
  instance.groupName = null;
  delete instance.tags['aws:autoscaling:groupName'];
}

function terminateInstance(world: World, group: Group, member: Member): void {
  const instance = world.instances[member.instanceId];
  if (instance && instance.state !== 'terminated') instances.terminate(world, instance);
  else gone(world, group, member);
}

/** The instance of a member is terminated. Hooks still have their say: "you must still complete the lifecycle action". */
export function instanceGone(world: World, group: Group, member: Member): void {
  if (!isTerminating(member) || member.lifecycle.endsWith(':Wait')) return;
  const hooksToCome =
    member.draining && Object.values(group.hooks).some(({ transition }) => transition === 'terminating');
  if (!hooksToCome) gone(world, group, member);
}

function gone(world: World, group: Group, member: Member): void {
  finish(world, group, member);
  leave(world, group, member);
}

function leave(world: World, group: Group, member: Member): void {
  delete group.members[member.instanceId];
  if (group.warmPool) delete group.warmPool.members[member.instanceId];
  if (group.warmPool?.deleting && Object.keys(group.warmPool.members).length === 0) group.warmPool = null;
  if (group.deleting && !group.warmPool && Object.keys(group.members).length === 0) {
    delete world.groups[group.name];
  } else {
    lookAt(world, group);
  }
}
