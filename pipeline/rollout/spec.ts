/**
 * What one group's rollout is allowed and required to do: configuration resolved for that group, in
 * milliseconds and still-relative sizes (desired may change mid-rollout, so percentages are applied per tick).
 */
import type { DrainConfig, GateConfig } from '../config/schema.ts';

/** Instances, or a fraction of the group's desired capacity right now. */
export type Allowance = { instances: number } | { fraction: number };

/** The configuration's durations, read once: `timeout` has become `timeoutMs`, `deadline` `deadlineMs`. */
export type InMs<T> = T extends unknown
  ? {
      [K in keyof T as K extends 'timeout' | 'deadline' ? `${K}Ms` : K]: K extends 'timeout' | 'deadline'
        ? number
        : T[K];
    }
  : never;

export type GateSpec = InMs<GateConfig>;
/**
 * At a step's deadline: `fail` fails the rollout; `skip` gives up this step and goes on to the next; `force`
 * gives up all that remain and terminates.
 */
export type DrainSpec = InMs<DrainConfig>;

/** How a group's instances are replaced: canary.ts and refresh.ts say what the others are. */
export type StrategySpec =
  | { type: 'rolling' }
  | { type: 'canary'; size: Allowance; soakMs: number }
  | { type: 'instance-refresh'; checkpoints: number[]; checkpointSoakMs: number };

export type HeldPolicy = 'wait' | 'ignore' | 'replace';

export interface GroupSpec {
  group: string;
  environment: 'staging' | 'production';
  wave: string;
  strategy: StrategySpec;
  surge: Allowance;
  unavailable: Allowance;
  gates: GateSpec[];
  passes: number;
  gateDeadlineMs: number;
  drain: DrainSpec[];
  /** Work that goes on behind a termination hook: handover.ts. */
  handover?: { hook: string; until: Extract<DrainSpec, { type: 'command' | 'http-hook' }> } | undefined;
  /**
   * What to do about instances protected from scale-in, and about those in Standby: `wait` for a person or the
   * application to release them (until the deadline), `ignore` them (they keep their image), or `replace` them
   * all the same. The words and the default, wait, are those of Auto Scaling's own instance refresh.
   */
  protectedInstances?: HeldPolicy;
  standbyInstances?: HeldPolicy;
  soakMs: number;
  deadlineMs: number;
}

export interface WaveSpec {
  environment: 'staging' | 'production';
  name: string;
  groups: GroupSpec[];
}
