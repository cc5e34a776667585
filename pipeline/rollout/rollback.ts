/**
 * Puts groups back to the launch template version they had before the release, with the same loop, gates and drains
 * that moved them: production first, all its groups at once. Resumable like a rollout, from the journal and from
 * what is there. A group that cannot be put back does not keep the others from it.
 *
 * A group that followed $Latest or $Default follows it again if that still means the version it had; else (once the
 * release has made a version, $Latest means that) it stays pinned, and the outcome says so.
 */
import type { GroupObservation } from '../cloud/cloud.ts';
import { Stuck } from '../errors.ts';
import type { JournalRecord } from '../journal/records.ts';
import type { Progress } from '../report/progress.ts';
import { baselineOf, journaledBaseline } from './baseline.ts';
import { freshMemory } from './decision/owed.ts';
import { drive, type RolloutDeps } from './drive.ts';
import { withSteps } from './group-steps.ts';
import type { Ending, Track } from './lane.ts';
import { patientlyObserved } from './patience.ts';
import { recalled } from './recall.ts';
import { remainderOf } from './remainder.ts';
import type { GroupSpec } from './spec.ts';
import type { Assignment } from './state.ts';
import { followedIn, refuseForeign } from './tags.ts';
import { journaledVersion } from './versions.ts';
import { followedAgain, obstacleOf } from './way-back.ts';

export interface RollbackOutcome {
  outcome: 'rolled-back';
  groups: string[];
  /** One sentence per group that is not in every respect as it was. */
  exceptions: string[];
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
  if (names.length === 0) return { outcome: 'rolled-back', groups: [], exceptions: [] };
  for (const group of await patientlyObserved(deps, names)) refuseForeign(group, journal.release);
  if (!isUnderWay(journal.records())) {
    const { reason, actor } = request;
    await journal.append({ type: 'rollback.started', data: { groups: names, reason, actor } });
  }
  const endings: Returned[] = [];
  for (const environment of ['production', 'staging'] as const) {
    const specs = touched.filter((spec) => spec.environment === environment);
    if (specs.length > 0) endings.push(...(await returned(deps, specs)));
  }
  const stuck = endings.filter(({ status }) => status === 'failed');
  const exceptions = endings.flatMap(({ group, exception }) => (exception ? [`${group}: ${exception}`] : []));
  const reason =
    stuck.length > 0
      ? stuck.map((ending) => `${ending.group}: ${ending.reason}`).join('; ')
      : [`${names.join(', ')} back on the previous version`, ...exceptions].join('; ');
  const outcome = stuck.length > 0 ? 'stuck' : 'rolled-back';
  await journal.append({ type: 'rollback.finished', data: { outcome, reason } });
  if (outcome === 'rolled-back') return { outcome, groups: names, exceptions };
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

interface Returned extends Ending {
  /** In what it is not as it was, although it is back; null when in nothing. */
  exception: string | null;
}

/** The groups of one environment, all at once. One that cannot go back is left as it is. */
async function returned(deps: RolloutDeps, specs: readonly GroupSpec[]): Promise<Returned[]> {
  const { cloud, journal, progress } = deps;
  const names = specs.map(({ group }) => group);
  const observed = new Map((await patientlyObserved(deps, names)).map((group) => [group.name, group]));
  return await withSteps(progress, names, async (steps) => {
    const endings: Returned[] = [];
    const onEnding = async (track: Track, ending: Ending): Promise<void> => {
      const isBack = ending.status === 'finished';
      const exception = isBack && ending.after ? exceptionOf(track.assignment, ending.after) : null;
      endings.push({ ...ending, exception });
      steps[names.indexOf(ending.group)]!.close(isBack ? undefined : new Error(ending.reason));
      const back = exception
        ? `back on the previous version; ${exception}`
        : 'every instance is back on the previous version';
      await journal.append({
        type: 'group.finished',
        data: {
          group: ending.group,
          outcome: isBack ? 'rolled-back' : 'stuck',
          reason: isBack ? back : ending.reason,
          after: ending.after && (await baselineOf(cloud, ending.after)),
        },
      });
    };
    const tracks: Track[] = [];
    for (const [index, spec] of specs.entries()) {
      const track = await trackOf(deps, spec, steps[index]!.progress);
      const after = observed.get(spec.group);
      const reason = after && (await obstacleOf(cloud, track.assignment, after));
      if (reason) await onEnding(track, { group: spec.group, status: 'failed', reason, after });
      else tracks.push(track);
    }
    const trackFor = new Map(tracks.map((track) => [track.assignment.spec.group, track]));
    await drive(deps, tracks, {
      together: false,
      onEnding: (ending) => onEnding(trackFor.get(ending.group)!, ending),
    });
    return endings;
  });
}

/** In what a group that is back is not as it was. */
function exceptionOf(assignment: Assignment, after: GroupObservation): string | null {
  const { templateVersion, resolvedVersion } = assignment.baseline;
  const isPinned = followedIn({ templateVersion }) !== null && after.template?.version !== templateVersion;
  const parts = [
    remainderOf(assignment, after),
    isPinned && `pinned to version ${resolvedVersion}, because ${templateVersion} means another one now`,
  ].filter((part) => typeof part === 'string');
  return parts.length > 0 ? parts.join('; ') : null;
}

async function trackOf(
  { cloud, journal, clock }: RolloutDeps,
  spec: GroupSpec,
  progress: Progress,
): Promise<Track> {
  const records = journal.records();
  const baseline = journaledBaseline(records, spec.group)!;
  const abandoned = journaledVersion(records, spec.group);
  const assignment: Assignment = {
    release: journal.release,
    spec,
    baseline,
    goal: {
      kind: 'return',
      version: baseline.resolvedVersion,
      abandoned,
      follows: await followedAgain(cloud, baseline),
    },
  };
  const memory = recalled(records, spec.group, freshMemory(baseline.desired, clock.now()));
  return { assignment, memory, progress };
}
