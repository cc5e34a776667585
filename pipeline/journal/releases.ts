/**
 * The releases in a state directory: their ids, where each lives, and how a person's 'latest' or half an id is
 * understood. Reads only; a release whose journal is damaged is listed with its problem, never hidden.
 */
import { randomInt } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { DroverError, Refused } from '../errors.ts';
import { journalFileName, readJournal } from './directory.ts';
import { foldRelease, type ReleaseState } from './fold.ts';
import { errorCode, storageRefused } from './storage.ts';

/** Without vowels and look-alikes: no words by accident, no 1/l or 0/o over the phone. */
const suffixAlphabet = 'bcdfghjkmnpqrstvwxz23456789';

/** e.g. 'r-20261122-063412-k7wq': UTC, sorts by time; the suffix tells apart what started in one second. */
export function newReleaseId(clock: Clock): string {
  const [day = '', time = ''] = new Date(clock.now()).toISOString().split('T');
  const suffix = Array.from({ length: 4 }, () => suffixAlphabet[randomInt(suffixAlphabet.length)]).join('');
  return `r-${day.replaceAll('-', '')}-${time.slice(0, 8).replaceAll(':', '')}-${suffix}`;
}

export const releasesDirectory = (stateDirectory: string): string => join(stateDirectory, 'releases');
export const releaseDirectory = (stateDirectory: string, release: string): string =>
  join(releasesDirectory(stateDirectory), release);
export const journalFile = (stateDirectory: string, release: string): string =>
  join(releaseDirectory(stateDirectory, release), journalFileName);

export type ListedRelease =
  | { id: string; directory: string; state: ReleaseState; problem: null }
  /** The journal cannot be read; `problem` says why. */
  | { id: string; directory: string; state: null; problem: DroverError };

/** Ids of all releases, newest first; empty when there are none or no state directory yet. */
export async function releaseIds(stateDirectory: string): Promise<string[]> {
  const directory = releasesDirectory(stateDirectory);
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    const ids = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    return ids.sort().reverse();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw storageRefused('list the releases in', directory, error);
  }
}

/** Every release with its state, newest first. */
export async function listReleases(stateDirectory: string): Promise<ListedRelease[]> {
  const ids = await releaseIds(stateDirectory);
  return Promise.all(ids.map((id) => describeRelease(stateDirectory, id)));
}

async function describeRelease(stateDirectory: string, id: string): Promise<ListedRelease> {
  const directory = releaseDirectory(stateDirectory, id);
  try {
    return { id, directory, state: await readRelease(stateDirectory, id), problem: null };
  } catch (error) {
    if (error instanceof DroverError) return { id, directory, state: null, problem: error };
    throw error;
  }
}

/** The state of one release, by its exact id. Throws like readJournal. */
export async function readRelease(stateDirectory: string, release: string): Promise<ReleaseState> {
  return foldRelease(await readJournal(journalFile(stateDirectory, release)));
}

/**
 * The id a person means: an id, the unambiguous beginning or end of one, or 'latest', the newest that has begun.
 * Throws Refused 'invalid' saying what there is.
 */
export async function locateRelease(stateDirectory: string, wanted: string): Promise<string> {
  const ids = await releaseIds(stateDirectory);
  const place = releasesDirectory(stateDirectory);
  if (ids.length === 0) throw noRelease(place);
  if (wanted === 'latest') {
    for (const id of ids) if (await isBegun(stateDirectory, id)) return id;
    throw noRelease(place);
  }
  if (ids.includes(wanted)) return wanted;
  const matching = wanted === '' ? [] : ids.filter((id) => id.startsWith(wanted) || id.endsWith(wanted));
  if (matching.length === 1) return matching[0]!;
  throw matching.length > 1
    ? new Refused('invalid', `'${wanted}' could be ${matching.join(' or ')}`, 'Give the whole id.')
    : new Refused(
        'invalid',
        `there is no release '${wanted}' in ${place}`,
        `The newest: ${ids.slice(0, 3).join(', ')}. \`drover status --all\` lists all.`,
      );
}

/** False when its writer ended before the first record: then nothing was done. A damaged journal is not nothing. */
async function isBegun(stateDirectory: string, release: string): Promise<boolean> {
  try {
    return (await readJournal(journalFile(stateDirectory, release))).length > 0;
  } catch (error) {
    if (error instanceof DroverError) return true;
    throw error;
  }
}

const noRelease = (place: string): Refused =>
  new Refused('invalid', `there is no release in ${place}`, 'Start one with `drover run`.');
