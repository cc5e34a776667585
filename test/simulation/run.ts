/**
 * One scenario from beginning to end: the real engine in virtual time against the simulator, through as many lives
 * as it takes. Judges safety throughout, and at the end that there was one: promoted, rolled back, or stuck with a
 * reason, with nothing of the engine left behind.
 */
import { createAwsCloud } from '../../pipeline/cloud/aws/cloud.ts';
import { Interrupted, Stuck } from '../../pipeline/errors.ts';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import type { Journal } from '../../pipeline/journal/records.ts';
import { silent } from '../../pipeline/report/progress.ts';
import { type RolloutDeps, runWave } from '../../pipeline/rollout/engine.ts';
import { rollbackGroups } from '../../pipeline/rollout/rollback.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { createSimulator } from '../../pipeline/simulator/simulator.ts';
import { virtualClock } from '../../pipeline/simulator/virtual-clock.ts';
import { rolloutDeadlineMs, wavesOf, worldOf } from './account.ts';
import { type DeathPoint, Killed, mortal } from './death.ts';
import { judgeEnd, settingsOf } from './ending.ts';
import { createSafety } from './safety.ts';
import type { Death, Scenario } from './scenario.ts';
import { blurred, meddle, stormy } from './weather.ts';

export interface Run {
  outcome: 'promoted' | 'rolled back' | 'stuck' | 'overdue' | 'crashed';
  /** Why it was not promoted. */
  reason: string;
  /** Broken rules, in words; empty when all is well. */
  violations: string[];
  /** Virtual time from beginning to end. */
  tookMs: number;
  transcript: string[];
}

/** No gate or drain of a scenario asks by HTTP. */
const noHttp: RolloutDeps['http'] = async ({ url }) => {
  throw new TypeError(`nobody answers at ${url}`);
};

/** After the end, for what Auto Scaling still does by itself. */
const settleMs = 600_000;

export async function run(scenario: Scenario): Promise<Run> {
  const clock = virtualClock();
  const startedAt = clock.now();
  const transcript: string[] = [];
  const note = (line: string): void => {
    transcript.push(`${((clock.now() - startedAt) / 1000).toFixed(1).padStart(8)} s  ${line}`);
  };
  let look = (): void => {};
  const simulator = createSimulator({
    world: worldOf(scenario, startedAt),
    clock,
    observe: () => look(),
  });
  const { world } = simulator;
  const waves = wavesOf(scenario);
  const groups = waves.flatMap((wave) => wave.groups);
  const safety = createSafety(world, groups, note);
  look = safety.look;
  const real = createAwsCloud({
    provider: 'simulator',
    region: world.region,
    endpoint: 'http://127.0.0.1',
    inProcess: { clock, account: simulator },
  });
  const fault = behaviours[scenario.image];
  if (fault) injectFault(world, fault);
  const image = await nextImage(real);
  await clock.sleep(5_000);
  simulator.advance();
  const before = settingsOf(world);

  const journal = noted(createMemoryJournal('r-1', clock), note);
  const blurry = blurred(real, scenario.staleness, clock, safety.observedAt);
  const cloud = stormy(safety.watched(blurry, journal, simulator.advance), scenario, note);
  const base = {
    cloud,
    http: noHttp,
    journal,
    clock,
    progress: silent,
    signal: new AbortController().signal,
  };
  const over = new AbortController();
  const meddling = meddle(
    world,
    simulator.advance,
    { clock, safety, signal: over.signal, note },
    scenario.happenings,
  ).catch((error: unknown) => {
    if (!over.signal.aborted) throw error;
  });

  const lives = scenario.deaths.length + 1;
  const limitMs = lives * (waves.length + 1) * 2 * rolloutDeadlineMs;
  const overdue = clock.sleep(limitMs, over.signal).then(
    () => ({ outcome: 'overdue' as const, reason: `nothing ended within ${limitMs / 1000} s` }),
    () => ({ outcome: 'overdue' as const, reason: '' }),
  );
  const lived = through(base, scenario, waves, image, note);
  const end = await Promise.race([lived, overdue]).catch((error: unknown) => ({
    outcome: 'crashed' as const,
    reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
  }));
  const tookMs = clock.now() - startedAt;
  note(`${end.outcome}: ${end.reason}`);
  over.abort();
  await meddling;
  for (const image of Object.values(world.images)) image.state = 'available';
  await clock.sleep(settleMs);
  simulator.advance();
  const violations = [
    ...safety.violations,
    ...judgeEnd({ scenario, world, journal, groups, before, end, wanted: safety.wanted }),
  ];
  return { ...end, violations, tookMs, transcript };
}

