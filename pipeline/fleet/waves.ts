/**
 * Configuration → waves: for every group what its rollout may and must do. Pure. Settings are looked up from
 * the most specific to the most general: emergency (when it is one), group, environment, all.
 */
import {
  type Config,
  type DrainConfig,
  parseDurationMs,
  type RolloutOverrides,
  type Size,
  type StrategyConfig,
} from '../config/schema.ts';
import type { Allowance, DrainSpec, GroupSpec, StrategySpec, WaveSpec } from '../rollout/spec.ts';

export type Environment = 'staging' | 'production';

/** The waves of one environment, in order. */
export function planWaves(config: Config, environment: Environment, emergency: boolean): WaveSpec[] {
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
        gates: settings.gates,
        passes: settings.passes,
        gateDeadlineMs: durationMs(settings.gate_deadline),
        drain: settings.drain.map(drainSpec),
        handover: settings.handover && {
          hook: settings.handover.hook,
          until: drainSpec(settings.handover.until),
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

function drainSpec<T extends DrainConfig['type']>({
  deadline,
  ...drain
}: Extract<DrainConfig, { type: T }>): Extract<DrainSpec, { type: T }> {
  return { ...drain, deadlineMs: durationMs(deadline) } as unknown as Extract<DrainSpec, { type: T }>;
}

/** The schema has already checked the notation, so anything else here is a bug. */
export function durationMs(text: string): number {
  const milliseconds = parseDurationMs(text);
  if (milliseconds === null) throw new TypeError(`not a duration: '${text}'`);
  return milliseconds;
}
