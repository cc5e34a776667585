/** Auto Scaling's operations on lifecycle hooks and the actions they wait for. */
import type {
  CompleteLifecycleActionType,
  DeleteLifecycleHookType,
  DescribeLifecycleHooksAnswer,
  DescribeLifecycleHooksType,
  DescribeLifecycleHookTypesAnswer,
  PutLifecycleHookType,
  RecordLifecycleActionHeartbeatType,
} from '@aws-sdk/client-auto-scaling';
import { findGroup } from '../../model/groups.ts';
import { findAction, findHook, globalTimeoutMs, putHook, recordHeartbeat } from '../../model/hooks.ts';
import { allMembers } from '../../model/lifecycle.ts';
import { completeAction } from '../../model/members.ts';
import type { World } from '../../model/state.ts';
import { readHook, readResult, transitions } from './scaling-shapes.ts';

export function PutLifecycleHook(world: World, input: PutLifecycleHookType): object {
  putHook(findGroup(world, input.AutoScalingGroupName!), readHook(input));
  return {};
}

/** "If there are any outstanding lifecycle actions, they are completed first (ABANDON for launching instances, CONTINUE for terminating instances)." */
export function DeleteLifecycleHook(world: World, input: DeleteLifecycleHookType): object {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const { name } = findHook(group, input.LifecycleHookName!);
  for (const member of allMembers(group)) {
    const action = member.actions.find(({ hook }) => hook === name);
    if (!action) continue;
    completeAction(world, group, member, action, action.transition === 'launching' ? 'ABANDON' : 'CONTINUE');
  }
  delete group.hooks[name];
  return {};
}

/** A handful per group, so they come on one page. */
export function DescribeLifecycleHooks(
  world: World,
  input: DescribeLifecycleHooksType,
): DescribeLifecycleHooksAnswer {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const names = input.LifecycleHookNames ?? [];
  const hooks = Object.values(group.hooks).filter(({ name }) => names.length === 0 || names.includes(name));
  return {
    LifecycleHooks: hooks.map((hook) => ({
      LifecycleHookName: hook.name,
      AutoScalingGroupName: group.name,
      LifecycleTransition: transitions[hook.transition],
      NotificationTargetARN: hook.notificationTargetArn ?? undefined,
      RoleARN: hook.roleArn ?? undefined,
      NotificationMetadata: hook.metadata ?? undefined,
      HeartbeatTimeout: hook.heartbeatMs / 1000,
      GlobalTimeout: globalTimeoutMs(hook) / 1000,
      DefaultResult: hook.defaultResult,
    })),
  };
}

export const DescribeLifecycleHookTypes = (): DescribeLifecycleHookTypesAnswer => ({
  LifecycleHookTypes: Object.values(transitions),
});

export function RecordLifecycleActionHeartbeat(
  world: World,
  input: RecordLifecycleActionHeartbeatType,
): object {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const { LifecycleActionToken: token, InstanceId: instanceId } = input;
  const { member, action } = findAction(group, input.LifecycleHookName!, { token, instanceId });
  recordHeartbeat(world, group, member, action);
  return {};
}

export function CompleteLifecycleAction(world: World, input: CompleteLifecycleActionType): object {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const result = readResult(input.LifecycleActionResult!);
  const { LifecycleActionToken: token, InstanceId: instanceId } = input;
  const { member, action } = findAction(group, input.LifecycleHookName!, { token, instanceId });
  completeAction(world, group, member, action, result);
  return {};
}
