/**
 * Configuration → waves: for every group what its rollout may and must do. Pure. Settings are looked up from
 * the most specific to the most general: emergency (when it is one), group, environment, all.
 */
import { resolve } from 'node:path';
import { durationMs } from '../config/duration.ts';
import type { Config, RolloutOverrides, Size, StrategyConfig } from '../config/schema.ts';
import type { Allowance, GroupSpec, InMs, StrategySpec, WaveSpec } from '../rollout/spec.ts';

export type Environment = 'staging' | 'production';

interface Given {
  config: Config;
  /** The directory of drover.yaml, to which the paths in it are relative. */
  root: string;
  emergency: boolean;
}

/** The waves of both environments, staging first. */
export const planFleet = (given: Given): WaveSpec[] =>
  (['staging', 'production'] as const).flatMap((environment) => planWaves(given, environment));

/** The waves of one environment, in order. */
export function planWaves({ config, root, emergency }: Given, environment: Environment): WaveSpec[] {
  const emergencyRollout = emergency ? config.emergency.rollout : {};
  const bakeSoak = emergency ? config.emergency.bake_soak : config.bake.soak;
  return config.fleet[environment].waves.map((wave) => ({
    environment,
    name: wave.name,
    groups: wave.groups.map((group) => {
      const settings = {
        ...config.rollout,
        ...defined(config.fleet[environment].rollout),
        ...defined(config.rollout.groups[group]),
        ...defined(emergencyRollout),
        // The soak of staging is the bake.
        ...(environment === 'staging' ? { soak: bakeSoak } : {}),
      };
      return {
        group,
        environment,
        wave: wave.name,
        strategy: strategySpec(settings.strategy),
        surge: allowance(settings.surge),
        unavailable: allowance(settings.unavailable),
        gates: settings.gates.map((gate) => resolved(root, gate)),
        passes: settings.passes,
        gateDeadlineMs: durationMs(settings.gate_deadline),
        drain: settings.drain.map((drain) => resolved(root, drain)),
        handover: settings.handover && {
          hook: settings.handover.hook,
          until: resolved(root, settings.handover.until),
        },
        protectedInstances: settings.protected_instances,
        standbyInstances: settings.standby_instances,
        soakMs: durationMs(settings.soak),
        deadlineMs: durationMs(settings.deadline),
      } satisfies GroupSpec;
    }),
  }));
}

/** Every group the configuration names, staging first. */
export const fleetGroups = (config: Config): string[] =>
  [...config.fleet.staging.waves, ...config.fleet.production.waves].flatMap((wave) => wave.groups);

const defined = (overrides: RolloutOverrides | undefined): RolloutOverrides =>
  Object.fromEntries(Object.entries(overrides ?? {}).filter(([, value]) => value !== undefined));

function strategySpec(strategy: StrategyConfig): StrategySpec {
  switch (strategy.type) {
    case 'rolling':
      return strategy;
    case 'instance-refresh': {
      const { type, checkpoints, checkpoint_soak } = strategy;
      return { type, checkpoints, checkpointSoakMs: durationMs(checkpoint_soak) };
    }
    case 'canary':
      return { type: 'canary', size: allowance(strategy.size), soakMs: durationMs(strategy.soak) };
  }
}

const allowance = (size: Size): Allowance =>
  typeof size === 'number' ? { instances: size } : { fraction: Number.parseInt(size, 10) / 100 };

/** Keys of a gate, a drain or a cluster whose values are files, and those whose values are durations. */
const fileKeys: ReadonlySet<string> = new Set(['file', 'token_file', 'ca_file']);
const durationKeys: ReadonlySet<string> = new Set(['timeout', 'deadline']);

/** The same settings with their files' whole paths and durations in milliseconds: what reads them knows nothing of drover.yaml. */
export function resolved<T extends object>(root: string, settings: T): InMs<T> {
  const entries = Object.entries(settings).map(([key, value]) => {
    if (key === 'cluster') return [key, resolved(root, value)];
    if (durationKeys.has(key)) return [`${key}Ms`, durationMs(value)];
    return [key, fileKeys.has(key) && value !== undefined ? resolve(root, value) : value];
  });
  return Object.fromEntries(entries) as InMs<T>;
}
