/**
 * What CloudWatch would show of the account: computed from the world's present, as if the whole period had been like
 * it, so that no sample is ever stored. Clients of a target group send a steady `requestsPerSecond`.
 *
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/viewing_metrics_with_cloudwatch.html#status-check-metrics
 */
import { works } from './behaviour.ts';
import type { Group, Instance, TargetGroup, World } from './state.ts';
import { targetHealth } from './target-checks.ts';

export interface Metric {
  namespace: string;
  name: string;
  dimensions: Record<string, string>;
}

/** The statistics of one period. Percentiles are not known: every sample is like the average. */
export interface Statistics {
  sum: number;
  samples: number;
  average: number;
  minimum: number;
  maximum: number;
}

/** Null: no data, be it that there is no such metric or that AWS reports none ("there is a nonzero value"). */
export function metricOf(world: World, metric: Metric, periodMs: number): Statistics | null {
  switch (metric.namespace) {
    case 'AWS/ApplicationELB':
      return balancing(world, metric, periodMs);
    case 'AWS/AutoScaling':
      return scaling(world, metric, periodMs);
    case 'AWS/EC2':
      return statusChecks(world, metric, periodMs);
    default:
      return null;
  }
}

/** A count of requests, each of them a sample of 1. */
const occurrences = (count: number): Statistics | null =>
  count === 0 ? null : { sum: count, samples: count, average: 1, minimum: 1, maximum: 1 };

/** A level, sampled once a minute or at least once in the period. */
function level(values: readonly number[], periodMs: number): Statistics | null {
  if (values.length === 0) return null;
  const each = Math.max(1, Math.floor(periodMs / 60_000));
  const total = values.reduce((sum, value) => sum + value, 0);
  return {
    sum: total * each,
    samples: values.length * each,
    average: total / values.length,
    minimum: Math.min(...values),
    maximum: Math.max(...values),
  };
}

/** The last part of an ARN, as dimensions name load balancers and target groups: 'targetgroup/web/6d0ecf831eec9f09'. */
export const dimensionOf = (arn: string): string =>
  arn
    .split(':')
    .at(-1)!
    .replace(/^loadbalancer\//, '');

function balancing(world: World, { name, dimensions }: Metric, periodMs: number): Statistics | null {
  const groups = Object.values(world.targetGroups).filter(
    ({ arn, loadBalancerArns }) =>
      (dimensions.TargetGroup === undefined || dimensions.TargetGroup === dimensionOf(arn)) &&
      (dimensions.LoadBalancer === undefined ||
        loadBalancerArns.some((balancer) => dimensions.LoadBalancer === dimensionOf(balancer))),
  );
  if (groups.length === 0) return null;
  const zone = dimensions.AvailabilityZone;
  const total = (count: (traffic: Traffic) => number): number =>
    groups.reduce((sum, group) => sum + count(trafficOf(world, group, periodMs, zone)), 0);
  switch (name) {
    case 'RequestCount':
      return occurrences(total(({ requests }) => requests));
    case 'HTTPCode_Target_5XX_Count':
      return occurrences(total(({ errors }) => errors));
    case 'HTTPCode_Target_2XX_Count':
      return occurrences(total(({ requests, errors }) => requests - errors));
    case 'HTTPCode_ELB_5XX_Count':
      return occurrences(total(({ refused }) => refused));
    case 'HealthyHostCount':
      return level([total(({ healthy }) => healthy)], periodMs);
    case 'UnHealthyHostCount':
      return level([total(({ unhealthy }) => unhealthy)], periodMs);
    default:
      return null;
  }
}

interface Traffic {
  requests: number;
  /** Answered with an error by a target. */
  errors: number;
  /** Answered with an error by the load balancer, because there is no target to send them to. */
  refused: number;
  healthy: number;
  unhealthy: number;
}

/**
 * Requests go evenly to the healthy targets; "if a target group contains only unhealthy registered targets, the load
 * balancer routes requests to all those targets". Software that does not work answers nothing but errors.
 */
function trafficOf(world: World, group: TargetGroup, periodMs: number, zone: string | undefined): Traffic {
  const targets = Object.values(group.targets).map(({ instanceId }) => ({
    instance: world.instances[instanceId]!,
    state: targetHealth(world, group, instanceId).state,
  }));
  const healthy = targets.filter(({ state }) => state === 'healthy');
  const unhealthy = targets.filter(({ state }) => state === 'unhealthy');
  const serving = healthy.length > 0 ? healthy : unhealthy;
  const inZone = ({ instance }: { instance: Instance }): boolean =>
    zone === undefined || instance.zone === zone;
  const all = (group.requestsPerSecond * periodMs) / 1000;
  const chosen = serving.filter(inZone);
  const errorRates = chosen.map(({ instance }) => (works(world, instance) ? instance.conduct.errorRate : 1));
  const each = all / serving.length;
  return {
    requests: Math.round(chosen.length * each || 0),
    errors: Math.round(errorRates.reduce((sum, rate) => sum + rate, 0) * each || 0),
    refused: serving.length === 0 && zone === undefined ? Math.round(all) : 0,
    healthy: healthy.filter(inZone).length,
    unhealthy: unhealthy.filter(inZone).length,
  };
}

function scaling(world: World, { name, dimensions }: Metric, periodMs: number): Statistics | null {
  const group = groupNamed(world, dimensions.AutoScalingGroupName);
  if (!group) return null;
  const members = Object.values(group.members);
  const inState = (prefix: string): number =>
    members.filter(({ lifecycle }) => lifecycle.startsWith(prefix)).length;
  const levels: Record<string, number> = {
    GroupMinSize: group.min,
    GroupMaxSize: group.max,
    GroupDesiredCapacity: group.desired,
    GroupInServiceInstances: inState('InService'),
    GroupPendingInstances: inState('Pending'),
    GroupStandbyInstances: inState('Standby'),
    GroupTerminatingInstances: inState('Terminating'),
    GroupTotalInstances: members.length,
  };
  return Object.hasOwn(levels, name) ? level([levels[name]!], periodMs) : null;
}

const failedChecks = ['StatusCheckFailed', 'StatusCheckFailed_Instance', 'StatusCheckFailed_System'];

/** By instance, or over all instances of a group. A guest that fails leaves the host's check passing. */
function statusChecks(world: World, { name, dimensions }: Metric, periodMs: number): Statistics | null {
  if (!failedChecks.includes(name)) return null;
  const { InstanceId: id, AutoScalingGroupName: groupName } = dimensions;
  const ids = id === undefined ? Object.keys(groupNamed(world, groupName)?.members ?? {}) : [id];
  const running = ids.flatMap((each) => {
    const instance = Object.hasOwn(world.instances, each) ? world.instances[each] : undefined;
    return instance?.state === 'running' ? [instance] : [];
  });
  const failed = (instance: Instance): number =>
    name !== 'StatusCheckFailed_System' && instance.checks === 'impaired' ? 1 : 0;
  return level(running.map(failed), periodMs);
}

const groupNamed = (world: World, name: string | undefined): Group | null =>
  name !== undefined && Object.hasOwn(world.groups, name) ? world.groups[name]! : null;
