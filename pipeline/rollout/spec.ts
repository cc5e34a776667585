/**
 * What one group's rollout is allowed and required to do: configuration resolved for that group, in
 * milliseconds and still-relative sizes (desired may change mid-rollout, so percentages are applied per tick).
 */
import type { DrainConfig, GateConfig } from '../config/schema.ts';

/** Instances, or a fraction of the group's desired capacity right now. */
export type Allowance = { instances: number } | { fraction: number };

export type GateSpec = GateConfig;
export type DrainSpec = DrainConfig extends infer D
  ? D extends { deadline: string }
    ? Omit<D, 'deadline'> & { deadlineMs: number }
    : never
  : never;

export interface GroupSpec {
  group: string;
  environment: 'staging' | 'production';
  wave: string;
  surge: Allowance;
  unavailable: Allowance;
  gates: GateSpec[];
  passes: number;
  gateDeadlineMs: number;
  drain: DrainSpec[];
  soakMs: number;
  deadlineMs: number;
}

export interface WaveSpec {
  environment: 'staging' | 'production';
  name: string;
  groups: GroupSpec[];
}
