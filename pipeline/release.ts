/**
 * One release from its first record to its last: opens it, takes its stages in order, undoes it when a rollout
 * fails, closes it, and has the evidence exported whatever the end was. The stages know nothing of each other;
 * their order stands here and only here.
 */
import { join } from 'node:path';
import { type Cloud, CloudError } from './cloud/cloud.ts';
import type { Config } from './config/schema.ts';
import { DroverError, Failed, Interrupted, Refused, reasonOf, Stuck } from './errors.ts';
import { fleetGroups } from './fleet/waves.ts';
import { createJournal, type DirectoryJournal, openJournal } from './journal/directory.ts';
import { withLeases } from './journal/lease.ts';
import type { StageName } from './journal/records.ts';
import { listReleases, newReleaseId, readRelease, releaseDirectory } from './journal/releases.ts';
import type { ReleaseState } from './journal/state.ts';
import { canonical, type JsonObject, sha256 } from './json.ts';
import { bake } from './stages/bake.ts';
import { build } from './stages/build.ts';
import { type ReleaseContext, stateOf } from './stages/context.ts';
import { evidence } from './stages/evidence.ts';
import { resolve } from './stages/resolve.ts';
import { rollback, rolledBack, touchedGroups } from './stages/rollback.ts';
import { rollout } from './stages/rollout.ts';
import { acceptPolicy, scan } from './stages/scan.ts';
import { droverVersion } from './version.ts';

/** The way of every release. Evidence comes after the close, so that the bundle holds the end of the story. */
const sequence = { resolve, build, scan, bake, rollout } as const;
export type ForwardStage = keyof typeof sequence;
const order = Object.keys(sequence) as ForwardStage[];

/** Everything a release needs but its journal. */
export type Surroundings = Omit<ReleaseContext, 'journal'>;

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
  await held(around, release, through, async (surroundings) => {
    const journal = await createJournal({
      directory: releaseDirectory(around.stateDirectory, release),
      release,
      clock: around.clock,
    });
    await using(journal, async () => {
      const config = around.config as unknown as JsonObject;
      await journal.append({
        type: 'release.opened',
        data: {
          release,
          droverVersion,
          actor: around.actor,
          reason: around.reason,
          emergency: around.emergency,
          cloud,
          config,
          configSha256: sha256(canonical(config)),
        },
      });
      opened(release);
      await advance({ ...surroundings, journal }, through);
    });
  });
}

