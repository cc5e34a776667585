/** AWS's answers about groups, their instances and targets in the port's words. Pure. */
import type { AutoScalingGroup, Instance as GroupInstance } from '@aws-sdk/client-auto-scaling';
import type { InstanceStatus } from '@aws-sdk/client-ec2';
import type { TargetHealthDescription } from '@aws-sdk/client-elastic-load-balancing-v2';
import type {
  GroupObservation,
  InstanceObservation,
  Lifecycle,
  TargetObservation,
  WarmInstance,
} from '../cloud.ts';

export type Facts = Pick<InstanceObservation, 'imageId' | 'launchedAt' | 'privateAddress'>;
export type Hooks = GroupObservation['hooks'];
export type StatusChecks = InstanceObservation['statusChecks'];

/** Both ways a group can name its load balancer target groups: the older list, and traffic sources. */
export const targetGroupsOf = (group: AutoScalingGroup): string[] => [
  ...new Set([
    ...(group.TargetGroupARNs ?? []),
    ...(group.TrafficSources ?? [])
      .filter(
        ({ Type, Identifier }) => (Type ?? 'elbv2') === 'elbv2' && Identifier?.includes(':targetgroup/'),
      )
      .map(({ Identifier }) => Identifier!),
  ]),
];

/** TrafficSourceIdentifier's Type is elb, elbv2 or vpc-lattice; the identifier of a Classic Load Balancer is its name. */
const otherTrafficOf = (group: AutoScalingGroup): string[] => {
  const { LoadBalancerNames = [], TrafficSources = [] } = group;
  const known = new Set(targetGroupsOf(group));
  const sources = TrafficSources.flatMap(({ Identifier }) => Identifier ?? []);
  return [...new Set([...LoadBalancerNames, ...sources])].filter((source) => !known.has(source));
};

/**
 * A weight of one is an instance. "If you remove an instance type, running instances of that type keep the last weight",
 * so those there are asked as well.
 */
function unitOf({
  MixedInstancesPolicy,
  Instances = [],
  DesiredCapacityType: type,
}: AutoScalingGroup): GroupObservation['desiredUnit'] {
  if (type === 'vcpu' || type === 'memory-mib') return type;
  const { Overrides = [] } = MixedInstancesPolicy?.LaunchTemplate ?? {};
  const isWeighted = [...Overrides, ...Instances].some(
    ({ WeightedCapacity = '1' }) => WeightedCapacity !== '1',
  );
  return isWeighted ? 'weights' : 'instances';
}

const checkRank = ['ok', 'not-applicable', 'initializing', 'insufficient-data', 'impaired'] as const;

/** A check that is not told of, or in a word nobody knows, has not passed. */
export function worseOf({ SystemStatus, InstanceStatus: guest }: InstanceStatus): StatusChecks {
  const ranks = [SystemStatus?.Status, guest?.Status].map((status) => {
    const rank = checkRank.indexOf(status as 'ok');
    return rank === -1 ? checkRank.indexOf('insufficient-data') : rank;
  });
  return checkRank[Math.max(...ranks)]!;
}

const targetRank: TargetObservation['state'][] = [
  'healthy',
  'unavailable',
  'unused',
  'initial',
  'draining',
  'unhealthy.draining',
  'unhealthy',
];

/** By target id (instance id or address). An instance registered at several ports is as healthy as its worst. */
export function targetsById(arn: string, targets: TargetHealthDescription[]): Map<string, TargetObservation> {
  const worst = new Map<string, TargetObservation>();
  for (const { Target, TargetHealth } of targets) {
    const state = (TargetHealth?.State ?? 'unavailable') as TargetObservation['state'];
    const before = worst.get(Target!.Id!);
    if (before && targetRank.indexOf(before.state) >= targetRank.indexOf(state)) continue;
    worst.set(Target!.Id!, { targetGroup: arn, state, reason: TargetHealth?.Reason ?? null });
  }
  return worst;
}

