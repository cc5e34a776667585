/** Auto Scaling's operations on instance refreshes. */
import type {
  CancelInstanceRefreshAnswer,
  CancelInstanceRefreshType,
  DescribeInstanceRefreshesAnswer,
  DescribeInstanceRefreshesType,
  DesiredConfiguration,
  RefreshPreferences as PreferencesShape,
  InstanceRefresh as RefreshShape,
  RollbackInstanceRefreshAnswer,
  RollbackInstanceRefreshType,
  StartInstanceRefreshAnswer,
  StartInstanceRefreshType,
} from '@aws-sdk/client-auto-scaling';
import { validationError } from '../../model/errors.ts';
import { findGroup } from '../../model/groups.ts';
import { cancelRefresh, rollbackRefresh, startRefresh } from '../../model/instance-refresh.ts';
import {
  type InstanceRefresh,
  type LaunchConfiguration,
  type RefreshPreferences,
  refreshesOf,
} from '../../model/refresh-state.ts';
import type { Group, World } from '../../model/state.ts';
import { page } from './pages.ts';
import { readLaunchConfiguration } from './scaling-settings.ts';
import { launchTemplateShape, recordLimit } from './scaling-shapes.ts';

export function StartInstanceRefresh(
  world: World,
  input: StartInstanceRefreshType,
): StartInstanceRefreshAnswer {
  const group = findGroup(world, input.AutoScalingGroupName!);
  if (input.Strategy !== undefined && input.Strategy !== 'Rolling') {
    throw validationError(`This account supports the Rolling strategy only, not ${input.Strategy}.`);
  }
  const { id } = startRefresh(world, group, {
    desired: readDesired(world, input.DesiredConfiguration),
    preferences: readPreferences(group, input.Preferences ?? {}),
  });
  return { InstanceRefreshId: id };
}

function readDesired(world: World, given: DesiredConfiguration | undefined): LaunchConfiguration | null {
  if (!given?.LaunchTemplate && !given?.MixedInstancesPolicy) return null;
  return { template: null, mixedInstances: null, ...readLaunchConfiguration(world, given) };
}

/** Defaults: https://docs.aws.amazon.com/autoscaling/ec2/userguide/understand-instance-refresh-default-values.html */
function readPreferences(group: Group, given: PreferencesShape): RefreshPreferences {
  const { MinHealthyPercentage: least, MaxHealthyPercentage: most } = given;
  within('minHealthyPercentage', least, 0, 100);
  within('maxHealthyPercentage', most, 100, 200);
  if (most !== undefined && least === undefined) {
    throw validationError('MaxHealthyPercentage can only be specified together with MinHealthyPercentage.');
  }
  if (most !== undefined && most - least! > 100) {
    throw validationError(
      'The difference between MaxHealthyPercentage and MinHealthyPercentage must not exceed 100.',
    );
  }
  within('instanceWarmup', given.InstanceWarmup, 0, Number.MAX_SAFE_INTEGER);
  within('checkpointDelay', given.CheckpointDelay, 0, longestPauseSeconds);
  within('bakeTime', given.BakeTime, 0, longestPauseSeconds);
  const checkpoints = given.CheckpointPercentages ?? [];
  for (const [index, percent] of checkpoints.entries()) {
    within('checkpointPercentages', percent, 1, 100);
    if (index > 0 && percent <= checkpoints[index - 1]!) {
      throw validationError('CheckpointPercentages must be unique and in ascending order.');
    }
  }
  if (given.CheckpointDelay !== undefined && checkpoints.length === 0) {
    throw validationError('CheckpointDelay can only be specified together with CheckpointPercentages.');
  }
  const alarms = given.AlarmSpecification?.Alarms ?? [];
  if (alarms.length > 10) throw validationError('At most 10 alarms can be specified.');
  return {
    // What is not given comes from the group's instance maintenance policy and default instance warmup, if it has them.
    minHealthyPercent: least ?? group.maintenance?.minHealthyPercent ?? 90,
    maxHealthyPercent: most ?? group.maintenance?.maxHealthyPercent ?? null,
    warmUpMs:
      given.InstanceWarmup === undefined
        ? (group.warmUpMs ?? group.healthCheckGraceMs)
        : given.InstanceWarmup * 1000,
    checkpointPercents: checkpoints,
    checkpointDelayMs: (given.CheckpointDelay ?? 3600) * 1000,
    skipMatching: given.SkipMatching ?? false,
    autoRollback: given.AutoRollback ?? false,
    scaleInProtected: oneOf('scaleInProtectedInstances', given.ScaleInProtectedInstances ?? 'Wait', [
      'Refresh',
      'Ignore',
      'Wait',
    ]),
    standby: oneOf('standbyInstances', given.StandbyInstances ?? 'Wait', ['Terminate', 'Ignore', 'Wait']),
    alarms,
    bakeMs: (given.BakeTime ?? 0) * 1000,
  };
}