/** Goes on with a release that was killed, interrupted, or stopped after a single stage. */
export async function resumeRelease(around: Surroundings, release: string): Promise<void> {
  await continueRelease(around, release, 'rollout', async (context) => {
    refuseEnded(context);
    await context.journal.append({
      type: 'release.resumed',
      data: { actor: context.actor, reason: context.reason },
    });
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
  await continueRelease(around, release, stage, async (context) => {
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
    await guarded(context, () => sequence[stage](context));
    if (stage === 'rollout') await close(context, 'promoted', promotedReason(context));
  });
}

/** Records that the actor accepts a policy's failure on this release's image; the next scan takes it into account. */
export async function overridePolicy(around: Surroundings, release: string, policy: string): Promise<void> {
  await continueRelease(around, release, 'scan', async (context) => {
    if (!failedUntouched(context)) refuseEnded(context);
    await acceptPolicy(context, policy);
  });
}

/** Puts every group of a release back, also after it was promoted. */
export async function rollbackRelease(around: Surroundings, release: string): Promise<void> {
  await continueRelease(around, release, 'rollout', (context) => undo(context, context.reason));
}

async function advance(context: ReleaseContext, through: ForwardStage): Promise<void> {
  await guarded(context, async () => {
    for (const stage of order.slice(0, order.indexOf(through) + 1)) {
      if (statusOf(context, stage) !== 'passed') await sequence[stage](context);
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
      await undo(context, reason);
      throw rolledBack(release, reason);
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

async function undo(context: ReleaseContext, reason: string): Promise<void> {
  try {
    await rollback(context, reason);
  } catch (error) {
    if (context.signal.aborted || error instanceof Interrupted) throw await interrupted(context, error);
    if (error instanceof Stuck) await close(context, 'stuck', reasonOf(error));
    throw error;
  }
  await close(context, 'rolled-back', reason);
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

/** A crashed release may have left its groups half way: nobody else moves them before it is ended. */
async function refuseUnfinished(around: Surroundings, own: string): Promise<void> {
  const groups = new Set(fleetGroups(around.config));
  for (const { id, state } of await listReleases(around.stateDirectory)) {
    // What cannot be read still shows on the groups: the engine refuses those that carry another release's marks.
    if (!state)
      around.progress.note(`release ${id} cannot be read, so it could not be asked about its groups`);
    if (!state || id === own || !['open', 'interrupted', 'stuck'].includes(state.status)) continue;
    const shared = state.groups.filter((g) => g.baseline && groups.has(g.group)).map((g) => g.group);
    if (shared.length === 0) continue;
    throw new Refused(
      'busy',
      `release ${id} is unfinished on ${shared.join(', ')}`,
      `End it first: \`drover resume ${id}\` or \`drover rollback ${id}\`.`,
    );
  }
}

/**
 * A group's name means another group in another account or region, and the journal says nothing about that one.
 * @throws Refused 'environment' when the credentials lead elsewhere than those the release was opened with
 */
async function refuseElsewhere(cloud: Cloud, { id, cloud: opened }: ReleaseState): Promise<void> {
  const here = await cloud.identify();
  const isSame = (['provider', 'region', 'account'] as const).every(
    (property) => opened[property] === undefined || opened[property] === here[property],
  );
  if (isSame) return;
  const place = ({ provider, region, account }: ReleaseState['cloud']): string =>
    `${provider}, ${account ? `account ${account}, ` : ''}${region}`;
  throw new Refused(
    'environment',
    `release ${id} belongs to ${place(opened)}; these credentials lead to ${place(here)}`,
    `Nothing was changed. Sign in to ${opened.account ? `account ${opened.account}` : 'the account it was opened in'} (AWS_PROFILE, AWS_ACCESS_KEY_ID or OIDC), then repeat the command.`,
  );
}

/** Opens the journal of an existing release and works on it with the configuration it was opened with. */
async function continueRelease(
  around: Surroundings,
  release: string,
  through: ForwardStage,
  work: (context: ReleaseContext) => Promise<void>,
): Promise<void> {
  const { stateDirectory, clock, progress } = around;
  const state = await readRelease(stateDirectory, release);
  await refuseElsewhere(around.cloud, state);
  const { config, emergency } = state;
  const recorded = { ...around, emergency, config: config as unknown as Config };
  await held(recorded, release, through, async (surroundings) => {
    const journal = await openJournal({ directory: releaseDirectory(stateDirectory, release), clock });
    await using(journal, async () => {
      for (const note of journal.notes) progress.note(note);
      await admitUnknown(journal);
      await work({ ...surroundings, journal });
    });
  });
}

/**
 * Calls that a dead process left without an outcome: nobody is writing but us, so none is coming. The engine looks
 * whether they were carried out, or repeats what is idempotent.
 */
async function admitUnknown(journal: DirectoryJournal): Promise<void> {
  for (const { key } of stateOf({ journal }).unfinished) {
    const error = 'the process ended before the outcome was recorded';
    await journal.append({ type: 'outcome', data: { key, status: 'unknown', result: null, error } });
  }
}

/** Stages that touch groups run under leases on the whole fleet; building and scanning an image needs none. */
async function held(
  around: Surroundings,
  release: string,
  through: ForwardStage,
  work: (around: Surroundings) => Promise<void>,
): Promise<void> {
  if (order.indexOf(through) < order.indexOf('bake')) return work(around);
  const { stateDirectory, clock, signal } = around;
  const resources = fleetGroups(around.config);
  const request = { directory: join(stateDirectory, 'leases'), resources, owner: release, clock };
  await withLeases(request, async (lost) => {
    await refuseUnfinished(around, release);
    await work({ ...around, signal: AbortSignal.any([signal, lost]) });
  });
}

async function using(journal: DirectoryJournal, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } finally {
    await journal.close();
  }
}