export function groupOf(
  group: AutoScalingGroup,
  {
    hooks,
    failures: failedActivities,
    pool,
  }: { hooks: Hooks; failures: GroupObservation['failedActivities']; pool: GroupInstance[] | null },
  instance: (instance: GroupInstance, template: string | null) => InstanceObservation,
): GroupObservation {
  const mixed = group.MixedInstancesPolicy?.LaunchTemplate;
  const source = mixed?.LaunchTemplateSpecification ?? group.LaunchTemplate;
  const template = source?.LaunchTemplateId
    ? {
        id: source.LaunchTemplateId,
        name: source.LaunchTemplateName ?? '',
        // "If the value is empty, the default version is used."
        version: source.Version || '$Default',
      }
    : null;
  return {
    name: group.AutoScalingGroupName!,
    desired: group.DesiredCapacity!,
    min: group.MinSize!,
    max: group.MaxSize!,
    zones: group.AvailabilityZones ?? [],
    template,
    mixedInstances: mixed !== undefined,
    ownOverrides: (mixed?.Overrides ?? []).filter(
      (override) => override.LaunchTemplateSpecification || override.ImageId,
    ).length,
    desiredUnit: unitOf(group),
    suspendedProcesses: (group.SuspendedProcesses ?? []).map(({ ProcessName }) => ProcessName!),
    newInstancesProtected: group.NewInstancesProtectedFromScaleIn ?? false,
    healthCheckType: group.HealthCheckType ?? 'EC2',
    healthCheckGraceMs: (group.HealthCheckGracePeriod ?? 0) * 1_000,
    warmUpMs: group.DefaultInstanceWarmup === undefined ? null : group.DefaultInstanceWarmup * 1_000,
    targetGroups: targetGroupsOf(group),
    otherTraffic: otherTrafficOf(group),
    warmPool: pool?.map((member) => warmOf(member, template?.id ?? null)) ?? null,
    hooks,
    tags: Object.fromEntries((group.Tags ?? []).map(({ Key, Value }) => [Key!, Value ?? ''])),
    instances: (group.Instances ?? []).map((member) => instance(member, template?.id ?? null)),
    failedActivities,
  };
}

const isHealthy = ({ HealthStatus }: GroupInstance): boolean => HealthStatus?.toLowerCase() === 'healthy';

/** A version number means nothing under another template's id. */
function versionOf({ LaunchTemplate }: GroupInstance, template: string | null): number | null {
  const { LaunchTemplateId, Version } = LaunchTemplate ?? {};
  const version = Number(Version);
  return LaunchTemplateId === template && Number.isInteger(version) ? version : null;
}

const warmOf = (member: GroupInstance, template: string | null): WarmInstance => ({
  id: member.InstanceId!,
  lifecycle: member.LifecycleState as WarmInstance['lifecycle'],
  healthy: isHealthy(member),
  templateVersion: versionOf(member, template),
});

export function instanceOf(
  member: GroupInstance,
  template: string | null,
  facts: Facts | undefined,
  statusChecks: StatusChecks,
  targets: (readonly [string, Map<string, TargetObservation>])[],
): InstanceObservation {
  const id = member.InstanceId!;
  const address = facts?.privateAddress ?? '';
  return {
    id,
    lifecycle: member.LifecycleState as Lifecycle,
    healthy: isHealthy(member),
    zone: member.AvailabilityZone!,
    instanceType: member.InstanceType ?? '',
    protectedFromScaleIn: member.ProtectedFromScaleIn ?? false,
    templateVersion: versionOf(member, template),
    imageId: facts?.imageId ?? null,
    launchedAt: facts?.launchedAt ?? null,
    privateAddress: facts?.privateAddress ?? null,
    statusChecks,
    targets: targets.map(
      ([targetGroup, byId]) =>
        byId.get(id) ?? byId.get(address) ?? { targetGroup, state: 'unused', reason: 'Target.NotRegistered' },
    ),
  };
}
