/**
 * One release from its first record to its last: takes its stages in order, undoes it when a rollout fails, closes it,
 * and has the evidence exported whatever the end was. The stages know nothing of each other; their order stands here
 * and only here. How a journal is opened, and who may be kept out by it, stands in opening.ts.
 */
import { CloudError } from './cloud/cloud.ts';
import type { Config } from './config/schema.ts';
import { DroverError, Failed, Interrupted, Refused, reasonOf, Stuck } from './errors.ts';
import { fleetGroups } from './fleet/waves.ts';
import type { StageName } from './journal/records.ts';
import { listReleases, newReleaseId } from './journal/releases.ts';
import { begin, continueRelease, held, isUnfinished, type Surroundings } from './opening.ts';
import { bake } from './stages/bake.ts';
import { build } from './stages/build.ts';
import { type ReleaseContext, stateOf } from './stages/context.ts';
import { evidence } from './stages/evidence.ts';
import { examine, type RecoveryReport, recover } from './stages/recover.ts';
import { resolve } from './stages/resolve.ts';
import { rollback, rolledBack, touchedGroups } from './stages/rollback.ts';
import { rollout } from './stages/rollout.ts';
import { acceptPolicy, scan } from './stages/scan.ts';

/** The way of every release. Evidence comes after the close, so that the bundle holds the end of the story. */
const sequence = { resolve, build, scan, bake, rollout } as const;
export type ForwardStage = keyof typeof sequence;
const order = Object.keys(sequence) as ForwardStage[];

/** Stages that touch groups need the whole fleet for themselves; building and scanning an image needs none of it. */
const touchesGroups = (through: ForwardStage): boolean => order.indexOf(through) >= order.indexOf('bake');
const groupsFor =
  (through: ForwardStage) =>
  (config: Config): string[] =>
    touchesGroups(through) ? fleetGroups(config) : [];

/**
 * Opens a new release and takes it through the stages, up to and including `through`.
 * @param opened is told the release's id as soon as it has a journal
 */
export async function openRelease(
  around: Surroundings,
  through: ForwardStage,
  opened: (release: string) => void,
): Promise<void> {
  // Before anything is written: an endpoint that does not answer leaves no trace.
  const cloud = await around.cloud.identify();
  const release = newReleaseId(around.clock);
  await held(around, release, groupsFor(through)(around.config), (surroundings) =>
    begin(surroundings, { release, cloud }, opened, (context) => advance(context, through)),
  );
}

/**
 * Puts a group back from the marks a release left on it whose journal is lost; as a release of its own, so that it is
 * recorded, can be resumed and is exported like any other. Begun again it goes on, as long as the marks are there.
 * @returns null when the group carries no marks; then nothing was recorded
 * @throws Refused 'busy' when the release that set the marks is here: its journal knows more than they do
 */
export async function recoverGroup(
  around: Surroundings,
  group: string,
  opened: (release: string) => void,
): Promise<RecoveryReport | null> {
  const begun = await unfinishedRecovery(around, group);
  if (begun) {
    opened(begun);
    return await continueRelease(
      around,
      begun,
      () => [group],
      (context) => goOnRecovering(context, group),
    );
  }
  const cloud = await around.cloud.identify();
  const release = newReleaseId(around.clock);
  return await held(around, release, [group], async (surroundings) => {
    const report = await examine(surroundings, group);
    if (!report) return null;
    const recovery = { group, of: report.of };
    return await begin(surroundings, { release, cloud, recovery }, opened, (context) =>
      recoverAndClose(context, group),
    );
  });
}

/** Goes on with a release that was killed, interrupted, or stopped after a single stage. */
export async function resumeRelease(around: Surroundings, release: string): Promise<void> {
  await continueRelease(around, release, groupsFor('rollout'), async (context) => {
    const { recovery } = stateOf(context);
    if (recovery) return void (await goOnRecovering(context, recovery.group));
    refuseEnded(context);
    await takenOver(context);
    // A rollback that was cut short goes on being a rollback.
    const unended = stateOf(context).rollbacks.find((r) => r.outcome === null);
    if (unended) await undo(context, unended.reason);
    else await advance(context, 'rollout');
  });
}

