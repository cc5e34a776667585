/**
 * Waiting, with a bound: for the cloud while it does not answer, and between two looks. Whoever waits can be stopped.
 */
import { type Cloud, CloudError, type GroupObservation } from '../cloud/cloud.ts';
import { Interrupted, Refused, reasonOf, Stuck } from '../errors.ts';
import type { RolloutDeps } from './drive.ts';
import { delayMs, firstPace, nextPace, type Pace } from './pace.ts';

/** How long the cloud may stay silent, after the SDK's own retries, before a person is asked. */
const outageLimitMs = 10 * 60_000;

/**
 * The groups as they are, asked for again while the cloud does not answer. `since` as in Cloud.observe; of those
 * in `refreshing` also the newest instance refresh.
 * @throws Interrupted when the signal aborts, Stuck when the cloud stays silent
 */
export async function patientlyObserved(
  deps: RolloutDeps,
  names: readonly string[],
  { since = deps.clock.now(), refreshing = [] }: { since?: number; refreshing?: readonly string[] } = {},
): Promise<GroupObservation[]> {
  const { cloud, clock, journal, progress } = deps;
  const askedAt = clock.now();
  let pace: Pace = firstPace;
  for (;;) {
    try {
      return await looked(cloud, names, { since, refreshing });
    } catch (error) {
      if (!(error instanceof CloudError) && !(error instanceof Refused)) throw error;
      if (clock.now() - askedAt >= outageLimitMs) throw outOfSight(journal.release, error);
      progress.update(`cannot look: ${reasonOf(error)}`);
      pace = nextPace(pace);
      await rest(deps, pace, Number.POSITIVE_INFINITY);
    }
  }
}

async function looked(
  cloud: Pick<Cloud, 'observe' | 'newestRefreshes'>,
  names: readonly string[],
  { since, refreshing }: { since: number; refreshing: readonly string[] },
): Promise<GroupObservation[]> {
  const groups = await cloud.observe(names, since);
  if (refreshing.length === 0) return groups;
  const refreshes = await cloud.newestRefreshes(refreshing);
  return groups.map((group) => ({ ...group, refresh: refreshes[group.name] }));
}

/**
 * One look, with the newest instance refresh, for who cannot wait; null when the cloud does not answer, and when the
 * group has disappeared.
 */
export async function glanced(
  cloud: Pick<Cloud, 'observe' | 'newestRefreshes'>,
  name: string,
  since: number,
): Promise<GroupObservation | null> {
  try {
    const [group] = await looked(cloud, [name], { since, refreshing: [name] });
    return group ?? null;
  } catch (error) {
    if (error instanceof CloudError || error instanceof Refused) return null;
    throw error;
  }
}

/** Waits as long as the pace says, at most `limitMs`. @throws Interrupted when the signal aborts */
export async function rest(
  { clock, journal, signal }: RolloutDeps,
  pace: Pace,
  limitMs: number,
): Promise<void> {
  try {
    await clock.sleep(delayMs(pace, journal.release, limitMs), signal);
  } catch (error) {
    if (signal.aborted) throw interrupted(journal.release, signal);
    throw error;
  }
}

export const interrupted = (release: string, { reason }: AbortSignal): Interrupted =>
  new Interrupted(
    `release ${release} was stopped${reason instanceof Error ? ` (${reason.message})` : ''}; every group keeps serving`,
    `Go on with \`drover resume ${release}\`, or back with \`drover rollback ${release}\`.`,
  );

const outOfSight = (release: string, cause: unknown): Stuck =>
  new Stuck(
    `the cloud has not answered for ${outageLimitMs / 60_000} minutes: ${reasonOf(cause)}`,
    `When it answers again, go on with \`drover resume ${release}\`.`,
    { cause },
  );
