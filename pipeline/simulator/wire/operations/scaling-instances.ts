/** Auto Scaling's operations on the instances of groups, and on the record of what happened to them. */
import type {
  ActivitiesType,
  Activity as ActivityShape,
  ActivityType,
  AutoScalingInstancesType,
  DescribeAutoScalingInstancesType,
  DescribeScalingActivitiesType,
  SetInstanceHealthQuery,
  SetInstanceProtectionQuery,
  TerminateInstanceInAutoScalingGroupType,
} from '@aws-sdk/client-auto-scaling';
import { activitiesOf } from '../../model/activities.ts';
import { validationError } from '../../model/errors.ts';
import { findGroup, setInstanceHealth, setProtection, terminateInGroup } from '../../model/groups.ts';
import type { Activity, World } from '../../model/state.ts';
import { filtered } from './filters.ts';
import { page } from './pages.ts';
import { launchTemplateShape, recordLimit } from './scaling-shapes.ts';

const activityShape = (world: World, activity: Activity): ActivityShape => ({
  ActivityId: activity.id,
  AutoScalingGroupName: activity.groupName,
  AutoScalingGroupARN: world.groups[activity.groupName]?.arn,
  Description: activity.description,
  Cause: activity.cause,
  StartTime: new Date(activity.startedAt),
  EndTime: activity.endedAt === null ? undefined : new Date(activity.endedAt),
  StatusCode: activity.status,
  StatusMessage: activity.message ?? undefined,
  Progress: activity.progress,
  Details: JSON.stringify(activity.zone === null ? {} : { 'Availability Zone': activity.zone }),
});

export function TerminateInstanceInAutoScalingGroup(
  world: World,
  input: TerminateInstanceInAutoScalingGroupType,
): ActivityType {
  const activity = terminateInGroup(world, input.InstanceId!, input.ShouldDecrementDesiredCapacity!);
  return { Activity: activityShape(world, activity) };
}

/** Newest first. */
export function DescribeScalingActivities(
  world: World,
  input: DescribeScalingActivitiesType,
): ActivitiesType {
  const names =
    input.AutoScalingGroupName === undefined ? Object.keys(world.activities) : [input.AutoScalingGroupName];
  if (input.AutoScalingGroupName !== undefined && input.IncludeDeletedGroups !== true) {
    findGroup(world, input.AutoScalingGroupName);
  }
  const ids = input.ActivityIds ?? [];
  const wanted = names
    .filter((name) => input.IncludeDeletedGroups === true || Object.hasOwn(world.groups, name))
    .flatMap((name) => activitiesOf(world, name))
    .filter((activity) => ids.length === 0 || ids.includes(activity.id))
    .map((activity) => ({ activity, tags: {} }));
  const matching = filtered(wanted, input.Filters, {
    Status: ({ activity }) => [activity.status],
  });
  const newestFirst = ({ activity }: { activity: Activity }): string =>
    String(1e14 - activity.serial).padStart(15, '0');
  const { items, nextToken } = page(matching, newestFirst, {
    token: input.NextToken,
    size: recordLimit(input.MaxRecords, 100),
  });
  return { Activities: items.map(({ activity }) => activityShape(world, activity)), NextToken: nextToken };
}

export function DescribeAutoScalingInstances(
  world: World,
  input: DescribeAutoScalingInstancesType,
): AutoScalingInstancesType {
  const rows = Object.values(world.groups).flatMap((group) =>
    Object.values(group.members).map((member) => ({ group, member })),
  );
  const ids = input.InstanceIds ?? [];
  const wanted = ids.length ? rows.filter(({ member }) => ids.includes(member.instanceId)) : rows;
  const { items, nextToken } = page(wanted, ({ member }) => member.instanceId, {
    token: input.NextToken,
    size: input.MaxRecords ?? 50,
  });
  return {
    AutoScalingInstances: items.map(({ group, member }) => ({
      InstanceId: member.instanceId,
      InstanceType: member.instanceType,
      AutoScalingGroupName: group.name,
      AvailabilityZone: member.zone,
      LifecycleState: member.lifecycle,
      HealthStatus: member.health.toUpperCase(),
      LaunchTemplate: launchTemplateShape(member.template),
      ProtectedFromScaleIn: member.protectedFromScaleIn,
    })),
    NextToken: nextToken,
  };
}

export function SetInstanceProtection(world: World, input: SetInstanceProtectionQuery): object {
  const group = findGroup(world, input.AutoScalingGroupName!);
  setProtection(group, input.InstanceIds ?? [], input.ProtectedFromScaleIn!);
  return {};
}

export function SetInstanceHealth(world: World, input: SetInstanceHealthQuery): object {
  const { InstanceId, HealthStatus, ShouldRespectGracePeriod = true } = input;
  if (HealthStatus !== 'Healthy' && HealthStatus !== 'Unhealthy') {
    throw validationError(`Invalid health status: ${HealthStatus}. Valid values are: Healthy, Unhealthy`);
  }
  setInstanceHealth(world, InstanceId!, HealthStatus, ShouldRespectGracePeriod);
  return {};
}
