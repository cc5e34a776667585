/**
 * Which images are still needed, by the journals of all releases, and the deletion of the disks of those that are not.
 * Deletes disks and what a killed build left of one, nothing else: journals, scans and evidence stay, and in a cloud
 * nothing is touched. A deletion is recorded before it is done, under the lock of the release's journal.
 */
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from './clock.ts';
import { DroverError } from './errors.ts';
import { openJournal } from './journal/directory.ts';
import { foldRelease } from './journal/fold.ts';
import { type ListedRelease, listReleases } from './journal/releases.ts';
import type { ReleaseState } from './journal/state.ts';
import { errorCode, storageRefused } from './journal/storage.ts';
import { isUnfinished } from './opening.ts';

export interface Pruning {
  /** Disks, and leftovers of builds, that were deleted or would be. Bytes as the file system counts them. */
  removed: { release: string; path: string; bytes: number }[];
  /** Releases with a disk that stays, and why. */
  kept: { release: string; bytes: number; why: string }[];
  /** Images in the cloud that no group here needs any more. They stay: somebody else may launch from them. */
  unneededInCloud: { release: string; image: string }[];
}

/** @throws Refused 'environment' when a disk cannot be deleted; what was deleted before is recorded */
export async function pruneDisks(request: {
  stateDirectory: string;
  clock: Clock;
  actor: string;
  isDryRun: boolean;
}): Promise<Pruning> {
  const releases = await listReleases(request.stateDirectory);
  const needed = neededImages(releases.flatMap(({ state }) => state ?? []));
  const pruning: Pruning = { removed: [], kept: [], unneededInCloud: [] };
  for (const release of releases) {
    const { id, state, problem } = release;
    const files = await disksIn(release);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const why = problem ? 'its journal cannot be read' : reasonToKeep(state, needed);
    const image = state?.image ?? null;
    if (why === null && image && image.disk === null) {
      pruning.unneededInCloud.push({ release: id, image: image.id });
    }
    if (files.length === 0) continue;
    const held = why ?? (request.isDryRun ? null : await deleted(release, files, needed, request));
    if (held === null) pruning.removed.push(...files.map((file) => ({ release: id, ...file })));
    else pruning.kept.push({ release: id, bytes, why: held });
  }
  return pruning;
}

/**
 * Why an image is needed, by its id: a group runs it or had it before, a release on its way may want it, or it is the
 * newest, which may yet be scanned again. Pure.
 * @param states newest first
 */
export function neededImages(states: readonly ReleaseState[]): Map<string, string> {
  const needed = new Map<string, string>();
  const need = (image: string | null | undefined, why: string) => {
    if (image && !needed.has(image)) needed.set(image, why);
  };
  const settled = new Set<string>();
  for (const state of states) {
    const { id, image, groups } = state;
    const isOver = !isUnfinished(state);
    for (const { group, outcome, baseline } of groups) {
      if (!isOver) need(baseline?.imageId, `${group} had it before release ${id}, which is not over`);
      const runs = outcome === 'promoted' || outcome === 'unchanged';
      if (!isOver || !runs || settled.has(group)) continue;
      need(image?.id, `${group} runs it`);
      if (outcome === 'unchanged') continue;
      need(baseline?.imageId, `${group} had it before`);
      settled.add(group);
    }
  }
  need(states.find(({ image }) => image !== null)?.image?.id, 'it is the newest');
  return needed;
}

const reasonToKeep = (state: ReleaseState, needed: ReadonlyMap<string, string>): string | null =>
  isUnfinished(state)
    ? `the release is not over: drover resume or rollback ${state.id}`
    : ((state.image && needed.get(state.image.id)) ?? null);

type File = { path: string; bytes: number };

/** @returns why nothing was deleted after all, by what the journal says now that nobody else writes to it */
async function deleted(
  { directory }: ListedRelease,
  files: readonly File[],
  needed: ReadonlyMap<string, string>,
  { clock, actor }: { clock: Clock; actor: string },
): Promise<string | null> {
  const opened = await openJournal({ directory, clock }).catch((error: unknown) => {
    if (error instanceof DroverError && error.kind === 'busy') return error.message;
    throw error;
  });
  if (typeof opened === 'string') return opened;
  try {
    const state = foldRelease(opened.records());
    const why = reasonToKeep(state, needed);
    if (why !== null) return why;
    const disk = state.image?.disk;
    if (disk && state.diskPrunedAt === null) {
      const { path, sha256, bytes } = disk;
      await opened.append({ type: 'disk.pruned', data: { path, sha256, bytes, actor } });
    }
    for (const { path } of files) {
      await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
        throw storageRefused('delete', path, error);
      });
    }
    return null;
  } finally {
    await opened.close();
  }
}

/** The disk the journal names (or what looks like one, where it cannot be read), if it is there, and what a killed build left of one. Never outside the release. */
async function disksIn({ directory, state }: ListedRelease): Promise<File[]> {
  const room = join(directory, 'image');
  const names = await readdir(room).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw storageRefused('look for disks in', room, error);
  });
  const isDisk = (name: string) =>
    state ? join('image', name) === state.image?.disk?.path : name.endsWith('.qcow2');
  const disks = names.filter((name) => name.startsWith('.building-') || isDisk(name));
  const paths = disks.map((name) => join(room, name));
  return await Promise.all(paths.map(async (path) => ({ path, bytes: await bytesOf(path) })));
}

/** What deleting it frees: a disk in the making has holes. */
async function bytesOf(path: string): Promise<number> {
  const found = await lstat(path);
  const names = found.isDirectory() ? await readdir(path) : [];
  const inside = await Promise.all(names.map((name) => bytesOf(join(path, name))));
  return inside.reduce((sum, bytes) => sum + bytes, found.blocks * 512);
}
