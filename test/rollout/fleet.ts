/**
 * A simulated account for the engine's tests: the production adapter and engine on a virtual clock, with an oracle
 * that watches capacity after everything that happens, by the simulator's own truth rather than the engine's.
 */

import { createAwsCloud } from '../../pipeline/cloud/aws/cloud.ts';
import type { Cloud } from '../../pipeline/cloud/cloud.ts';
import { configSchema } from '../../pipeline/config/schema.ts';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import type { EntryOf, EntryType, Journal } from '../../pipeline/journal/records.ts';
import { silent } from '../../pipeline/report/progress.ts';
import { surgeOf, unavailableOf } from '../../pipeline/rollout/decision/view.ts';
import type { RolloutDeps } from '../../pipeline/rollout/engine.ts';
import { rollbackGroups } from '../../pipeline/rollout/rollback.ts';
import { runCommand } from '../../pipeline/rollout/services/command.ts';
import { type Http, NoAnswer } from '../../pipeline/rollout/services/http.ts';
import type { GroupSpec, WaveSpec } from '../../pipeline/rollout/spec.ts';
import { servingIn } from '../../pipeline/simulator/capacity.ts';
import { probe } from '../../pipeline/simulator/model/behaviour.ts';
import { counts } from '../../pipeline/simulator/model/lifecycle.ts';
import type { Group, World } from '../../pipeline/simulator/model/state.ts';
import { createSimulator, type Simulator } from '../../pipeline/simulator/simulator.ts';
import { type VirtualClock, virtualClock } from '../../pipeline/simulator/virtual-clock.ts';
import { worldFrom } from '../../pipeline/simulator/world.ts';

export interface Fleet {
  clock: VirtualClock;
  simulator: Simulator;
  world: World;
  cloud: Cloud;
  journal: Journal;
  deps: RolloutDeps;
  /** What users and autoscalers want of each group; tests that change desired change it here. */
  wanted: Record<string, number>;
  specs: Record<string, GroupSpec>;
  /** Until then (epoch ms) a group may be short by somebody else's doing: instances it has lost, or just been asked for. */
  settling: Record<string, number>;
  /** Broken capacity rules, in words. */
  violations: string[];
  /** As they were at first. */
  limits: Record<string, { min: number; max: number }>;
  lowest: Record<string, number>;
  highest: Record<string, number>;
  calls: string[];
  /** Told of each call of AWS when it has been carried out and nobody has heard of it yet. */
  called: ((operation: string) => void) | null;
  /** What services outside the account know, as plain data: by what they were asked, since when (epoch ms). */
  remembered: Record<string, number>;
  snapshot(): Record<string, unknown>;
  /** Prints the journal, for a person who looks into a failure. */
  show(): void;
}

export interface GroupOptions {
  desired: number;
  min?: number;
  max?: number;
  zones?: number;
  load_balanced?: boolean;
}

/** Answers at the private address of every instance of the account, as its software works. */
const httpInto =
  (simulator: Simulator): Http =>
  async ({ url }) => {
    simulator.advance();
    const { instances } = simulator.world;
    const { hostname } = new URL(url);
    const instance = Object.values(instances).find(({ privateAddress }) => privateAddress === hostname);
    if (instance?.state !== 'running') throw new NoAnswer('no answer within 5 s');
    return probe(simulator.world, instance);
  };