/** Runs one stage of an existing release, again if it has already passed. */
export async function runSingleStage(
  around: Surroundings,
  release: string,
  stage: ForwardStage,
): Promise<void> {
  await continueRelease(around, release, groupsFor(stage), async (context) => {
    // An image that failed its scan may be scanned again, with an override; no group knows of it.
    if (!(stage === 'scan' && failedUntouched(context))) refuseEnded(context);
    const before = order[order.indexOf(stage) - 1];
    if (before && statusOf(context, before) !== 'passed') {
      throw new Refused(
        'invalid',
        `release ${release} has not passed ${before}`,
        `Run \`drover ${before} ${release}\`, or \`drover resume ${release}\` to go through all stages.`,
      );
    }
    await guarded(context, () => sequence[stage](context, { touchesGroups: touchesGroups(stage) }));
    if (stage === 'rollout') await close(context, 'promoted', promotedReason(context));
  });
}

/** Records that the actor accepts a policy's failure on this release's image; the next scan takes it into account. */
export async function overridePolicy(around: Surroundings, release: string, policy: string): Promise<void> {
  await continueRelease(around, release, groupsFor('scan'), async (context) => {
    if (!failedUntouched(context)) refuseEnded(context);
    await acceptPolicy(context, policy);
  });
}

/** Puts every group of a release back, also after it was promoted. */
export async function rollbackRelease(around: Surroundings, release: string): Promise<void> {
  await continueRelease(around, release, groupsFor('rollout'), async (context) => {
    const { recovery } = stateOf(context);
    if (!recovery) {
      await undo(context, context.reason);
      return;
    }
    throw new Refused(
      'invalid',
      `release ${release} is the recovery of ${recovery.group}: it has nothing to go back to`,
      `Go on with it by \`drover recover ${recovery.group}\`.`,
    );
  });
}

const takenOver = ({ journal, actor, reason }: ReleaseContext) =>
  journal.append({ type: 'release.resumed', data: { actor, reason } });

/** A recovery that got stuck may be tried again; one that is done may not. */
async function goOnRecovering(context: ReleaseContext, group: string): Promise<RecoveryReport | null> {
  if (!isUnfinished(stateOf(context))) refuseEnded(context);
  await takenOver(context);
  return await recoverAndClose(context, group);
}

async function recoverAndClose(context: ReleaseContext, group: string): Promise<RecoveryReport | null> {
  try {
    const report = await recover(context, group);
    await close(
      context,
      'rolled-back',
      report ? `${group} is as it was before ${report.of}` : `${group} carries no marks any more`,
    );
    return report;
  } catch (error) {
    if (context.signal.aborted || error instanceof Interrupted) throw await interrupted(context, error);
    if (error instanceof Stuck) await close(context, 'stuck', reasonOf(error));
    throw error;
  }
}

/** A recovery of this group that was cut short, or got stuck. */
async function unfinishedRecovery({ stateDirectory }: Surroundings, group: string): Promise<string | null> {
  const releases = await listReleases(stateDirectory);
  const found = releases.find(({ state }) => state?.recovery?.group === group && isUnfinished(state));
  return found?.id ?? null;
}

async function advance(context: ReleaseContext, through: ForwardStage): Promise<void> {
  await guarded(context, async () => {
    for (const stage of order.slice(0, order.indexOf(through) + 1)) {
      if (statusOf(context, stage) === 'passed') continue;
      await sequence[stage](context, { touchesGroups: touchesGroups(through) });
    }
  });
  if (through === 'rollout') await close(context, 'promoted', promotedReason(context));
}

/**
 * Decides what a failure means. Before any group was touched it ends the release; a failed gate after that undoes
 * it. What is neither (a stop by hand, an outage of the cloud, a bug) leaves it open, for `drover resume`.
 */
