/**
 * How a release comes to be worked on: its journal is opened, new or existing, under leases on the groups it may touch,
 * in the account it belongs to, and while no other release is unfinished there. What is done then, in which order, and
 * what a failure means stands in release.ts.
 */
import { join } from 'node:path';
import type { Cloud } from './cloud/cloud.ts';
import type { Config } from './config/schema.ts';
import { Refused } from './errors.ts';
import { createJournal, type DirectoryJournal, openJournal } from './journal/directory.ts';
import { withLeases } from './journal/lease.ts';
import type { EntryOf } from './journal/records.ts';
import { listReleases, readRelease, releaseDirectory } from './journal/releases.ts';
import type { ReleaseState } from './journal/state.ts';
import { canonical, type JsonObject, sha256 } from './json.ts';
import { type ReleaseContext, stateOf } from './stages/context.ts';
import { droverVersion } from './version.ts';

/** Everything a release needs but its journal. */
export type Surroundings = Omit<ReleaseContext, 'journal'>;

/** A new journal, with its first record. */
export async function begin<T>(
  around: Surroundings,
  what: Pick<EntryOf<'release.opened'>['data'], 'release' | 'cloud' | 'recovery'>,
  opened: (release: string) => void,
  work: (context: ReleaseContext) => Promise<T>,
): Promise<T> {
  const { stateDirectory, clock, actor, reason, emergency } = around;
  const { release } = what;
  const directory = releaseDirectory(stateDirectory, release);
  const journal = await createJournal({ directory, release, clock });
  return await using(journal, async () => {
    const config = around.config as unknown as JsonObject;
    const configSha256 = sha256(canonical(config));
    await journal.append({
      type: 'release.opened',
      data: { ...what, droverVersion, actor, reason, emergency, config, configSha256 },
    });
    opened(release);
    return await work({ ...around, journal });
  });
}

/** Its groups may be half way. */
export const isUnfinished = ({ status }: ReleaseState): boolean =>
  ['open', 'interrupted', 'stuck'].includes(status);

/** A crashed release may have left its groups half way: nobody else moves them before it is ended. */
async function refuseUnfinished(around: Surroundings, own: string, groups: readonly string[]): Promise<void> {
  for (const { id, state } of await listReleases(around.stateDirectory)) {
    // What cannot be read still shows on the groups: the engine refuses those that carry another release's marks.
    if (!state)
      around.progress.note(`release ${id} cannot be read, so it could not be asked about its groups`);
    if (!state || id === own || !isUnfinished(state)) continue;
    const shared = state.groups.filter((g) => g.baseline && groups.includes(g.group)).map((g) => g.group);
    if (shared.length === 0) continue;
    throw new Refused(
      'busy',
      `release ${id} is unfinished on ${shared.join(', ')}`,
      state.recovery
        ? `End it first: \`drover recover ${state.recovery.group}\`.`
        : `End it first: \`drover resume ${id}\` or \`drover rollback ${id}\`.`,
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
export async function continueRelease<T>(
  around: Surroundings,
  release: string,
  groupsOf: (config: Config) => string[],
  work: (context: ReleaseContext) => Promise<T>,
): Promise<T> {
  const { stateDirectory, clock, progress } = around;
  const state = await readRelease(stateDirectory, release);
  await refuseElsewhere(around.cloud, state);
  const { config, emergency } = state;
  const recorded = { ...around, emergency, config: config as unknown as Config };
  const groups = state.recovery ? [state.recovery.group] : groupsOf(recorded.config);
  return await held(recorded, release, groups, async (surroundings) => {
    const journal = await openJournal({ directory: releaseDirectory(stateDirectory, release), clock });
    return await using(journal, async () => {
      for (const note of journal.notes) progress.note(note);
      await admitUnknown(journal);
      return await work({ ...surroundings, journal });
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

/** Works under leases on `groups`. */
export async function held<T>(
  around: Surroundings,
  release: string,
  groups: readonly string[],
  work: (around: Surroundings) => Promise<T>,
): Promise<T> {
  if (groups.length === 0) return work(around);
  const { stateDirectory, clock, signal } = around;
  const request = { directory: join(stateDirectory, 'leases'), resources: groups, owner: release, clock };
  return await withLeases(request, async (lost) => {
    await refuseUnfinished(around, release, groups);
    return await work({ ...around, signal: AbortSignal.any([signal, lost]) });
  });
}

async function using<T>(journal: DirectoryJournal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await journal.close();
  }
}
