/**
 * One snapshot of many groups in as few calls as AWS allows: groups by name, instances and their status by id in
 * batches, target health per target group. What a running instance cannot change (image, launch time, address) is
 * read once per instance and kept, so the calls of a tick grow with pages, never with instances one by one.
 *
 * Just after a launch EC2 does not know an instance yet that Auto Scaling already lists. The batch then fails as a
 * whole and names the unknown ids; it is asked again without them, and they are reported as not known yet.
 */
import {
  type Activity,
  type AutoScalingGroup,
  DescribeLifecycleHooksCommand,
  DescribeScalingActivitiesCommand,
  paginateDescribeAutoScalingGroups,
} from '@aws-sdk/client-auto-scaling';
import { paginateDescribeInstanceStatus, paginateDescribeInstances } from '@aws-sdk/client-ec2';
import { DescribeTargetHealthCommand } from '@aws-sdk/client-elastic-load-balancing-v2';
import { type Cloud, CloudError, type GroupObservation, type TargetObservation } from '../cloud.ts';
import { type Connection, chunks, collect } from './clients.ts';
import {
  type Facts,
  groupOf,
  type Hooks,
  instanceOf,
  type StatusChecks,
  targetGroupsOf,
  targetsById,
  worseOf,
} from './group-shape.ts';
import { readWarmPool } from './warm-pool.ts';

/** DescribeAutoScalingGroups answers at most 100 groups per page, and takes as many names with it. */
const groupBatch = 100;
/** DescribeInstanceStatus: "Maximum 100 explicitly specified instance IDs"; DescribeInstances kept alike. */
const instanceBatch = 100;

