/** What is done with a release, told again after every death as `drover resume` tells it, and what follows it. */
import { CloudError } from '../../pipeline/cloud/cloud.ts';
import { Interrupted, Refused, Stuck } from '../../pipeline/errors.ts';
import type { Journal } from '../../pipeline/journal/records.ts';
import { type RolloutDeps, runWave } from '../../pipeline/rollout/engine.ts';
import { rollbackGroups } from '../../pipeline/rollout/rollback.ts';
import type { WaveSpec } from '../../pipeline/rollout/spec.ts';
import { type DeathPoint, Killed, mortal } from './death.ts';
import type { Death, Scenario } from './scenario.ts';

export interface End {
  outcome: 'promoted' | 'rolled back' | 'stuck' | 'refused' | 'overdue' | 'crashed';
  /** Why it was not promoted. */
  reason: string;
}

export interface Teller {
  waves: readonly WaveSpec[];
  note(line: string): void;
  /** What a process needs to work on that release. */
  depsOf(release: string): RolloutDeps;
  imageOf(release: string): Promise<{ id: string; name: string }>;
  /** A process has ended: stopped by hand, or killed. */
  ended(release: string, isStop: boolean): void;
}

/** How often a person takes up again what an outage has ended: far longer than any a scenario draws. */
const outagesAtMost = 10;
const untilTakenUpMs = 60_000;

export const releases = ['r-1', 'r-2'] as const;

/** Everything of a scenario: a release, and those after it. */
export async function through(teller: Teller, { deaths, afterwards }: Scenario): Promise<End> {
  const [first, second] = releases;
  const left = [...deaths];
  const forward = (release: string) => lived(teller, release, left, (deps) => story(deps, teller, release));
  const back = (release: string) =>
    lived(teller, release, left, (deps) => undone(deps, teller.waves, 'by hand'));
  const end = await forward(first);
  if (end.outcome !== 'promoted' || afterwards === 'nothing') return end;
  if (afterwards === 'roll back') return back(first);
  // Not before what the first has left is told everywhere.
  await teller.depsOf(second).clock.sleep(untilTakenUpMs);
  const next = await forward(second);
  if (next.outcome !== 'promoted' || afterwards === 'next') return next;
  const returned = await back(second);
  return returned.outcome === 'rolled back' && afterwards === 'next, and both back' ? back(first) : returned;
}

/** `work` in as many lives as it takes; deaths that were met are taken off the list. */
async function lived(
  teller: Teller,
  release: string,
  deaths: Death[],
  work: (deps: RolloutDeps) => Promise<End>,
): Promise<End> {
  const { depsOf, note, waves } = teller;
  const base = depsOf(release);
  let story = work;
  for (let outages = 0; ; ) {
    const [death] = deaths;
    try {
      return await story(death ? doomed(base, death) : base);
    } catch (error) {
      if (error instanceof Stuck) return { outcome: 'stuck', reason: `${error.message} ${error.remedy}` };
      if (error instanceof Refused && error.kind === 'busy')
        return { outcome: 'refused', reason: error.message };
      const isOutage =
        error instanceof CloudError || (error instanceof Refused && error.kind === 'environment');
      if (isOutage && outages < outagesAtMost) {
        outages += 1;
        note(`an outage ends the process: ${error.message}`);
        await base.clock.sleep(untilTakenUpMs);
        continue;
      }
      if (!death || !(error instanceof Killed || error instanceof Interrupted)) throw error;
      note(`the process ends: ${error.message}`);
      teller.ended(release, error instanceof Interrupted);
      deaths.shift();
      await base.clock.sleep(death.deadForS * 1000);
      if (death.next === 'roll back') story = (deps) => undone(deps, waves, begunFor(deps) ?? 'by hand');
    }
  }
}

async function story(deps: RolloutDeps, { waves, imageOf }: Teller, release: string): Promise<End> {
  const begunReason = begunFor(deps);
  if (begunReason !== null) return undone(deps, waves, begunReason);
  const image = await imageOf(release);
  const fleet = waves.flatMap((wave) => wave.groups.map(({ group }) => group));
  for (const wave of waves) {
    const outcome = await runWave(deps, wave, image, fleet);
    if (outcome.outcome === 'failed') return undone(deps, waves, outcome.reason);
  }
  return { outcome: 'promoted', reason: '' };
}

/** Why a rollback has been started; null when none has. */
function begunFor({ journal }: RolloutDeps): string | null {
  const begun = journal.records().findLast(({ type }) => type === 'rollback.started');
  return begun?.type === 'rollback.started' ? begun.data.reason : null;
}

async function undone(deps: RolloutDeps, waves: readonly WaveSpec[], reason: string): Promise<End> {
  const groups = waves.flatMap((wave) => wave.groups);
  await rollbackGroups(deps, { groups, reason, actor: 'simulation' });
  return { outcome: 'rolled back', reason };
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