/** CheckpointDelay and BakeTime: "Minimum value of 0. Maximum value of 172800." */
const longestPauseSeconds = 172_800;

const refused = (value: string | number, member: string, constraint: string) =>
  validationError(
    `1 validation error detected: Value '${value}' at 'preferences.${member}' failed to satisfy constraint: Member must ${constraint}`,
  );

function within(member: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  throw refused(value, member, `have value between ${least} and ${most}`);
}

function oneOf<T extends string>(member: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw refused(value, member, `satisfy enum value set: [${allowed.join(', ')}]`);
}

/** Newest first. */
export function DescribeInstanceRefreshes(
  world: World,
  input: DescribeInstanceRefreshesType,
): DescribeInstanceRefreshesAnswer {
  const { name } = findGroup(world, input.AutoScalingGroupName!);
  const ids = input.InstanceRefreshIds ?? [];
  const wanted = refreshesOf(world, name).filter(({ id }) => ids.length === 0 || ids.includes(id));
  const newestFirst = ({ serial }: InstanceRefresh): string => String(1e14 - serial).padStart(15, '0');
  const { items, nextToken } = page(wanted, newestFirst, {
    token: input.NextToken,
    size: recordLimit(input.MaxRecords),
  });
  return { InstanceRefreshes: items.map(refreshShape), NextToken: nextToken };
}

const refreshShape = (refresh: InstanceRefresh): RefreshShape => ({
  InstanceRefreshId: refresh.id,
  AutoScalingGroupName: refresh.groupName,
  Status: refresh.status,
  StatusReason: refresh.reason ?? undefined,
  StartTime: new Date(refresh.startedAt),
  EndTime: refresh.endedAt === null ? undefined : new Date(refresh.endedAt),
  PercentageComplete: refresh.percent,
  InstancesToUpdate: refresh.toUpdate,
  ProgressDetails: refresh.pool
    ? {
        LivePoolProgress: { PercentageComplete: refresh.percent, InstancesToUpdate: refresh.toUpdate },
        WarmPoolProgress: {
          PercentageComplete: refresh.pool.percent,
          InstancesToUpdate: refresh.pool.toUpdate,
        },
      }
    : undefined,
  Preferences: preferencesShape(refresh.preferences),
  DesiredConfiguration: refresh.desired
    ? {
        LaunchTemplate: refresh.desired.template ? launchTemplateShape(refresh.desired.template) : undefined,
        MixedInstancesPolicy: (refresh.desired.mixedInstances ??
          undefined) as DesiredConfiguration['MixedInstancesPolicy'],
      }
    : undefined,
  RollbackDetails: refresh.rollback
    ? {
        RollbackReason: refresh.rollback.reason,
        RollbackStartTime: new Date(refresh.rollback.startedAt),
        PercentageCompleteOnRollback: refresh.rollback.percent,
        InstancesToUpdateOnRollback: refresh.rollback.toUpdate,
      }
    : undefined,
  Strategy: 'Rolling',
});

const preferencesShape = (preferences: RefreshPreferences): PreferencesShape => ({
  MinHealthyPercentage: preferences.minHealthyPercent,
  MaxHealthyPercentage: preferences.maxHealthyPercent ?? undefined,
  InstanceWarmup: preferences.warmUpMs / 1000,
  ...(preferences.checkpointPercents.length > 0 && {
    CheckpointPercentages: preferences.checkpointPercents,
    CheckpointDelay: preferences.checkpointDelayMs / 1000,
  }),
  SkipMatching: preferences.skipMatching,
  AutoRollback: preferences.autoRollback,
  ScaleInProtectedInstances: preferences.scaleInProtected,
  StandbyInstances: preferences.standby,
  ...(preferences.alarms.length > 0 && { AlarmSpecification: { Alarms: preferences.alarms } }),
  BakeTime: preferences.bakeMs / 1000,
});

export function CancelInstanceRefresh(
  world: World,
  input: CancelInstanceRefreshType,
): CancelInstanceRefreshAnswer {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const { id } = cancelRefresh(world, group, input.WaitForTransitioningInstances ?? true);
  return { InstanceRefreshId: id };
}

export function RollbackInstanceRefresh(
  world: World,
  input: RollbackInstanceRefreshType,
): RollbackInstanceRefreshAnswer {
  const { id } = rollbackRefresh(world, findGroup(world, input.AutoScalingGroupName!));
  return { InstanceRefreshId: id };
}
