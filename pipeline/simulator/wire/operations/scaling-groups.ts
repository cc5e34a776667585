/** Auto Scaling's operations on groups, their capacity and their processes. */
import type {
  AttachLoadBalancerTargetGroupsType,
  AutoScalingGroup,
  AutoScalingGroupNamesType,
  AutoScalingGroupsType,
  CreateAutoScalingGroupType,
  DeleteAutoScalingGroupType,
  DescribeLifecycleHooksAnswer,
  DescribeLifecycleHooksType,
  DescribeLoadBalancerTargetGroupsRequest,
  DescribeLoadBalancerTargetGroupsResponse,
  DescribeWarmPoolAnswer,
  DescribeWarmPoolType,
  DetachLoadBalancerTargetGroupsType,
  ProcessesType,
  ScalingProcessQuery,
  SetDesiredCapacityType,
  UpdateAutoScalingGroupType,
} from '@aws-sdk/client-auto-scaling';
import { ServiceError, validationError } from '../../model/errors.ts';
import {
  createGroup,
  deleteGroup,
  findGroup,
  type GroupSettings,
  processes,
  resume,
  setDesired,
  suspend,
  terminationPolicies,
  updateGroup,
  usableTemplate,
} from '../../model/groups.ts';
import type { LaunchConfiguration } from '../../model/refresh-state.ts';
import type { Group, World } from '../../model/state.ts';
import { deregister, findTargetGroup, register } from '../../model/targets.ts';
import { type Filter, filtered } from './filters.ts';
import { page } from './pages.ts';
import {
  groupTagShapes,
  launchTemplateShape,
  memberShape,
  readGroupTags,
  recordLimit,
} from './scaling-shapes.ts';
import { plain } from './shapes.ts';

/** What create and update have in common; members that were not given are not in the answer. */
function readSettings(
  world: World,
  input: Partial<CreateAutoScalingGroupType> & Partial<UpdateAutoScalingGroupType>,
): Partial<GroupSettings> {
  const settings: Partial<GroupSettings> = {};
  if (input.VPCZoneIdentifier !== undefined || input.AvailabilityZones !== undefined) {
    Object.assign(settings, readPlaces(world, input.VPCZoneIdentifier, input.AvailabilityZones));
  }
  Object.assign(settings, readLaunchConfiguration(world, input));
  if (input.HealthCheckType !== undefined) settings.healthCheckType = input.HealthCheckType;
  if (input.HealthCheckGracePeriod !== undefined) {
    settings.healthCheckGraceMs = input.HealthCheckGracePeriod * 1000;
  }
  if (input.DefaultCooldown !== undefined) settings.cooldownMs = input.DefaultCooldown * 1000;
  if (input.NewInstancesProtectedFromScaleIn !== undefined) {
    settings.newInstancesProtected = input.NewInstancesProtectedFromScaleIn;
  }
  if (input.TerminationPolicies !== undefined) {
    settings.terminationPolicies = input.TerminationPolicies.length ? input.TerminationPolicies : ['Default'];
  }
  return settings;
}

/** Template or mixed instances policy, each of which takes the other's place; nothing when neither is given. */
export function readLaunchConfiguration(
  world: World,
  input: Pick<CreateAutoScalingGroupType, 'LaunchTemplate' | 'MixedInstancesPolicy'>,
): Partial<LaunchConfiguration> {
  if (input.LaunchTemplate && input.MixedInstancesPolicy) {
    throw validationError(
      'Valid requests must contain either LaunchTemplate or MixedInstancesPolicy, not both.',
    );
  }
  if (input.LaunchTemplate) {
    const { LaunchTemplateId: id, LaunchTemplateName: name, Version: version } = input.LaunchTemplate;
    return { template: usableTemplate(world, { id, name, version }), mixedInstances: null };
  }
  if (input.MixedInstancesPolicy) {
    return { template: null, mixedInstances: readMixedInstances(world, input.MixedInstancesPolicy) };
  }
  return {};
}

function readPlaces(
  world: World,
  subnetList: string | undefined,
  zoneNames: readonly string[] | undefined,
): { zones: string[]; subnetIds: string[] } {
  const ids = (subnetList ?? '')
    .split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');
  const subnets =
    ids.length > 0
      ? ids.map((id) => {
          const subnet = world.subnets.find((candidate) => candidate.id === id);
          if (subnet) return subnet;
          throw validationError(`The subnet ID '${id}' does not exist`);
        })
      : (zoneNames ?? []).map((zone) => {
          const subnet = world.subnets.find((candidate) => candidate.zone === zone);
          if (subnet) return subnet;
          throw validationError(`Invalid availability zones: [${zone}]`);
        });
  if (subnets.length === 0) {
    throw validationError('At least one Availability Zone or VPC Subnet is required.');
  }
  return { zones: [...new Set(subnets.map(({ zone }) => zone))], subnetIds: subnets.map(({ id }) => id) };
}

type MixedPolicy = NonNullable<CreateAutoScalingGroupType['MixedInstancesPolicy']>;

