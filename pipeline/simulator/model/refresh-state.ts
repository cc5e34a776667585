/**
 * Instance refreshes as data, and what an active one means for whoever launches: from which configuration, and how
 * many instances above desired. What a refresh does is instance-refresh.ts.
 */
import type { Group, TemplateData, TemplateReference, World } from './state.ts';

/** What instances are launched from: one of the two is given. */
export interface LaunchConfiguration {
  template: TemplateReference | null;
  /** MixedInstancesPolicy in AWS's own shape, with the template resolved to id and name. */
  mixedInstances: TemplateData | null;
}

/** RefreshPreferences with their defaults filled in. */
export interface RefreshPreferences {
  minHealthyPercent: number;
  /** Null when not given, which is not the same as 100: see `bounds` in refresh-pace.ts. */
  maxHealthyPercent: number | null;
  warmUpMs: number;
  checkpointPercents: number[];
  checkpointDelayMs: number;
  skipMatching: boolean;
  autoRollback: boolean;
  scaleInProtected: 'Refresh' | 'Ignore' | 'Wait';
  standby: 'Terminate' | 'Ignore' | 'Wait';
  alarms: string[];
  bakeMs: number;
}

export type RefreshStatus =
  | 'Pending'
  | 'InProgress'
  | 'Baking'
  | 'Cancelling'
  | 'RollbackInProgress'
  | 'Successful'
  | 'Failed'
  | 'Cancelled'
  | 'RollbackSuccessful'
  | 'RollbackFailed';

export interface InstanceRefresh {
  id: string;
  /** Instances with a higher serial were launched since. */
  serial: number;
  groupName: string;
  status: RefreshStatus;
  reason: string | null;
  startedAt: number;
  endedAt: number | null;
  /** Null: replaced by the group's own configuration, and then there is nothing to roll back to. */
  desired: LaunchConfiguration | null;
  preferences: RefreshPreferences;
  percent: number;
  toUpdate: number;
  /** The same of the warm pool; null for a group without one. */
  pool: { percent: number; toUpdate: number } | null;
  /** Since when no instance has been completed; the one hour a refresh keeps trying counts from here. */
  progressAt: number;
  /** End of the delay after a checkpoint, or of the bake time. */
  pausedUntil: number | null;
  checkpointsPassed: number;
  /** Replacements launched before the instances they replace are terminated. */
  surplus: number;
  /** Whether a cancelled refresh waits for launches and terminations under way. */
  waitForTransitions: boolean;
  rollback: { reason: string; startedAt: number; percent: number; toUpdate: number } | null;
  /** When it is next looked at; null when that is not planned. */
  due: number | null;
}

/** Oldest first. */
export const refreshesOf = (world: World, groupName: string): readonly InstanceRefresh[] =>
  Object.hasOwn(world.refreshes, groupName) ? world.refreshes[groupName]! : [];

const ended: RefreshStatus[] = ['Successful', 'Failed', 'Cancelled', 'RollbackSuccessful', 'RollbackFailed'];

/** The one refresh (or its rollback) that has not ended; only the newest can be it. */
export function activeRefresh(world: World, groupName: string): InstanceRefresh | null {
  const newest = refreshesOf(world, groupName).at(-1);
  return newest && !ended.includes(newest.status) ? newest : null;
}

/**
 * "If a scale-out event occurs during an instance refresh, Amazon EC2 Auto Scaling launches new instances with the
 * desired configuration instead of the group's current settings."
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-overview.html
 */
export function configurationOf(world: World, group: Group): LaunchConfiguration {
  const refresh = activeRefresh(world, group.name);
  const replacing = refresh?.status === 'InProgress' || refresh?.status === 'Baking';
  return (replacing && refresh.desired) || group;
}

/** How many instances Auto Scaling keeps at present: desired, and what a refresh has launched ahead. */
export const wantedIn = (world: World, group: Group): number =>
  group.desired + (activeRefresh(world, group.name)?.surplus ?? 0);
