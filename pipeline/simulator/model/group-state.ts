/** What belongs to a group, besides its members and settings: plain data, like all of state.ts. */
import type { Member } from './state.ts';

export type Transition = 'launching' | 'terminating';
export type LifecycleResult = 'CONTINUE' | 'ABANDON';

export interface LifecycleHook {
  name: string;
  transition: Transition;
  heartbeatMs: number;
  defaultResult: LifecycleResult;
  notificationTargetArn: string | null;
  roleArn: string | null;
  metadata: string | null;
}

/** What a member in a wait state waits for; one per hook of its transition. */
export interface LifecycleAction {
  hook: string;
  transition: Transition;
  token: string;
  /** When it ends by the hook's default result, unless a heartbeat comes. */
  endsAt: number;
  /** When it ends whatever heartbeats come. */
  latestEndsAt: number;
}

export interface WarmPool {
  minSize: number;
  /** Null: the group's maximum. */
  maxPrepared: number | null;
  state: 'Stopped' | 'Running';
  reuseOnScaleIn: boolean;
  deleting: boolean;
  members: Record<string, Member>;
}

/** Both in percent of desired. */
export interface MaintenancePolicy {
  minHealthyPercent: number;
  maxHealthyPercent: number;
}

/** For how long a scaling activity asks for no further one. */
export interface Cooldown {
  /** The scaling activity that began it. */
  activityId: string;
  until: number;
}

/** A change of a group's limits at a time set beforehand; happens once. */
export interface ScheduledAction {
  name: string;
  serial: number;
  startsAt: number;
  min: number | undefined;
  max: number | undefined;
  desired: number | undefined;
}