export function observer(connection: Connection): Cloud['observe'] {
  const { autoScaling, ec2, elb, call } = connection;
  const factsById = new Map<string, Facts>();
  const hooksByGroup = new Map<string, Hooks>();

  async function readGroups(names: readonly string[]): Promise<AutoScalingGroup[]> {
    const pages = await Promise.all(
      chunks([...new Set(names)], groupBatch).map((batch) =>
        call('DescribeAutoScalingGroups', 'read', () =>
          collect(
            paginateDescribeAutoScalingGroups(
              { client: autoScaling, pageSize: groupBatch },
              { AutoScalingGroupNames: batch },
            ),
            (page) => page.AutoScalingGroups,
          ),
        ),
      ),
    );
    return pages.flat();
  }

  async function readFacts(ids: readonly string[]): Promise<void> {
    const unread = ids.filter((id) => !factsById.has(id));
    await byKnownIds(unread, async (batch) => {
      const reservations = await call('DescribeInstances', 'read', () =>
        collect(
          paginateDescribeInstances({ client: ec2 }, { InstanceIds: batch }),
          (page) => page.Reservations,
        ),
      );
      for (const instance of reservations.flatMap(({ Instances = [] }) => Instances)) {
        factsById.set(instance.InstanceId!, {
          imageId: instance.ImageId ?? null,
          launchedAt: instance.LaunchTime?.getTime() ?? null,
          privateAddress: instance.PrivateIpAddress ?? null,
        });
      }
    });
  }

  async function readStatus(ids: readonly string[]): Promise<Map<string, StatusChecks>> {
    const statuses = new Map<string, StatusChecks>();
    await byKnownIds(ids, async (batch) => {
      const answers = await call('DescribeInstanceStatus', 'read', () =>
        collect(
          paginateDescribeInstanceStatus({ client: ec2 }, { InstanceIds: batch, IncludeAllInstances: true }),
          (page) => page.InstanceStatuses,
        ),
      );
      for (const answer of answers) statuses.set(answer.InstanceId!, worseOf(answer));
    });
    return statuses;
  }

  async function readTargets(arns: readonly string[]): Promise<Map<string, Map<string, TargetObservation>>> {
    const entries = await Promise.all(
      [...new Set(arns)].map(async (arn) => {
        const { TargetHealthDescriptions = [] } = await call('DescribeTargetHealth', 'read', () =>
          elb.send(new DescribeTargetHealthCommand({ TargetGroupArn: arn })),
        );
        return [arn, targetsById(arn, TargetHealthDescriptions)] as const;
      }),
    );
    return new Map(entries);
  }

  /** Hooks change by an operator's hand only; the first reading of a process stands. */
  async function readHooks(group: string): Promise<Hooks> {
    const known = hooksByGroup.get(group);
    if (known) return known;
    const { LifecycleHooks = [] } = await call('DescribeLifecycleHooks', 'read', () =>
      autoScaling.send(new DescribeLifecycleHooksCommand({ AutoScalingGroupName: group })),
    );
    const named = (transition: string) =>
      LifecycleHooks.filter(
        (hook) => hook.LifecycleTransition === `autoscaling:EC2_INSTANCE_${transition}`,
      ).map((hook) => hook.LifecycleHookName!);
    const heartbeatMs = Object.fromEntries(
      LifecycleHooks.map((hook) => [hook.LifecycleHookName!, (hook.HeartbeatTimeout ?? 0) * 1000]),
    );
    const hooks = { launching: named('LAUNCHING'), terminating: named('TERMINATING'), heartbeatMs };
    hooksByGroup.set(group, hooks);
    return hooks;
  }

  /** The newest page holds the latest 100, which is more than a rollout needs to say why nothing launches. */
  async function readFailures(
    group: AutoScalingGroup,
    since: number,
  ): Promise<GroupObservation['failedActivities']> {
    const present = (group.Instances ?? []).filter(({ LifecycleState }) => staying(LifecycleState));
    if (present.length >= (group.DesiredCapacity ?? 0)) return [];
    const { Activities = [] } = await call('DescribeScalingActivities', 'read', () =>
      autoScaling.send(
        new DescribeScalingActivitiesCommand({ AutoScalingGroupName: group.AutoScalingGroupName }),
      ),
    );
    const failed = (activity: Activity) =>
      ['Failed', 'Cancelled'].includes(activity.StatusCode ?? '') &&
      (activity.StartTime?.getTime() ?? 0) >= since;
    return Activities.filter(failed).map((activity) => ({
      at: activity.StartTime!.getTime(),
      message: activity.StatusMessage ?? activity.Description ?? activity.StatusCode!,
    }));
  }

  return async function observe(names, since) {
    const groups = await readGroups(names);
    const ids = groups.flatMap(({ Instances = [] }) => Instances.map(({ InstanceId }) => InstanceId!));
    const [statuses, targets, hooks, failures, pools] = await Promise.all([
      readStatus(ids),
      readTargets(groups.flatMap(targetGroupsOf)),
      Promise.all(groups.map((group) => readHooks(group.AutoScalingGroupName!))),
      Promise.all(groups.map((group) => readFailures(group, since))),
      Promise.all(
        groups.map(({ AutoScalingGroupName: name, WarmPoolConfiguration: pool }) =>
          pool ? readWarmPool(connection, name!) : null,
        ),
      ),
      readFacts(ids),
    ]);
    const observed = groups.map((group, index) =>
      groupOf(
        group,
        { hooks: hooks[index]!, failures: failures[index]!, pool: pools[index]! },
        (instance, template) =>
          instanceOf(
            instance,
            template,
            factsById.get(instance.InstanceId!),
            statuses.get(instance.InstanceId!) ?? null,
            targetGroupsOf(group).map((arn) => [arn, targets.get(arn)!] as const),
          ),
      ),
    );
    for (const instance of observed.flatMap((group) => group.instances)) {
      // Still incomplete, or the one operation that changes an instance's image: read again next time.
      const { id, privateAddress, lifecycle } = instance;
      if (privateAddress === null || lifecycle === 'ReplacingRootVolume') factsById.delete(id);
    }
    const order = new Map(names.map((name, index) => [name, index]));
    return observed.sort((a, b) => order.get(a.name)! - order.get(b.name)!);
  };
}

/** Reads in batches; on NotFound the ids the service names are left out and the batch is read again. */
async function byKnownIds(ids: readonly string[], read: (batch: string[]) => Promise<void>): Promise<void> {
  await Promise.all(
    chunks(ids, instanceBatch).map(async (batch) => {
      // Every round leaves out at least one id, so this ends.
      for (let rest = batch; rest.length > 0; ) {
        try {
          return await read(rest);
        } catch (error) {
          if (!(error instanceof CloudError) || error.code !== 'InvalidInstanceID.NotFound') throw error;
          const unknown = new Set(error.message.match(/i-[0-9a-f]+/g));
          const known = rest.filter((id) => !unknown.has(id));
          if (known.length === rest.length) throw error;
          rest = known;
        }
      }
    }),
  );
}

const staying = (lifecycle: string | undefined): boolean =>
  lifecycle === 'InService' || (lifecycle?.startsWith('Pending') ?? false);
