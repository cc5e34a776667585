/**
 * Puts groups back to the launch template version they had before the release, with the same loop, gates and drains
 * that moved them: production first, all its groups at once. Resumable like a rollout, from the journal and from
 * what is there. A group that cannot be put back does not keep the others from it.
 *
 * A group that followed $Latest or $Default stays pinned to the number that meant: $Latest would mean the image
 * just rolled back from.
 */
import { Stuck } from '../errors.ts';
import type { JournalRecord } from '../journal/records.ts';
import type { Progress } from '../report/progress.ts';
import { baselineOf, journaledBaseline } from './baseline.ts';
import { freshMemory } from './decision/owed.ts';
import { drive, type Ending, patientlyObserved, type RolloutDeps, type Track } from './drive.ts';
import { withSteps } from './group-steps.ts';
import { recalled } from './recall.ts';
import type { GroupSpec } from './spec.ts';
import type { Assignment } from './state.ts';
import { refuseForeign } from './tags.ts';
import { journaledVersion } from './versions.ts';
import { obstacleOf } from './way-back.ts';

export interface RollbackOutcome {
  outcome: 'rolled-back';
  groups: string[];
}

/**
 * Rolls back those of `groups` this release has touched (the journal has their baseline), at the pace of their specs.
 * @throws Refused 'busy' before anything is changed when one of them carries another release's marks, Stuck naming
 *   every group that is not back and the command to run next, Interrupted when the signal aborts
 */
export async function rollbackGroups(
  deps: RolloutDeps,
  request: { groups: readonly GroupSpec[]; reason: string; actor: string },
): Promise<RollbackOutcome> {
  const { journal } = deps;
  const touched = request.groups.filter(({ group }) => journaledBaseline(journal.records(), group));
  const names = touched.map(({ group }) => group);
  if (names.length === 0) return { outcome: 'rolled-back', groups: [] };
  for (const group of await patientlyObserved(deps, names)) refuseForeign(group, journal.release);
  if (!isUnderWay(journal.records())) {
    const { reason, actor } = request;
    await journal.append({ type: 'rollback.started', data: { groups: names, reason, actor } });
  }
  const endings: Ending[] = [];
  for (const environment of ['production', 'staging'] as const) {
    const specs = touched.filter((spec) => spec.environment === environment);
    if (specs.length > 0) endings.push(...(await returned(deps, specs)));
  }
  const stuck = endings.filter(({ status }) => status === 'failed');
  const reason =
    stuck.length > 0
      ? stuck.map((ending) => `${ending.group}: ${ending.reason}`).join('; ')
      : `${names.join(', ')} back on the previous version`;
  const outcome = stuck.length > 0 ? 'stuck' : 'rolled-back';
  await journal.append({ type: 'rollback.finished', data: { outcome, reason } });
  if (outcome === 'rolled-back') return { outcome, groups: names };
  throw new Stuck(
    `not every group is back on its previous version. ${reason}`,
    `Nothing more is done to ${stuck.map(({ group }) => group).join(', ')}; remove the cause, then ` +
      `\`drover rollback ${journal.release}\` goes on from there.`,
  );
}

function isUnderWay(records: readonly JournalRecord[]): boolean {
  const last = records.findLast(({ type }) => type.startsWith('rollback.'));
  return last?.type === 'rollback.started';
}

/** The groups of one environment, all at once. One that cannot go back is left as it is. */
async function returned(deps: RolloutDeps, specs: readonly GroupSpec[]): Promise<Ending[]> {
  const { cloud, journal, progress } = deps;
  const names = specs.map(({ group }) => group);
  const observed = new Map((await patientlyObserved(deps, names)).map((group) => [group.name, group]));
  return await withSteps(progress, names, async (steps) => {
    const onEnding = async (ending: Ending): Promise<void> => {
      const isBack = ending.status === 'finished';
      steps[names.indexOf(ending.group)]!.close(isBack ? undefined : new Error(ending.reason));
      await journal.append({
        type: 'group.finished',
        data: {
          group: ending.group,
          outcome: isBack ? 'rolled-back' : 'stuck',
          reason: isBack ? 'every instance is back on the previous version' : ending.reason,
          after: ending.after && (await baselineOf(cloud, ending.after)),
        },
      });
    };
    const tracks: Track[] = [];
    const blocked: Ending[] = [];
    for (const [index, spec] of specs.entries()) {
      const track = trackOf(deps, spec, steps[index]!.progress);
      const after = observed.get(spec.group);
      const reason = after && (await obstacleOf(cloud, track.assignment, after));
      if (reason) blocked.push({ group: spec.group, status: 'failed', reason, after });
      else tracks.push(track);
    }
    for (const ending of blocked) await onEnding(ending);
    return [...blocked, ...(await drive(deps, tracks, { soakMs: 0, together: false, onEnding }))];
  });
}

function trackOf({ journal, clock }: RolloutDeps, spec: GroupSpec, progress: Progress): Track {
  const records = journal.records();
  const baseline = journaledBaseline(records, spec.group)!;
  const abandoned = journaledVersion(records, spec.group);
  const assignment: Assignment = {
    release: journal.release,
    spec,
    baseline,
    goal: { kind: 'return', version: baseline.resolvedVersion, abandoned },
  };
  const memory = recalled(records, spec.group, freshMemory(baseline.desired, clock.now()));
  return { assignment, memory, progress };
}
