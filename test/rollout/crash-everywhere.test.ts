/**
 * Death at every point of what is more than one rolling group: several groups at once, each strategy, work behind a
 * hook, the way back of two waves. Each time another process goes on from the journal and from what is there, and must
 * reach the same fleet with every limit held throughout. Last, processes that die again as soon as they have gone on.
 */
import { describe, expect, test } from 'vitest';
import { type RolloutDeps, runWave } from '../../pipeline/rollout/engine.ts';
import { rollbackGroups } from '../../pipeline/rollout/rollback.ts';
import type { GroupSpec, WaveSpec } from '../../pipeline/rollout/spec.ts';
import { putHook } from '../../pipeline/simulator/model/hooks.ts';
import { atEveryPoint, deadForMs, dyingDeps, Killed, type When } from './dying.ts';
import { type Fleet, fleetOf, handover, newImage, promotedFrom, waveOf } from './fleet.ts';

type Image = Awaited<ReturnType<typeof newImage>>;

interface Scenario {
  name: string;
  /** Every how many points a process dies, so that all scenarios together take seconds. */
  every: number;
  fleet(): Fleet;
  /** What comes before the work that dies. */
  before?(fleet: Fleet, image: Image): Promise<unknown>;
  work(deps: RolloutDeps, fleet: Fleet, image: Image): Promise<unknown>;
  end: 'promoted' | 'as before';
}

const quick = { boot: '4s', warm_up: '4s', drain: '4s', terminate: '4s' };
const one = (spec: Partial<GroupSpec>, desired = 2, more = {}): Fleet =>
  fleetOf(
    { web: { desired, min: desired, max: desired, ...more } },
    { specs: { web: { soakMs: 1_000, ...spec } }, simulator: quick },
  );
const two = (): Fleet =>
  fleetOf(
    { web: { desired: 2, min: 2, max: 2 }, api: { desired: 3, load_balanced: false } },
    { specs: { web: { soakMs: 1_000 }, api: { soakMs: 1_000 } }, simulator: quick },
  );
const rolled: Scenario['work'] = (deps, fleet, image) => runWave(deps, waveOf(fleet), image);

const wavesOf = (fleet: Fleet): WaveSpec[] =>
  Object.values(fleet.specs).map((spec) => ({
    environment: 'production',
    name: spec.group,
    groups: [{ ...spec, wave: spec.group }],
  }));

const refreshedFleet = (): Fleet => {
  const strategy = { type: 'instance-refresh' as const, checkpoints: [50], checkpointSoakMs: 10_000 };
  const fleet = one({ strategy, gateDeadlineMs: 60_000 }, 2, { max: 4 });
  // Else Auto Scaling would take the grace period of health checks, five minutes.
  fleet.world.groups.web!.warmUpMs = 5_000;
  return fleet;
};

const hookedFleet = (): Fleet => {
  const fleet = one({ handover: handover() });
  const heartbeatMs = 120_000;
  putHook(fleet.world.groups.web!, {
    name: 'drover',
    transition: 'terminating',
    heartbeatMs,
    defaultResult: 'ABANDON',
  });
  const askedAt = new Map<string, number>();
  fleet.deps.http = async ({ body }) => {
    const { id } = JSON.parse(body!).instance;
    const since = askedAt.get(id) ?? fleet.clock.now();
    askedAt.set(id, since);
    return { status: fleet.clock.now() - since >= 60_000 ? 200 : 202, body: '' };
  };
  return fleet;
};

const scenarios: Scenario[] = [
  { name: 'several groups in one wave', every: 3, fleet: two, work: rolled, end: 'promoted' },
  {
    name: 'a canary',
    every: 2,
    fleet: () => one({ strategy: { type: 'canary', size: { instances: 1 }, soakMs: 20_000 } }),
    work: rolled,
    end: 'promoted',
  },
  {
    name: 'an instance refresh',
    every: 1,
    fleet: refreshedFleet,
    work: rolled,
    end: 'promoted',
  },
  { name: 'work behind a hook', every: 2, fleet: hookedFleet, work: rolled, end: 'promoted' },
  {
    name: 'a group rolled in place',
    every: 2,
    fleet: () => one({ surge: { instances: 0 }, unavailable: { instances: 1 } }, 3),
    work: rolled,
    end: 'promoted',
  },
  {
    name: 'the way back of two waves',
    every: 3,
    fleet: two,
    async before(fleet, image) {
      for (const wave of wavesOf(fleet)) {
        expect(await runWave(fleet.deps, wave, image)).toEqual({ outcome: 'promoted' });
      }
    },
    work: (deps, fleet) =>
      rollbackGroups(deps, { groups: Object.values(fleet.specs), reason: 'by hand', actor: 'test' }),
    end: 'as before',
  },
];

/** Each of `deaths` is a process that dies at its nth point; then one lives. @returns whether all of them died */
async function survived(scenario: Scenario, when: When, deaths: readonly number[]): Promise<boolean> {
  const fleet = scenario.fleet();
  const image = await newImage(fleet);
  const before = fleet.snapshot();
  await scenario.before?.(fleet, image);
  const label = `death ${deaths.join(', then ')}`;
  let haveDied = true;
  for (const nth of deaths) {
    const { deps, died } = dyingDeps(fleet, when, nth);
    const end = await scenario.work(deps, fleet, image).catch((error: unknown) => error);
    haveDied = died();
    if (!haveDied) break;
    expect(end, label).toBeInstanceOf(Killed);
    await fleet.clock.sleep(deadForMs);
  }
  const end = haveDied ? await scenario.work(fleet.deps, fleet, image) : null;
  if (scenario.end === 'promoted') {
    if (end) expect(end, label).toEqual({ outcome: 'promoted' });
    expect(fleet.snapshot(), label).toEqual(promotedFrom(before, {}, versionIn(fleet)));
  } else expect(fleet.snapshot(), label).toEqual(before);
  expect(fleet.violations, label).toEqual([]);
  return haveDied;
}

/** Groups have a template each, so each gets its second version. */
const versionIn = (fleet: Fleet): string => {
  const versions = new Set(Object.values(fleet.world.templates).map(({ latestVersion }) => latestVersion));
  expect([...versions]).toEqual([2]);
  return '2';
};

describe.each<When>(['after the call', 'after the record'])('a process that dies %s', (when) => {
  test.each(scenarios)('in $name is replaced by one that brings it to the same end', async (scenario) => {
    const deaths = await atEveryPoint((nth) => survived(scenario, when, [nth]), scenario.every);
    expect(deaths).toBeGreaterThan(4);
  });
});

test('a process that dies anywhere, and whose successor dies soon after, is replaced by one that ends it', async () => {
  const deaths = await atEveryPoint(async (nth) => {
    let haveDied = true;
    for (const second of [1, 2, 3]) {
      haveDied &&= await survived(scenarios[0]!, 'after the record', [nth, second]);
    }
    return haveDied;
  }, 7);
  expect(deaths).toBeGreaterThan(8);
});
