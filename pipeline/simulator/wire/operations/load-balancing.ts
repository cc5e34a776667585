/** Elastic Load Balancing's operations on target groups and targets. */
import type {
  AddTagsInput,
  CreateTargetGroupInput,
  DeleteTargetGroupInput,
  DeregisterTargetsInput,
  DescribeTagsInput,
  DescribeTagsOutput,
  DescribeTargetGroupAttributesInput,
  DescribeTargetGroupsInput,
  DescribeTargetGroupsOutput,
  DescribeTargetHealthInput,
  DescribeTargetHealthOutput,
  ModifyTargetGroupAttributesInput,
  ModifyTargetGroupInput,
  RegisterTargetsInput,
  RemoveTagsInput,
  TargetGroupAttribute,
  TargetGroup as TargetGroupShape,
  TargetHealthDescription,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { ServiceError, validationError } from '../../model/errors.ts';
import { findInstance } from '../../model/instances.ts';
import type { HealthCheck, Target, TargetGroup, World } from '../../model/state.ts';
import { planCheck, targetHealth } from '../../model/target-checks.ts';
import { createTargetGroup, deregister, findTargetGroup, register } from '../../model/targets.ts';
import type { Operation } from '../services.ts';
import { page } from './pages.ts';
import { tagList, tagRecord } from './shapes.ts';

const targetGroupShape = (world: World, group: TargetGroup): TargetGroupShape => ({
  TargetGroupArn: group.arn,
  TargetGroupName: group.name,
  Protocol: group.protocol as TargetGroupShape['Protocol'],
  ProtocolVersion: 'HTTP1',
  Port: group.port,
  VpcId: world.vpcId,
  HealthCheckProtocol: group.healthCheck.protocol as TargetGroupShape['HealthCheckProtocol'],
  HealthCheckPort: group.healthCheck.port,
  HealthCheckEnabled: true,
  // Shorter than the 5 seconds AWS allows at least, if this world runs faster than AWS.
  HealthCheckIntervalSeconds: Math.ceil(group.healthCheck.intervalMs / 1000),
  HealthCheckTimeoutSeconds: group.healthCheck.timeoutMs / 1000,
  HealthyThresholdCount: group.healthCheck.healthyThreshold,
  UnhealthyThresholdCount: group.healthCheck.unhealthyThreshold,
  HealthCheckPath: group.healthCheck.path,
  Matcher: { HttpCode: group.healthCheck.matcher },
  LoadBalancerArns: group.loadBalancerArns,
  TargetType: 'instance',
  IpAddressType: 'ipv4',
});

/** The settings of health checks that a request gives. Limits: API reference, CreateTargetGroup. */
function checkSettings(input: CreateTargetGroupInput | ModifyTargetGroupInput): Partial<HealthCheck> {
  const within = (name: string, value: number | undefined, from: number, to: number): number | undefined => {
    if (value === undefined || (value >= from && value <= to)) return value;
    throw validationError(`${name} '${value}' must be between ${from} and ${to}`);
  };
  const interval = within('Health check interval', input.HealthCheckIntervalSeconds, 5, 300);
  const timeout = within('Health check timeout', input.HealthCheckTimeoutSeconds, 2, 120);
  const healthyThreshold = within('Healthy threshold count', input.HealthyThresholdCount, 2, 10);
  const unhealthyThreshold = within('Unhealthy threshold count', input.UnhealthyThresholdCount, 2, 10);
  if (interval !== undefined && timeout !== undefined && interval <= timeout) {
    throw validationError('Health check interval must be greater than the timeout.');
  }
  return {
    ...(interval !== undefined && { intervalMs: interval * 1000 }),
    ...(timeout !== undefined && { timeoutMs: timeout * 1000 }),
    ...(healthyThreshold !== undefined && { healthyThreshold }),
    ...(unhealthyThreshold !== undefined && { unhealthyThreshold }),
    ...(input.HealthCheckProtocol !== undefined && { protocol: input.HealthCheckProtocol }),
    ...(input.HealthCheckPort !== undefined && { port: input.HealthCheckPort }),
    ...(input.HealthCheckPath !== undefined && { path: input.HealthCheckPath }),
    ...(input.Matcher?.HttpCode !== undefined && { matcher: input.Matcher.HttpCode }),
  };
}

function ModifyTargetGroup(world: World, input: ModifyTargetGroupInput) {
  const group = findTargetGroup(world, input.TargetGroupArn!);
  Object.assign(group.healthCheck, checkSettings(input));
  for (const target of Object.values(group.targets)) {
    if (target.state !== 'draining') planCheck(world, group, target);
  }
  return { TargetGroups: [targetGroupShape(world, group)] };
}

function CreateTargetGroup(world: World, input: CreateTargetGroupInput) {
  const group = createTargetGroup(world, {
    name: input.Name!,
    port: input.Port ?? 80,
    protocol: input.Protocol ?? 'HTTP',
    healthCheck: checkSettings(input),
    tags: tagRecord(input.Tags),
  });
  void input.VpcId;
  return { TargetGroups: [targetGroupShape(world, group)] };
}

function DescribeTargetGroups(world: World, input: DescribeTargetGroupsInput): DescribeTargetGroupsOutput {
  const all = Object.values(world.targetGroups);
  const named = (input.Names ?? []).map((name) => {
    const found = all.find((group) => group.name === name);
    if (found) return found;
    throw new ServiceError('TargetGroupNotFound', 'One or more target groups not found');
  });
  const byArn = (input.TargetGroupArns ?? []).map((arn) => findTargetGroup(world, arn));
  const chosen = input.Names || input.TargetGroupArns ? [...named, ...byArn] : all;
  const attached = chosen.filter(
    (group) => input.LoadBalancerArn === undefined || group.loadBalancerArns.includes(input.LoadBalancerArn),
  );
  const { items, nextToken } = page(attached, (group) => group.name, {
    token: input.Marker,
    size: input.PageSize ?? 400,
  });
  return { TargetGroups: items.map((group) => targetGroupShape(world, group)), NextMarker: nextToken };
}

function DeleteTargetGroup(world: World, input: DeleteTargetGroupInput): object {
  const { arn } = findTargetGroup(world, input.TargetGroupArn!);
  const user = Object.values(world.groups).find((group) => group.targetGroupArns.includes(arn));
  if (user) {
    throw new ServiceError(
      'ResourceInUse',
      `Target group '${arn}' is currently in use by a listener or a rule`,
    );
  }
  delete world.targetGroups[arn];
  return {};
}

function RegisterTargets(world: World, input: RegisterTargetsInput): object {
  const group = findTargetGroup(world, input.TargetGroupArn!);
  const instances = (input.Targets ?? []).map(({ Id = '', Port }) => {
    const instance = Object.hasOwn(world.instances, Id) ? findInstance(world, Id) : null;
    if (instance?.state !== 'running') {
      throw new ServiceError(
        'InvalidTarget',
        `The following targets are not in a running state and cannot be registered: '${Id}'`,
      );
    }
    return { instance, port: Port };
  });
  for (const { instance, port } of instances) register(world, group, instance, port);
  return {};
}

/** Deregistering a target that is not registered succeeds. */
function DeregisterTargets(world: World, input: DeregisterTargetsInput): object {
  const group = findTargetGroup(world, input.TargetGroupArn!);
  for (const { Id = '' } of input.Targets ?? []) deregister(world, group, Id);
  return {};
}

function DescribeTargetHealth(world: World, input: DescribeTargetHealthInput): DescribeTargetHealthOutput {
  const group = findTargetGroup(world, input.TargetGroupArn!);
  const targets: { Id?: string | undefined; Port?: number | undefined }[] =
    input.Targets ??
    Object.values(group.targets).map((target: Target) => ({ Id: target.instanceId, Port: target.port }));
  return {
    TargetHealthDescriptions: targets.map(({ Id = '', Port = group.port }): TargetHealthDescription => {
      const health = targetHealth(world, group, Id);
      return {
        Target: { Id, Port },
        HealthCheckPort: health.reason === 'Target.NotRegistered' ? undefined : String(Port),
        TargetHealth: {
          State: health.state,
          Reason: (health.reason ?? undefined) as NonNullable<
            TargetHealthDescription['TargetHealth']
          >['Reason'],
          Description: health.description ?? undefined,
        },
      };
    }),
  };
}

const delayKey = 'deregistration_delay.timeout_seconds';

const attributes = (group: TargetGroup): { Attributes: TargetGroupAttribute[] } => ({
  Attributes: Object.entries({
    [delayKey]: String(group.deregistrationDelayMs / 1000),
    'stickiness.enabled': 'false',
    ...group.attributes,
  }).map(([Key, Value]) => ({ Key, Value })),
});

const DescribeTargetGroupAttributes = (world: World, input: DescribeTargetGroupAttributesInput) =>
  attributes(findTargetGroup(world, input.TargetGroupArn!));

function ModifyTargetGroupAttributes(world: World, input: ModifyTargetGroupAttributesInput) {
  const group = findTargetGroup(world, input.TargetGroupArn!);
  const changes = tagRecord(input.Attributes);
  const delay = changes[delayKey];
  if (delay !== undefined) {
    const seconds = Number(delay);
    if (!Number.isInteger(seconds) || seconds < 0 || seconds > 3600) {
      throw validationError(`'${delayKey}' must be an integer between 0 and 3600`);
    }
    group.deregistrationDelayMs = seconds * 1000;
    delete changes[delayKey];
  }
  Object.assign(group.attributes, changes);
  return attributes(group);
}

function DescribeTags(world: World, input: DescribeTagsInput): DescribeTagsOutput {
  return {
    TagDescriptions: (input.ResourceArns ?? []).map((arn) => ({
      ResourceArn: arn,
      Tags: tagList(findTargetGroup(world, arn).tags),
    })),
  };
}

function AddTags(world: World, input: AddTagsInput): object {
  const groups = (input.ResourceArns ?? []).map((arn) => findTargetGroup(world, arn));
  for (const group of groups) Object.assign(group.tags, tagRecord(input.Tags));
  return {};
}

function RemoveTags(world: World, input: RemoveTagsInput): object {
  const groups = (input.ResourceArns ?? []).map((arn) => findTargetGroup(world, arn));
  for (const group of groups) for (const key of input.TagKeys ?? []) delete group.tags[key];
  return {};
}

export const loadBalancingOperations: Record<string, Operation> = {
  AddTags,
  CreateTargetGroup,
  DeleteTargetGroup,
  DeregisterTargets,
  DescribeTags,
  DescribeTargetGroupAttributes,
  DescribeTargetGroups,
  DescribeTargetHealth,
  ModifyTargetGroup,
  ModifyTargetGroupAttributes,
  RegisterTargets,
  RemoveTags,
};