async function nextImage(cloud: RolloutDeps['cloud']) {
  const name = 'base-2';
  return { id: await cloud.registerImage({ name, description: 'the next one', tags: {} }), name };
}

/** How the image behaves, as orders to the simulator; a good one needs none. */
const behaviours: Record<Scenario['image'], Parameters<typeof injectFault>[1] | null> = {
  good: null,
  unhealthy: { kind: 'unhealthy', imageId: 'new' },
  'never-boots': { kind: 'never-boots', imageId: 'new' },
  'turns-bad': { kind: 'unhealthy', failsAfterMs: 150_000, imageId: 'new' },
  'bad-in-a-zone': { kind: 'unhealthy', zone: 'eu-central-1b', imageId: 'new' },
};

type End = Pick<Run, 'outcome' | 'reason'>;

/** The story of a release, told again after every death, as `drover resume` tells it. */
async function through(
  base: RolloutDeps,
  { deaths, afterwards }: Scenario,
  waves: ReturnType<typeof wavesOf>,
  image: { id: string; name: string },
  note: (line: string) => void,
): Promise<End> {
  for (const death of [...deaths, null]) {
    const deps = death ? doomed(base, death) : base;
    try {
      return await story(deps, waves, image, afterwards);
    } catch (error) {
      if (error instanceof Stuck) return { outcome: 'stuck', reason: `${error.message} ${error.remedy}` };
      if (!death || !(error instanceof Killed || error instanceof Interrupted)) throw error;
      note(`the process ends: ${error.message}`);
      await base.clock.sleep(death.deadForS * 1000);
    }
  }
  throw new TypeError('the last life has no death');
}

async function story(
  deps: RolloutDeps,
  waves: ReturnType<typeof wavesOf>,
  image: { id: string; name: string },
  afterwards: Scenario['afterwards'],
): Promise<End> {
  const back = async (reason: string): Promise<End> => {
    const groups = waves.flatMap((wave) => wave.groups);
    await rollbackGroups(deps, { groups, reason, actor: 'simulation' });
    return { outcome: 'rolled back', reason };
  };
  const begun = deps.journal.records().findLast(({ type }) => type === 'rollback.started');
  if (begun?.type === 'rollback.started') return back(begun.data.reason);
  const fleet = waves.flatMap((wave) => wave.groups.map(({ group }) => group));
  for (const wave of waves) {
    const outcome = await runWave(deps, wave, image, fleet);
    if (outcome.outcome === 'failed') return back(outcome.reason);
  }
  return afterwards === 'roll back' ? back('by hand') : { outcome: 'promoted', reason: '' };
}

/** The process that will end so; a stop by hand ends it at a safe point, at the nth record or after. */
function doomed(base: RolloutDeps, { at, nth }: Death): RolloutDeps {
  if (at !== 'signal') return mortal(base, at as DeathPoint, nth).deps;
  const stop = new AbortController();
  let count = 0;
  const journal: Journal = {
    ...base.journal,
    async append(entry) {
      const record = await base.journal.append(entry);
      count += 1;
      if (count === nth) stop.abort(new Error('SIGTERM'));
      return record;
    },
  };
  return { ...base, journal, signal: stop.signal };
}

function noted(journal: Journal, note: (line: string) => void): Journal {
  return {
    ...journal,
    async append(entry) {
      const record = await journal.append(entry);
      note(`${entry.type} ${JSON.stringify(entry.data)}`);
      return record;
    },
  };
}
