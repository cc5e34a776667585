/**
 * Rolls one wave: prepares a template version per group, drives all groups onto it at once, soaks, and records how
 * it ended. A wave that fails is left as it is, with every group serving; rolling back is the caller's decision
 * (rollback.ts). A wave that was begun by another process is simply gone on with.
 */
import { CloudError, type GroupObservation } from '../cloud/cloud.ts';
import type { JournalRecord } from '../journal/records.ts';
import { baselineOf, missingGroup } from './baseline.ts';
import { refusalLimit } from './decision/failure.ts';
import { requireHook } from './decision/handover.ts';
import { freshMemory } from './decision/owed.ts';
import { requireDelegable, requireNoRefresh } from './decision/refresh-request.ts';
import { drive, type RolloutDeps } from './drive.ts';
import { withSteps } from './group-steps.ts';
import type { Ending } from './lane.ts';
import { firstPace, nextPace } from './pace.ts';
import { rest } from './patience.ts';
import { recalled } from './recall.ts';
import { remainderOf } from './remainder.ts';
import { requireRollable } from './rollable.ts';
import type { WaveSpec } from './spec.ts';
import type { Assignment } from './state.ts';
import { refuseForeign } from './tags.ts';
import { type PreparedGroup, preparedVersions } from './versions.ts';

export type { RolloutDeps } from './drive.ts';

export type WaveOutcome = { outcome: 'promoted' } | { outcome: 'failed'; reason: string; groups: string[] };

/**
 * @param fleet the groups of every wave of the release: those that share a template with this wave are kept off the
 *   version it gets until their own wave comes
 * @throws Refused before anything was changed, Interrupted at a safe point when the signal aborts, Stuck when a
 *   person is needed. Everything else that goes wrong is the outcome 'failed'.
 */
export async function runWave(
  deps: RolloutDeps,
  wave: WaveSpec,
  image: { id: string; name: string },
  fleet: readonly string[] = [],
): Promise<WaveOutcome> {
  const { cloud, journal } = deps;
  const known = journaledOutcome(journal.records(), wave);
  if (known) return known;
  const names = wave.groups.map(({ group }) => group);
  const groups = await cloud.observe([...new Set([...names, ...fleet])], 0);
  const observed = new Map(groups.map((group) => [group.name, group]));
  for (const spec of wave.groups) {
    const group = observed.get(spec.group);
    if (!group) throw missingGroup(spec.group, wave.environment, wave.name);
    refuseForeign(group, journal.release);
    requireRollable(group);
    requireHook(spec, group);
    requireDelegable(spec);
  }
  const { environment, name } = wave;
  if (!journal.records().some((record) => beginsWave(record, wave))) {
    const refreshes = await cloud.newestRefreshes(names);
    for (const group of names) requireNoRefresh(group, refreshes[group]);
  }

  await journal.append({
    type: 'wave.started',
    data: { environment, wave: name, groups: names, imageId: image.id },
  });
  const outcome = await rolled(deps, wave, image, observed);
  const reason =
    outcome.outcome === 'failed' ? outcome.reason : `${names.join(', ')} on ${image.name} (${image.id})`;
  await journal.append({
    type: 'wave.finished',
    data: { environment, wave: name, outcome: outcome.outcome, reason },
  });
  return outcome;
}

const beginsWave = ({ type, data }: JournalRecord, { environment, name }: WaveSpec): boolean =>
  type === 'wave.started' && data.environment === environment && data.wave === name;

/** A wave that has ended, and was not touched by a rollback since, is not begun again. */
function journaledOutcome(
  records: readonly JournalRecord[],
  { environment, name }: WaveSpec,
): WaveOutcome | null {
  for (const record of [...records].reverse()) {
    if (record.type === 'rollback.started') return null;
    if (record.type !== 'wave.finished' && record.type !== 'wave.started') continue;
    if (record.data.environment !== environment || record.data.wave !== name) continue;
    if (record.type === 'wave.started') return null;
    const { outcome, reason } = record.data;
    return outcome === 'promoted' ? { outcome } : { outcome, reason, groups: [] };
  }
  return null;
}

async function rolled(
  deps: RolloutDeps,
  wave: WaveSpec,
  image: { id: string; name: string },
  observed: Map<string, GroupObservation>,
): Promise<WaveOutcome> {
  let assignments: Assignment[];
  try {
    const prepared = await patientlyPrepared(deps, wave, image, observed);
    assignments = prepared.map(({ spec, baseline, version }) => ({
      release: deps.journal.release,
      spec,
      baseline,
      goal: { kind: 'replace', version, abandoned: null, follows: null },
    }));
  } catch (error) {
    if (!(error instanceof CloudError)) throw error;
    return { outcome: 'failed', reason: error.message, groups: wave.groups.map(({ group }) => group) };
  }
  const titles = assignments.map(({ spec }) => spec.group);
  return await withSteps(deps.progress, titles, async (steps) => {
    const now = deps.clock.now();
    const records = deps.journal.records();
    const tracks = assignments.map((assignment, index) => {
      const fresh = freshMemory(assignment.baseline.desired, now);
      const memory = recalled(records, assignment.spec.group, fresh);
      return { assignment, memory, progress: steps[index]!.progress };
    });
    const soakMs = Math.max(0, ...wave.groups.map((spec) => spec.soakMs));
    const endings = await drive(deps, tracks, { soakMs, together: true });
    const failed = endings.filter(({ status }) => status === 'failed');
    for (const { group, reason } of failed) steps[titles.indexOf(group)]!.close(new Error(reason));
    if (failed.length > 0) {
      for (const step of steps) step.close(new Error('left as it is, because the wave failed'));
      const reason = failed.map((ending) => `${ending.group}: ${ending.reason}`).join('; ');
      return { outcome: 'failed', reason, groups: failed.map(({ group }) => group) };
    }
    for (const ending of endings) {
      await recordFinish(deps, ending, assignments[titles.indexOf(ending.group)]!, image.name);
    }
    return { outcome: 'promoted' };
  });
}

/** Every step of it may be repeated, so one refusal or one lost answer does not cost the wave. */
async function patientlyPrepared(
  deps: RolloutDeps,
  ...given: [wave: WaveSpec, image: { id: string; name: string }, observed: Map<string, GroupObservation>]
): Promise<PreparedGroup[]> {
  let pace = firstPace;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await preparedVersions(deps, ...given);
    } catch (error) {
      if (!(error instanceof CloudError) || attempt === refusalLimit) throw error;
      pace = nextPace(pace);
      await rest(deps, pace, Number.POSITIVE_INFINITY);
    }
  }
}

async function recordFinish(
  { cloud, journal }: RolloutDeps,
  { group, after }: Ending,
  assignment: Assignment,
  imageName: string,
): Promise<void> {
  const { baseline, goal } = assignment;
  const { version } = goal;
  const remainder = after && remainderOf(assignment, after);
  const isUnchanged =
    baseline.templateVersion === String(version) &&
    baseline.instances.every((instance) => instance.version === version);
  await journal.append({
    type: 'group.finished',
    data: {
      group,
      outcome: isUnchanged ? 'unchanged' : 'promoted',
      reason: isUnchanged
        ? `ran ${imageName} already`
        : remainder
          ? `runs ${imageName}; ${remainder}`
          : `every instance runs ${imageName}`,
      after: after && (await baselineOf(cloud, after)),
    },
  });
}
