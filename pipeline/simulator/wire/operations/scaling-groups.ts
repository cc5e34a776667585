/** Auto Scaling's operations on groups, their capacity and their processes. */
import type {
  AutoScalingGroup,
  AutoScalingGroupNamesType,
  AutoScalingGroupsType,
  CreateAutoScalingGroupType,
  DeleteAutoScalingGroupType,
  ProcessesType,
  ScalingProcessQuery,
  SetDesiredCapacityType,
  UpdateAutoScalingGroupType,
} from '@aws-sdk/client-auto-scaling';
import { validationError } from '../../model/errors.ts';
import {
  createGroup,
  deleteGroup,
  findGroup,
  processes,
  resume,
  setDesired,
  suspend,
  terminationPolicies,
  updateGroup,
} from '../../model/groups.ts';
import { putHook } from '../../model/hooks.ts';
import type { Group, World } from '../../model/state.ts';
import { findTargetGroup } from '../../model/targets.ts';
import { type Filter, filtered } from './filters.ts';
import { page } from './pages.ts';
import { readPlaces, readSettings } from './scaling-settings.ts';
import {
  groupTagShapes,
  launchTemplateShape,
  memberShape,
  readGroupTags,
  readHook,
  recordLimit,
  targetGroupsIn,
  warmPoolShape,
} from './scaling-shapes.ts';

export function CreateAutoScalingGroup(world: World, input: CreateAutoScalingGroupType): object {
  const settings = readSettings(world, input);
  if (!settings.template && !settings.mixedInstances) {
    throw validationError(
      'Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.',
    );
  }
  if (!settings.zones) readPlaces(world, undefined, undefined);
  const group = createGroup(
    world,
    input.AutoScalingGroupName!,
    { min: input.MinSize!, max: input.MaxSize!, desired: input.DesiredCapacity },
    {
      ...settings,
      targetGroupArns: readTargetGroups(world, input),
      tags: readGroupTags(input.Tags),
    },
  );
  try {
    for (const hook of input.LifecycleHookSpecificationList ?? []) putHook(group, readHook(hook));
  } catch (error) {
    // Refused as a whole.
    delete world.groups[group.name];
    throw error;
  }
  return {};
}

/** Both ways to name them. */
const readTargetGroups = (world: World, input: CreateAutoScalingGroupType): string[] => [
  ...new Set(
    [...(input.TargetGroupARNs ?? []), ...targetGroupsIn(input.TrafficSources)].map(
      (arn) => findTargetGroup(world, arn).arn,
    ),
  ),
];

export function UpdateAutoScalingGroup(world: World, input: UpdateAutoScalingGroupType): object {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const limits = { min: input.MinSize, max: input.MaxSize, desired: input.DesiredCapacity };
  updateGroup(world, group, limits, readSettings(world, input));
  return {};
}

export function SetDesiredCapacity(world: World, input: SetDesiredCapacityType): object {
  const group = findGroup(world, input.AutoScalingGroupName!);
  setDesired(world, group, input.DesiredCapacity!, input.HonorCooldown === true);
  return {};
}

export function DeleteAutoScalingGroup(world: World, input: DeleteAutoScalingGroupType): object {
  deleteGroup(world, findGroup(world, input.AutoScalingGroupName!), input.ForceDelete === true);
  return {};
}

export function SuspendProcesses(world: World, input: ScalingProcessQuery): object {
  suspend(world, findGroup(world, input.AutoScalingGroupName!), input.ScalingProcesses);
  return {};
}

export function ResumeProcesses(world: World, input: ScalingProcessQuery): object {
  resume(world, findGroup(world, input.AutoScalingGroupName!), input.ScalingProcesses);
  return {};
}

export function DescribeAutoScalingGroups(
  world: World,
  input: AutoScalingGroupNamesType,
): AutoScalingGroupsType {
  const names = input.AutoScalingGroupNames ?? [];
  const named = names.length
    ? [...new Set(names)].flatMap((name) => (Object.hasOwn(world.groups, name) ? [world.groups[name]!] : []))
    : Object.values(world.groups);
  const { items, nextToken } = page(byTags(named, input.Filters), (group) => group.name, {
    token: input.NextToken,
    size: recordLimit(input.MaxRecords),
  });
  return {
    AutoScalingGroups: items.map((group) => groupShape(group, input.IncludeInstances !== false)),
    NextToken: nextToken,
  };
}

function byTags(groups: readonly Group[], filters: readonly Filter[] | undefined): Group[] {
  const candidates = groups.map((group) => ({
    group,
    tags: Object.fromEntries(Object.entries(group.tags).map(([key, tag]) => [key, tag.value])),
  }));
  return filtered(candidates, filters, {
    'tag-value': ({ tags }) => Object.values(tags),
  }).map(({ group }) => group);
}

const groupShape = (group: Group, withInstances: boolean): AutoScalingGroup => ({
  AutoScalingGroupName: group.name,
  AutoScalingGroupARN: group.arn,
  MinSize: group.min,
  MaxSize: group.max,
  DesiredCapacity: group.desired,
  DefaultCooldown: group.cooldownMs / 1000,
  AvailabilityZones: group.zones,
  VPCZoneIdentifier: group.subnetIds.join(','),
  LoadBalancerNames: [],
  TargetGroupARNs: group.targetGroupArns,
  HealthCheckType: group.healthCheckType,
  HealthCheckGracePeriod: group.healthCheckGraceMs / 1000,
  LaunchTemplate: group.template ? launchTemplateShape(group.template) : undefined,
  MixedInstancesPolicy: (group.mixedInstances ?? undefined) as AutoScalingGroup['MixedInstancesPolicy'],
  Instances: withInstances ? Object.values(group.members).map(memberShape) : [],
  CreatedTime: new Date(group.createdAt),
  SuspendedProcesses: Object.entries(group.suspended).map(([ProcessName, SuspensionReason]) => ({
    ProcessName,
    SuspensionReason,
  })),
  EnabledMetrics: [],
  Status: group.deleting ? 'Delete in progress' : undefined,
  Tags: groupTagShapes(group),
  TerminationPolicies: group.terminationPolicies,
  NewInstancesProtectedFromScaleIn: group.newInstancesProtected,
  ServiceLinkedRoleARN: `${group.arn.split(':autoscaling:')[0]}:iam::${group.arn.split(':')[4]}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling`,
  CapacityRebalance: group.capacityRebalance || undefined,
  DefaultInstanceWarmup: group.warmUpMs === null ? undefined : group.warmUpMs / 1000,
  InstanceMaintenancePolicy: group.maintenance
    ? {
        MinHealthyPercentage: group.maintenance.minHealthyPercent,
        MaxHealthyPercentage: group.maintenance.maxHealthyPercent,
      }
    : undefined,
  AvailabilityZoneDistribution: { CapacityDistributionStrategy: group.zoneStrategy },
  WarmPoolConfiguration: group.warmPool ? warmPoolShape(group.warmPool) : undefined,
  WarmPoolSize: group.warmPool ? Object.keys(group.warmPool.members).length : undefined,
  TrafficSources: group.targetGroupArns.map((Identifier) => ({ Identifier, Type: 'elbv2' })),
});

export const DescribeScalingProcessTypes = (): ProcessesType => ({
  Processes: processes.map((ProcessName) => ({ ProcessName })),
});

export const DescribeTerminationPolicyTypes = () => ({ TerminationPolicyTypes: [...terminationPolicies] });