async function guarded(context: ReleaseContext, work: () => Promise<void>): Promise<void> {
  const { release } = context.journal;
  try {
    await work();
  } catch (error) {
    if (context.signal.aborted || error instanceof Interrupted) throw await interrupted(context, error);
    const touched = touchedGroups(context).length > 0;
    const reason = reasonOf(error);
    if (error instanceof Failed && touched) {
      throw rolledBack(release, reason, await undo(context, reason));
    }
    // Stuck on the way forward: the cause may go away, and then either command works.
    if (error instanceof Stuck) throw error;
    const isRefusal = error instanceof DroverError || error instanceof CloudError;
    if (isRefusal && !touched) await close(context, 'failed', reason);
    else if (touched) {
      throw new Stuck(
        `release ${release} stopped in the middle: ${reason}`,
        `When the cause is gone: \`drover resume ${release}\`, or \`drover rollback ${release}\`.`,
        { cause: error },
      );
    }
    throw error;
  }
}

/** @returns what is not in every respect as it was */
async function undo(context: ReleaseContext, reason: string): Promise<string[]> {
  let exceptions: string[];
  try {
    exceptions = await rollback(context, reason);
  } catch (error) {
    if (context.signal.aborted || error instanceof Interrupted) throw await interrupted(context, error);
    if (error instanceof Stuck) await close(context, 'stuck', reasonOf(error));
    throw error;
  }
  await close(context, 'rolled-back', [reason, ...exceptions].join('; '));
  return exceptions;
}

async function interrupted(context: ReleaseContext, error: unknown): Promise<Interrupted> {
  const { release } = context.journal;
  // A lost lease aborts too, and says so itself.
  const { reason } = context.signal;
  if (reason instanceof Stuck) throw reason;
  const stage = stateOf(context).stages.find((s) => s.status === 'running')?.stage ?? null;
  const signal = reason instanceof Error ? reason.message : 'SIGINT';
  await context.journal.append({ type: 'release.interrupted', data: { signal, stage } });
  return new Interrupted(
    `release ${release} stopped${stage ? ` in ${stage}` : ''}: ${reasonOf(reason ?? error)}`,
    `Go on with \`drover resume ${release}\`, or undo it with \`drover rollback ${release}\`.`,
  );
}

/** The end of a release. That its evidence could not be exported never hides how it ended. */
async function close(
  context: ReleaseContext,
  outcome: 'promoted' | 'failed' | 'rolled-back' | 'stuck',
  reason: string,
): Promise<void> {
  const { journal, progress } = context;
  await journal.append({ type: 'release.closed', data: { outcome, reason } });
  try {
    await evidence(context);
  } catch (error) {
    const loss = `the evidence was not exported: ${reasonOf(error)}`;
    const remedy = `When the cause is gone: \`drover evidence export ${journal.release}\`.`;
    progress.note(`${loss}. ${remedy}`);
    if (outcome === 'promoted') throw new Stuck(`${reason}, but ${loss}`, remedy, { cause: error });
  }
}

const promotedReason = (context: ReleaseContext) => {
  const { image, groups } = stateOf(context);
  return `${groups.length} groups run ${image?.name}`;
};

const statusOf = (context: ReleaseContext, stage: StageName) =>
  stateOf(context).stages.find((s) => s.stage === stage)?.status;

/** Forward is over once a release is closed, or was rolled back even in part. */
function refuseEnded(context: ReleaseContext): void {
  const { id, status, rollbacks } = stateOf(context);
  const isOpen = status === 'open' || status === 'interrupted';
  if (isOpen && !rollbacks.some((rollback) => rollback.outcome !== null)) return;
  throw new Refused(
    'invalid',
    `release ${id} is over: ${isOpen ? 'its rollback has begun' : status}`,
    isOpen || status === 'stuck'
      ? `End it with \`drover rollback ${id}\`.`
      : 'Start a new one with `drover run`.',
  );
}

const failedUntouched = (context: ReleaseContext): boolean =>
  stateOf(context).status === 'failed' && touchedGroups(context).length === 0;
