/**
 * The rollout that production runs, run on a simulated copy of the fleet in virtual time: wave after wave, and back when
 * one fails. It is given what was read from the account and reaches nothing but the copy.
 */
import { DroverError, reasonOf } from '../errors.ts';
import { createMemoryJournal } from '../journal/memory.ts';
import { silent } from '../report/progress.ts';
import { type RolloutDeps, runWave } from '../rollout/engine.ts';
import type { GroupSurvey } from '../rollout/preflight.ts';
import { rollbackGroups } from '../rollout/rollback.ts';
import type { GroupSpec, WaveSpec } from '../rollout/spec.ts';
import type { FaultOrder } from '../simulator/model/fault.ts';
import type { World } from '../simulator/model/state.ts';
import { type Capacity, copyAccount } from './copied-account.ts';

export interface RehearsedGroup extends Capacity {
  /** Changes the engine made to the group and its instances, each with its intent in the journal. */
  changes: number;
}

export interface RehearsedWave {
  environment: string;
  wave: string;
  outcome: 'promoted' | 'failed' | 'not reached';
  /** Why it failed; null when it did not. */
  reason: string | null;
  durationMs: number;
  groups: RehearsedGroup[];
}

export interface Rehearsal {
  outcome: 'promoted' | 'rolled back' | 'stuck';
  /** Why it did not end promoted. */
  reason: string | null;
  durationMs: number;
  waves: RehearsedWave[];
  calls: { changing: number; reading: number };
  /** What the times rest on that was not measured. */
  assumed: { group: string; text: string }[];
}

/** The copy's instances answer nobody; gates and drains that would ask are left out. */
const unanswered = async (): Promise<never> => {
  throw new Error('a rehearsal asks nobody');
};

/** Gates and drains the copy can answer; the others belong to systems that must not hear of a rehearsal. */
const rehearsedGates: ReadonlySet<string> = new Set(['in-service', 'status-checks', 'target-health']);
const rehearsedDrains: ReadonlySet<string> = new Set(['target-group']);

export async function rehearse(
  surveys: readonly GroupSurvey[],
  waves: readonly WaveSpec[],
  options: {
    region: string;
    nowMs: number;
    faults: readonly FaultOrder[];
    imageId?: string | undefined;
    signal: AbortSignal;
  },
): Promise<Rehearsal> {
  const { cloud, clock, world, calls, capacityOf } = copyAccount(surveys, options);
  const deps: RolloutDeps = {
    cloud,
    clock,
    signal: options.signal,
    journal: createMemoryJournal('rehearsal', clock),
    progress: silent,
    http: unanswered,
    runCommand: unanswered,
  };
  const image = await imageIn(deps, world, options.imageId);
  Object.assign(calls, { changing: 0, reading: 0 });

  const startedAt = clock.now();
  const rehearsed: RehearsedWave[] = [];
  const touched: GroupSpec[] = [];
  let reason: string | null = null;
  let outcome: Rehearsal['outcome'] = 'promoted';
  for (const wave of waves.map(rehearsable)) {
    const beganAt = clock.now();
    const failure: string | null = reason === null ? await failureOf(() => rolled(deps, wave, image)) : null;
    if (reason === null) touched.push(...wave.groups);
    rehearsed.push({
      environment: wave.environment,
      wave: wave.name,
      outcome: failure !== null ? 'failed' : reason === null ? 'promoted' : 'not reached',
      reason: failure,
      durationMs: clock.now() - beganAt,
      groups: [],
    });
    reason ??= failure;
  }
  if (reason !== null) {
    const request = { groups: touched, reason, actor: 'rehearsal' };
    const failure = await failureOf(async () => void (await rollbackGroups(deps, request)));
    outcome = failure === null ? 'rolled back' : 'stuck';
    if (failure !== null) reason = `${reason}; then ${failure}`;
  }
  const changes = changesOf(deps);
  for (const [index, wave] of rehearsed.entries()) {
    wave.groups = waves[index]!.groups.map(({ group }) => ({
      ...capacityOf(group),
      changes: changes.get(group) ?? 0,
    }));
  }
  return {
    outcome,
    reason,
    durationMs: clock.now() - startedAt,
    waves: rehearsed,
    calls,
    assumed: surveys.flatMap(({ group, pacing }) => pacing.assumed.map((text) => ({ group, text }))),
  };
}

async function rolled(deps: RolloutDeps, wave: WaveSpec, image: { id: string; name: string }): Promise<void> {
  const outcome = await runWave(deps, wave, image);
  if (outcome.outcome === 'failed') throw new RehearsedFailure(outcome.reason);
}

class RehearsedFailure extends Error {}

/** Why the work did not succeed, in the engine's words; anything that is not its verdict is thrown on. */
async function failureOf(work: () => Promise<void>): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (error instanceof RehearsedFailure || (error instanceof DroverError && error.kind !== 'interrupted')) {
      return reasonOf(error);
    }
    throw error;
  }
}

/** An image of the copy: the one it runs already, or a new one that stands for one not built yet. */
async function imageIn(
  { cloud, clock }: RolloutDeps,
  world: World,
  imageId: string | undefined,
): Promise<{ id: string; name: string }> {
  const name = 'the new image';
  if (imageId !== undefined && world.images[imageId]) return { id: imageId, name };
  const id = await cloud.registerImage({ name, description: 'stands for the image to come', tags: {} });
  await clock.sleep(2 * world.timing.imageMs);
  return { id, name };
}

function rehearsable(wave: WaveSpec): WaveSpec {
  const groups = wave.groups.map((spec) => {
    const gates = spec.gates.filter(({ type }) => rehearsedGates.has(type));
    return {
      ...spec,
      gates: gates.length > 0 ? gates : [{ type: 'in-service' as const }],
      drain: spec.drain.filter(({ type }) => rehearsedDrains.has(type)),
    };
  });
  return { ...wave, groups };
}

function changesOf({ journal }: RolloutDeps): Map<string, number> {
  const counts = new Map<string, number>();
  for (const record of journal.records()) {
    if (record.type !== 'intent') continue;
    counts.set(record.data.group, (counts.get(record.data.group) ?? 0) + 1);
  }
  return counts;
}
