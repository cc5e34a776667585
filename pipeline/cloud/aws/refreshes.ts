/** Instance refreshes: Auto Scaling replaces a group's instances by itself. At most one is under way per group. */
import {
  CancelInstanceRefreshCommand,
  DescribeInstanceRefreshesCommand,
  type InstanceRefresh,
  StartInstanceRefreshCommand,
} from '@aws-sdk/client-auto-scaling';
import { type Cloud, CloudError, type RefreshObservation } from '../cloud.ts';
import type { Connection } from './clients.ts';
import { describeGroup, pinned } from './groups.ts';

type RefreshCalls = Pick<Cloud, 'newestRefreshes' | 'startRefresh' | 'cancelRefresh'>;

const protectedInstances = { wait: 'Wait', ignore: 'Ignore', replace: 'Refresh' } as const;
const standbyInstances = { wait: 'Wait', ignore: 'Ignore', replace: 'Terminate' } as const;

export function refreshes(connection: Connection): RefreshCalls {
  const { autoScaling, call } = connection;

  async function newestOf(group: string): Promise<RefreshObservation | null> {
    // On the first page: AWS keeps those of six weeks, 50 to a page.
    const { InstanceRefreshes = [] } = await call('DescribeInstanceRefreshes', 'read', () =>
      autoScaling.send(new DescribeInstanceRefreshesCommand({ AutoScalingGroupName: group })),
    );
    const [newest] = InstanceRefreshes.map(observed).sort((a, b) => b.startedAt - a.startedAt);
    return newest ?? null;
  }

  return {
    async newestRefreshes(groups) {
      const entries = await Promise.all(groups.map(async (group) => [group, await newestOf(group)] as const));
      return Object.fromEntries(entries);
    },

    async startRefresh(group, { version, minHealthy, maxHealthy, checkpoints, checkpointDelayMs, ...held }) {
      const current = await describeGroup(connection, group);
      const { InstanceRefreshId } = await call('StartInstanceRefresh', 'mutation', () =>
        autoScaling.send(
          new StartInstanceRefreshCommand({
            AutoScalingGroupName: group,
            DesiredConfiguration: pinned(current, String(version)),
            Preferences: {
              MinHealthyPercentage: minHealthy,
              MaxHealthyPercentage: maxHealthy,
              SkipMatching: true,
              ScaleInProtectedInstances: protectedInstances[held.protectedInstances],
              StandbyInstances: standbyInstances[held.standbyInstances],
              ...(checkpoints.length > 0 && {
                CheckpointPercentages: [...checkpoints],
                CheckpointDelay: Math.ceil(checkpointDelayMs / 1000),
              }),
            },
          }),
        ),
      );
      return InstanceRefreshId!;
    },

    async cancelRefresh(group, which) {
      const newest = await newestOf(group);
      const isIt = 'id' in which ? newest?.id === which.id : newest?.version === which.version;
      if (!isIt) return;
      try {
        await call('CancelInstanceRefresh', 'mutation', () =>
          autoScaling.send(new CancelInstanceRefreshCommand({ AutoScalingGroupName: group })),
        );
      } catch (error) {
        // It has ended, or is being cancelled already.
        const isOver = error instanceof CloudError && error.code === 'ActiveInstanceRefreshNotFound';
        if (!isOver) throw error;
      }
    },
  };
}

function observed(refresh: InstanceRefresh): RefreshObservation {
  const { LaunchTemplate, MixedInstancesPolicy } = refresh.DesiredConfiguration ?? {};
  const template = MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification ?? LaunchTemplate;
  const version = Number(template?.Version);
  return {
    id: refresh.InstanceRefreshId!,
    status: refresh.Status!,
    reason: refresh.StatusReason ?? null,
    startedAt: refresh.StartTime?.getTime() ?? 0,
    percent: refresh.PercentageComplete ?? 0,
    version: Number.isInteger(version) ? version : null,
  };
}
