/**
 * Durable files: what is written here is on the disk, name included, before the promise resolves. Decides how
 * a storage failure is told to a person; never retries, because a full or read-only disk does not heal in a
 * retry loop.
 */
import { mkdir, open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Refused, reasonOf } from '../errors.ts';

const remedies: Record<string, string> = {
  EACCES: 'Give this user write permission there, or choose another place with --state DIR.',
  EPERM: 'Give this user write permission there, or choose another place with --state DIR.',
  EROFS: 'The file system is read-only: mount it writable, or choose another place with --state DIR.',
  ENOSPC: 'The disk is full: free some space, then run the command again.',
  EDQUOT: 'The disk quota is used up: free some space, then run the command again.',
  EFBIG: 'The file-size limit (ulimit -f) is too small: raise it, then run the command again.',
  EMFILE: 'Too many files are open: raise the limit (ulimit -n), then run the command again.',
  ENOTDIR: 'Part of that path is a file: choose another place with --state DIR.',
  ENOENT: 'Check the path, or choose another place with --state DIR.',
};

export const errorCode = (error: unknown): string | undefined =>
  (error as NodeJS.ErrnoException | undefined)?.code;

/** The refusal for a failed file operation: `doing` is a verb phrase, e.g. 'write the journal'. */
export function storageRefused(doing: string, path: string, error: unknown): Refused {
  const remedy =
    remedies[errorCode(error) ?? ''] ?? 'Check the disk and the path, then run the command again.';
  return new Refused('environment', `cannot ${doing} ${path}: ${reasonOf(error)}`, remedy, { cause: error });
}

/** Makes a directory's entries durable: a new or renamed file is only there after a crash once this resolved. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Creates a directory and its missing parents, durably. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  // Every directory that got a new entry, from the new leaf's parent up to the parent of the first new one.
  const top = dirname(resolve(first));
  for (let at = dirname(resolve(path)); ; at = dirname(at)) {
    await syncDirectory(at);
    if (at === top || at === dirname(at)) return;
  }
}

/** Writes a file that must not exist yet and makes its content (not yet its name) durable. */
export async function writeNewFile(path: string, data: string | Uint8Array, mode = 0o644): Promise<void> {
  const handle = await open(path, 'wx', mode);
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