/** Checks every template the policy names and writes each with id and name, as the service gives it back. */
function readMixedInstances(world: World, policy: MixedPolicy) {
  const resolve = (reference: NonNullable<MixedPolicy['LaunchTemplate']>['LaunchTemplateSpecification']) => {
    const { id, name, version } = usableTemplate(world, {
      id: reference?.LaunchTemplateId,
      name: reference?.LaunchTemplateName,
      version: reference?.Version,
    });
    return { LaunchTemplateId: id, LaunchTemplateName: name, Version: version };
  };
  const { LaunchTemplateSpecification: main, Overrides = [] } = policy.LaunchTemplate ?? {};
  return plain({
    ...policy,
    LaunchTemplate: {
      LaunchTemplateSpecification: resolve(main),
      Overrides: Overrides.map((override) => ({
        ...override,
        ...(override.LaunchTemplateSpecification && {
          LaunchTemplateSpecification: resolve(override.LaunchTemplateSpecification),
        }),
      })),
    },
  });
}

export function CreateAutoScalingGroup(world: World, input: CreateAutoScalingGroupType): object {
  const settings = readSettings(world, input);
  if (!settings.template && !settings.mixedInstances) {
    throw validationError(
      'Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.',
    );
  }
  if (!settings.zones) readPlaces(world, undefined, undefined);
  createGroup(
    world,
    input.AutoScalingGroupName!,
    { min: input.MinSize!, max: input.MaxSize!, desired: input.DesiredCapacity },
    {
      zones: [],
      subnetIds: [],
      template: null,
      mixedInstances: null,
      healthCheckType: 'EC2',
      healthCheckGraceMs: 0,
      cooldownMs: 300_000,
      newInstancesProtected: false,
      terminationPolicies: ['Default'],
      ...settings,
      targetGroupArns: (input.TargetGroupARNs ?? []).map((arn) => findTargetGroup(world, arn).arn),
      tags: readGroupTags(input.Tags),
    },
  );
  return {};
}

export function UpdateAutoScalingGroup(world: World, input: UpdateAutoScalingGroupType): object {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const limits = { min: input.MinSize, max: input.MaxSize, desired: input.DesiredCapacity };
  updateGroup(world, group, limits, readSettings(world, input));
  return {};
}

/** Cooldowns follow scaling policies, which this account does not have, so HonorCooldown finds none to honour. */
export function SetDesiredCapacity(world: World, input: SetDesiredCapacityType): object {
  void input.HonorCooldown;
  setDesired(world, findGroup(world, input.AutoScalingGroupName!), input.DesiredCapacity!);
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
  TrafficSources: group.targetGroupArns.map((Identifier) => ({ Identifier, Type: 'elbv2' })),
});

export function AttachLoadBalancerTargetGroups(
  world: World,
  input: AttachLoadBalancerTargetGroupsType,
): object {
  const group = findGroup(world, input.AutoScalingGroupName!);
  for (const targetGroup of (input.TargetGroupARNs ?? []).map((arn) => findTargetGroup(world, arn))) {
    if (group.targetGroupArns.includes(targetGroup.arn)) continue;
    group.targetGroupArns.push(targetGroup.arn);
    for (const member of Object.values(group.members)) {
      const instance = world.instances[member.instanceId];
      if (instance && member.lifecycle === 'InService') register(world, targetGroup, instance);
    }
  }
  return {};
}

export function DetachLoadBalancerTargetGroups(
  world: World,
  input: DetachLoadBalancerTargetGroupsType,
): object {
  const group = findGroup(world, input.AutoScalingGroupName!);
  for (const arn of input.TargetGroupARNs ?? []) {
    if (!group.targetGroupArns.includes(arn)) {
      throw validationError('Trying to remove Target Groups that are not part of the group');
    }
    const targetGroup = findTargetGroup(world, arn);
    group.targetGroupArns = group.targetGroupArns.filter((other) => other !== arn);
    for (const id of Object.keys(group.members)) deregister(world, targetGroup, id);
  }
  return {};
}

export function DescribeLoadBalancerTargetGroups(
  world: World,
  input: DescribeLoadBalancerTargetGroupsRequest,
): DescribeLoadBalancerTargetGroupsResponse {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const { items, nextToken } = page(group.targetGroupArns, (arn) => arn, {
    token: input.NextToken,
    size: recordLimit(input.MaxRecords, 100),
  });
  return {
    LoadBalancerTargetGroups: items.map((arn) => ({
      LoadBalancerTargetGroupARN: arn,
      State: group.healthCheckType.split(',').includes('ELB') ? 'InService' : 'Added',
    })),
    NextToken: nextToken,
  };
}

/** No hook can be put yet (PutLifecycleHook answers InvalidAction), so every group has none. */
export function DescribeLifecycleHooks(
  world: World,
  input: DescribeLifecycleHooksType,
): DescribeLifecycleHooksAnswer {
  findGroup(world, input.AutoScalingGroupName!);
  void input.LifecycleHookNames;
  return { LifecycleHooks: [] };
}

/** No warm pool can be put yet (PutWarmPool answers InvalidAction), so every group is without one. */
export function DescribeWarmPool(world: World, input: DescribeWarmPoolType): DescribeWarmPoolAnswer {
  findGroup(world, input.AutoScalingGroupName!);
  if (input.NextToken !== undefined) {
    throw new ServiceError('InvalidNextToken', `The token '${input.NextToken}' is invalid.`);
  }
  recordLimit(input.MaxRecords);
  return { Instances: [] };
}

export const DescribeScalingProcessTypes = (): ProcessesType => ({
  Processes: processes.map((ProcessName) => ({ ProcessName })),
});

export const DescribeTerminationPolicyTypes = () => ({ TerminationPolicyTypes: [...terminationPolicies] });
