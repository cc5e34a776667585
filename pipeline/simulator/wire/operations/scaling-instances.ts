/** Auto Scaling's operations on the instances of groups. */
import type {
  ActivityType,
  AttachInstancesQuery,
  AutoScalingInstancesType,
  DescribeAutoScalingInstancesType,
  DetachInstancesAnswer,
  DetachInstancesQuery,
  EnterStandbyAnswer,
  EnterStandbyQuery,
  ExitStandbyAnswer,
  ExitStandbyQuery,
  SetInstanceHealthQuery,
  SetInstanceProtectionQuery,
  TerminateInstanceInAutoScalingGroupType,
} from '@aws-sdk/client-auto-scaling';
import { validationError } from '../../model/errors.ts';
import { findGroup } from '../../model/groups.ts';
import { allMembers } from '../../model/lifecycle.ts';
import * as membership from '../../model/membership.ts';
import type { World } from '../../model/state.ts';
import { page } from './pages.ts';
import { activityShape, memberShape, recordLimit } from './scaling-shapes.ts';

/** "You can specify up to N instances"; at least one is asked for. */
function instanceIds(given: readonly string[] | undefined, most: number): readonly string[] {
  if (!given || given.length === 0) throw validationError('At least one instance ID must be specified.');
  if (given.length > most) {
    throw validationError(
      `The number of instance IDs must not exceed ${most}; ${given.length} were specified.`,
    );
  }
  return given;
}

/** "When terminating multiple instances, the response populates Activities instead of Activity." */
export function TerminateInstanceInAutoScalingGroup(
  world: World,
  input: TerminateInstanceInAutoScalingGroupType,
): ActivityType {
  const { InstanceId, InstanceIds, AutoScalingGroupName, ShouldDecrementDesiredCapacity } = input;
  if ((InstanceId === undefined) === (InstanceIds === undefined)) {
    throw validationError('Either InstanceId or InstanceIds must be specified, and not both.');
  }
  if (InstanceIds !== undefined && AutoScalingGroupName === undefined) {
    throw validationError('AutoScalingGroupName is required when InstanceIds is specified.');
  }
  const group =
    InstanceId === undefined
      ? findGroup(world, AutoScalingGroupName!)
      : membership.findMember(world, InstanceId).group;
  const ids = InstanceId === undefined ? instanceIds(InstanceIds, 100) : [InstanceId];
  const shapes = membership
    .terminateInGroup(world, group, ids, ShouldDecrementDesiredCapacity!)
    .map((activity) => activityShape(world, activity));
  return InstanceId === undefined ? { Activities: shapes } : { Activity: shapes[0] };
}

export function EnterStandby(world: World, input: EnterStandbyQuery): EnterStandbyAnswer {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const ids = instanceIds(input.InstanceIds, 20);
  const activities = membership.enterStandby(world, group, ids, input.ShouldDecrementDesiredCapacity!);
  return { Activities: activities.map((activity) => activityShape(world, activity)) };
}

export function ExitStandby(world: World, input: ExitStandbyQuery): ExitStandbyAnswer {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const activities = membership.exitStandby(world, group, instanceIds(input.InstanceIds, 20));
  return { Activities: activities.map((activity) => activityShape(world, activity)) };
}

export function AttachInstances(world: World, input: AttachInstancesQuery): object {
  membership.attach(world, findGroup(world, input.AutoScalingGroupName!), instanceIds(input.InstanceIds, 20));
  return {};
}

export function DetachInstances(world: World, input: DetachInstancesQuery): DetachInstancesAnswer {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const ids = instanceIds(input.InstanceIds, 20);
  const activities = membership.detach(world, group, ids, input.ShouldDecrementDesiredCapacity!);
  return { Activities: activities.map((activity) => activityShape(world, activity)) };
}

/** Those of warm pools included. HealthStatus is in upper case here, unlike in DescribeAutoScalingGroups, as in AWS. */
export function DescribeAutoScalingInstances(
  world: World,
  input: DescribeAutoScalingInstancesType,
): AutoScalingInstancesType {
  const ids = new Set(input.InstanceIds ?? []);
  const rows = Object.values(world.groups).flatMap((group) =>
    allMembers(group)
      .filter(({ instanceId }) => ids.size === 0 || ids.has(instanceId))
      .map((member) => ({ group, member })),
  );
  const { items, nextToken } = page(rows, ({ member }) => member.instanceId, {
    token: input.NextToken,
    size: recordLimit(input.MaxRecords, 50, 50),
  });
  return {
    AutoScalingInstances: items.map(({ group, member }) => ({
      ...memberShape(member),
      AutoScalingGroupName: group.name,
      HealthStatus: member.health.toUpperCase(),
    })),
    NextToken: nextToken,
  };
}

export function SetInstanceProtection(world: World, input: SetInstanceProtectionQuery): object {
  const group = findGroup(world, input.AutoScalingGroupName!);
  membership.setProtection(group, instanceIds(input.InstanceIds, 50), input.ProtectedFromScaleIn!);
  return {};
}

export function SetInstanceHealth(world: World, input: SetInstanceHealthQuery): object {
  const { InstanceId, HealthStatus, ShouldRespectGracePeriod = true } = input;
  if (HealthStatus !== 'Healthy' && HealthStatus !== 'Unhealthy') {
    throw validationError(`Invalid health status: ${HealthStatus}. Valid values are: Healthy, Unhealthy`);
  }
  membership.setInstanceHealth(world, InstanceId!, HealthStatus, ShouldRespectGracePeriod);
  return {};
}
