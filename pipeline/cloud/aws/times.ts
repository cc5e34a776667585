/**
 * How long launches have taken and drains are set to take: scaling activities and target groups' settings. Asked once
 * for a plan, never by the loop.
 */
import { type Activity, DescribeScalingActivitiesCommand } from '@aws-sdk/client-auto-scaling';
import {
  DescribeTargetGroupAttributesCommand,
  DescribeTargetGroupsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Cloud, GroupTimes } from '../cloud.ts';
import { type Connection, chunks } from './clients.ts';

/** DescribeTargetGroups names no limit for the ARNs it takes; this is one page of its answers in the console. */
const targetGroupBatch = 20;
const delayKey = 'deregistration_delay.timeout_seconds';

export function timesObserver({ autoScaling, elb, call }: Connection): Cloud['observeTimes'] {
  /** "The maximum number of items to return with this call", 100, is also the default: a page is enough of the past. */
  async function launches(group: string): Promise<number[]> {
    const { Activities = [] } = await call('DescribeScalingActivities', 'read', () =>
      autoScaling.send(new DescribeScalingActivitiesCommand({ AutoScalingGroupName: group })),
    );
    return Activities.filter(isLaunch).map(
      ({ StartTime, EndTime }) => EndTime!.getTime() - StartTime!.getTime(),
    );
  }

  /**
   * "After your target is registered, it must pass one health check to be considered healthy."
   * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
   */
  async function healthyMs(arns: readonly string[]): Promise<Map<string, number>> {
    const times = new Map<string, number>();
    for (const batch of chunks(arns, targetGroupBatch)) {
      const { TargetGroups = [] } = await call('DescribeTargetGroups', 'read', () =>
        elb.send(new DescribeTargetGroupsCommand({ TargetGroupArns: batch })),
      );
      for (const { TargetGroupArn, HealthCheckIntervalSeconds = 0 } of TargetGroups) {
        times.set(TargetGroupArn!, HealthCheckIntervalSeconds * 1_000);
      }
    }
    return times;
  }

  async function drainMs(arn: string): Promise<number> {
    const { Attributes = [] } = await call('DescribeTargetGroupAttributes', 'read', () =>
      elb.send(new DescribeTargetGroupAttributesCommand({ TargetGroupArn: arn })),
    );
    return Number(Attributes.find(({ Key }) => Key === delayKey)?.Value ?? 0) * 1_000;
  }

  return async (groups) => {
    const arns = [...new Set(groups.flatMap(({ targetGroups }) => targetGroups))];
    const [healthy, drains, past] = await Promise.all([
      healthyMs(arns),
      Promise.all(arns.map(async (arn) => [arn, await drainMs(arn)] as const)).then(
        (entries) => new Map(entries),
      ),
      Promise.all(groups.map(({ name }) => launches(name))),
    ]);
    const longest = (times: ReadonlyMap<string, number>, targetGroups: readonly string[]) =>
      Math.max(0, ...targetGroups.map((arn) => times.get(arn) ?? 0));
    return groups.map(
      ({ targetGroups }, index): GroupTimes => ({
        launchesMs: past[index]!,
        drainMs: longest(drains, targetGroups),
        healthyMs: longest(healthy, targetGroups),
      }),
    );
  };
}

const isLaunch = ({ StatusCode, StartTime, EndTime, Description }: Activity): boolean =>
  StatusCode === 'Successful' &&
  StartTime !== undefined &&
  EndTime !== undefined &&
  (Description ?? '').startsWith('Launching a new EC2 instance');
