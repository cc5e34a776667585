/** Pieces of Auto Scaling's shapes that several of its operations share. */
import type {
  Activity as ActivityShape,
  LifecycleHookSpecification,
  Instance as MemberShape,
  Tag,
  TagDescription,
  TrafficSourceIdentifier,
  WarmPoolConfiguration,
} from '@aws-sdk/client-auto-scaling';
import { validationError } from '../../model/errors.ts';
import type { LifecycleHook, LifecycleResult, WarmPool } from '../../model/group-state.ts';
import type { Activity, Group, GroupTag, Member, TemplateReference, World } from '../../model/state.ts';

/** MaxRecords of most reads: "The default value is 50 and the maximum value is 100." */
export function recordLimit(given: number | undefined, fallback = 50, most = 100): number {
  if (given !== undefined && (given < 1 || given > most)) {
    throw validationError(
      `1 validation error detected: Value '${given}' at 'maxRecords' failed to satisfy constraint: Member must have value between 1 and ${most}`,
    );
  }
  return given ?? fallback;
}

export const launchTemplateShape = (template: TemplateReference) => ({
  LaunchTemplateId: template.id,
  LaunchTemplateName: template.name,
  Version: template.version,
});

/** HealthStatus is 'Healthy' or 'Unhealthy' here, and upper case in DescribeAutoScalingInstances, as in AWS. */
export const memberShape = (member: Member): MemberShape => ({
  InstanceId: member.instanceId,
  InstanceType: member.instanceType,
  AvailabilityZone: member.zone,
  LifecycleState: member.lifecycle,
  HealthStatus: member.health,
  LaunchTemplate: member.template ? launchTemplateShape(member.template) : undefined,
  ProtectedFromScaleIn: member.protectedFromScaleIn,
});

export const groupTagShapes = (group: Group): TagDescription[] =>
  Object.entries(group.tags).map(([Key, tag]) => ({
    ResourceId: group.name,
    ResourceType: 'auto-scaling-group',
    Key,
    Value: tag.value,
    PropagateAtLaunch: tag.propagateAtLaunch,
  }));

export function readGroupTags(tags: readonly Tag[] | undefined): Record<string, GroupTag> {
  return Object.fromEntries(
    (tags ?? []).map((tag) => {
      const key = tag.Key ?? '';
      if (key.startsWith('aws:')) {
        throw validationError(`Tag keys starting with 'aws:' are reserved: ${key}`);
      }
      return [key, { value: tag.Value ?? '', propagateAtLaunch: tag.PropagateAtLaunch ?? false }];
    }),
  );
}

export const activityShape = (world: World, activity: Activity): ActivityShape => ({
  ActivityId: activity.id,
  AutoScalingGroupName: activity.groupName,
  AutoScalingGroupARN: world.groups[activity.groupName]?.arn,
  AutoScalingGroupState: Object.hasOwn(world.groups, activity.groupName) ? undefined : 'Deleted',
  Description: descriptionOf(activity),
  Cause: activity.cause,
  StartTime: new Date(activity.startedAt),
  EndTime: activity.endedAt === null ? undefined : new Date(activity.endedAt),
  StatusCode: activity.status,
  StatusMessage: activity.message ?? undefined,
  Progress: activity.progress,
  Details: JSON.stringify({
    ...(activity.subnetId !== null && { 'Subnet ID': activity.subnetId }),
    ...(activity.zone !== null && { 'Availability Zone': activity.zone }),
  }),
});

/** The service says in the description, too, what a termination waits for and why something failed. */
function descriptionOf({ description, status, message }: Activity): string {
  if (status === 'WaitingForELBConnectionDraining') {
    return `${description} - Waiting For ELB Connection Draining.`;
  }
  return message === null ? description : `${description}.  Status Reason: ${message}`;
}

export const transitions = {
  launching: 'autoscaling:EC2_INSTANCE_LAUNCHING',
  terminating: 'autoscaling:EC2_INSTANCE_TERMINATING',
} as const;

/** Of a request that creates or changes a hook; an empty text takes away what was there. */
export function readHook(
  input: Partial<LifecycleHookSpecification>,
): Pick<LifecycleHook, 'name'> & { [Key in keyof LifecycleHook]?: LifecycleHook[Key] | undefined } {
  const seconds = input.HeartbeatTimeout;
  const orNull = (text: string | undefined): string | null | undefined => (text === '' ? null : text);
  return {
    name: input.LifecycleHookName!,
    transition: readTransition(input.LifecycleTransition),
    heartbeatMs: seconds === undefined ? undefined : seconds * 1000,
    defaultResult: input.DefaultResult === undefined ? undefined : readResult(input.DefaultResult),
    notificationTargetArn: orNull(input.NotificationTargetARN),
    roleArn: orNull(input.RoleARN),
    metadata: orNull(input.NotificationMetadata),
  };
}

function readTransition(text: string | undefined): LifecycleHook['transition'] | undefined {
  if (text === undefined) return undefined;
  if (text === transitions.launching) return 'launching';
  if (text === transitions.terminating) return 'terminating';
  throw validationError(
    `Invalid lifecycle transition: ${text}. Valid values are: ${Object.values(transitions).join(', ')}`,
  );
}

export function readResult(text: string): LifecycleResult {
  if (text === 'CONTINUE' || text === 'ABANDON') return text;
  throw validationError(`Invalid lifecycle action result: ${text}. Valid values are: CONTINUE, ABANDON`);
}

/** Of the traffic sources of this world only target groups exist. */
export const targetGroupsIn = (sources: readonly TrafficSourceIdentifier[] | undefined): string[] =>
  (sources ?? []).map(({ Identifier = '', Type = 'elbv2' }) => {
    if (Type === 'elbv2') return Identifier;
    throw validationError(`Traffic sources of type ${Type} are not simulated.`);
  });

export const warmPoolShape = (pool: WarmPool): WarmPoolConfiguration => ({
  MinSize: pool.minSize,
  MaxGroupPreparedCapacity: pool.maxPrepared ?? undefined,
  PoolState: pool.state,
  Status: pool.deleting ? 'PendingDelete' : undefined,
  InstanceReusePolicy: { ReuseOnScaleIn: pool.reuseOnScaleIn },
});