export function fleetOf(
  groups: Record<string, GroupOptions>,
  options: { specs?: Record<string, Partial<GroupSpec>>; simulator?: object } = {},
): Fleet {
  const names = Object.keys(groups);
  const config = configSchema.parse({
    version: 1,
    image: { name: 'base' },
    fleet: {
      staging: { waves: [{ name: 'staging', groups: [names[0]] }] },
      production: { waves: [{ name: 'all', groups: names }] },
    },
    simulator: { groups, boot: '30s', warm_up: '20s', drain: '15s', terminate: '10s', ...options.simulator },
  });
  const clock = virtualClock();
  const violations: string[] = [];
  const wanted = Object.fromEntries(names.map((name) => [name, groups[name]!.desired]));
  const specs = Object.fromEntries(
    names.map((name) => [name, { ...defaultSpec(name), ...options.specs?.[name] }]),
  );
  const lowest = { ...wanted };
  const highest = { ...wanted };
  const settling: Record<string, number> = {};
  const calls: string[] = [];
  const simulator = createSimulator({
    world: worldFrom(config)(null, clock.now()),
    clock,
    observe: (world) => watch(world),
  });
  const { world } = simulator;

  function watch(now: World): void {
    for (const name of names) {
      const group = now.groups[name]!;
      const want = wanted[name]!;
      const { surge, unavailable } = specs[name]!;
      const healthy = servingIn(now, group).length;
      const total = Object.values(group.members).filter(staying).length;
      lowest[name] = Math.min(lowest[name]!, healthy);
      highest[name] = Math.max(highest[name]!, total);
      if (clock.now() < (settling[name] ?? 0)) continue;
      if (total > want + surgeOf(surge, want)) violations.push(`${name}: ${total} instances, ${want} wanted`);
      if (healthy < want - unavailableOf(unavailable, want)) {
        violations.push(`${name}: ${healthy} serving, ${want} wanted`);
      }
    }
  }

  const limits = Object.fromEntries(
    names.map((name) => [name, { min: world.groups[name]!.min, max: world.groups[name]!.max }]),
  );
  const cloud = createAwsCloud({
    provider: 'simulator',
    region: config.region,
    endpoint: 'http://127.0.0.1',
    inProcess: {
      clock,
      account: {
        call(service, operation, input) {
          calls.push(operation);
          const answer = simulator.call(service, operation, input);
          watch(world);
          fleet.called?.(operation);
          return answer;
        },
      },
    },
  });
  const journal = createMemoryJournal('r-1', clock);
  const deps = {
    cloud,
    http: httpInto(simulator),
    runCommand,
    journal,
    clock,
    progress: silent,
    signal: new AbortController().signal,
  };
  const fleet: Fleet = {
    clock,
    simulator,
    world,
    cloud,
    journal,
    deps,
    wanted,
    settling,
    specs,
    violations,
    limits,
    lowest,
    highest,
    calls,
    called: null,
    remembered: {},
    snapshot: () => Object.fromEntries(names.map((name) => [name, settings(world.groups[name]!)])),
    show() {
      for (const { at, type, data } of fleet.journal.records()) console.log(at, type, JSON.stringify(data));
    },
  };
  return fleet;
}

export const defaultSpec = (group: string): GroupSpec => ({
  group,
  environment: 'production',
  wave: 'all',
  strategy: { type: 'rolling' },
  surge: { instances: 1 },
  unavailable: { instances: 0 },
  gates: [{ type: 'in-service' }, { type: 'status-checks' }, { type: 'target-health' }],
  passes: 3,
  gateDeadlineMs: 180_000,
  drain: [{ type: 'target-group', deadlineMs: 300_000, on_deadline: 'fail' }],
  soakMs: 60_000,
  deadlineMs: 7_200_000,
});

export const waveOf = (fleet: Fleet): WaveSpec => ({
  environment: 'production',
  name: 'all',
  groups: Object.values(fleet.specs),
});

/** Registers the image to roll to. */
export async function newImage(fleet: Fleet): Promise<{ id: string; name: string }> {
  const name = 'base-2';
  const id = await fleet.cloud.registerImage({ name, description: 'the next one', tags: {} });
  await fleet.clock.sleep(5_000);
  fleet.simulator.advance();
  return { id, name };
}

export const staying = counts;

/** What a rollback must restore exactly, whatever instances there are now. */
const settings = (group: Group): unknown => ({
  desired: group.desired,
  min: group.min,
  max: group.max,
  version: group.template!.version,
  suspended: Object.keys(group.suspended),
  tags: group.tags,
  versions: Object.values(group.members)
    .filter(staying)
    .map((member) => member.template!.version)
    .sort(),
});

/** What `before` looks like after a rollout to `version`, and nothing else changed but `changes`. */
export const promotedFrom = (
  before: Record<string, unknown>,
  changes: Record<string, object> = {},
  version = '2',
): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(before).map(([name, group]) => {
      const after = { ...(group as { desired: number }), ...changes[name], version };
      return [name, { ...after, versions: Array.from({ length: after.desired }, () => version) }];
    }),
  );

export const versionsOf = (fleet: Fleet, group: string): string[] =>
  Object.values(fleet.world.groups[group]!.members)
    .filter(staying)
    .map((member) => member.template!.version)
    .sort();

/** What the journal holds of one type, oldest first. */
export const recordsOf = <T extends EntryType>(fleet: Fleet, type: T): EntryOf<T>['data'][] =>
  fleet.journal
    .records()
    .flatMap((record) => (record.type === type ? [record.data as EntryOf<T>['data']] : []));

export const rolledBack = (fleet: Fleet) =>
  rollbackGroups(fleet.deps, {
    groups: Object.values(fleet.specs),
    reason: 'the test says so',
    actor: 'test',
  });

/** Work behind a termination hook, ended by a service. */
export const handover = (
  on_deadline: 'fail' | 'skip' | 'force' = 'fail',
): NonNullable<GroupSpec['handover']> => ({
  hook: 'drover',
  until: {
    type: 'http-hook',
    name: 'jobs',
    url: 'http://jobs.example/',
    timeoutMs: 5_000,
    deadlineMs: 600_000,
    on_deadline,
  },
});
