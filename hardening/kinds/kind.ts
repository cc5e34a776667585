/**
 * What every kind of the catalogue is: a vocabulary of facts (name → value), how a system's files state them, and
 * what has to be written for a desired set to hold. An audit is the difference of two sets of facts; writing is a
 * function of the desired set alone, so doing it twice changes nothing.
 *
 * A kind reads files only, by the rules of the program they belong to, and never asks the running kernel: an image
 * is not running. It judges nothing: whether an image complies is for the benchmark's own content to say.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';

export type Facts = ReadonlyMap<string, string>;

/** One thing to be done to an image; `render.ts` turns them into a file tree and lists for apply.sh. */
export type Change =
  | { do: 'file'; path: string; text: string; mode?: '0644' | '0600' | '0440' | '0755' }
  | { do: 'absent'; path: string }
  | { do: 'package'; name: string; state: 'installed' | 'absent' }
  | { do: 'unit'; name: string; state: 'enabled' | 'disabled' | 'masked' }
  /** Bits beyond `mode` are taken away, none are added; `path` may end in a pattern of file names. */
  | { do: 'mode'; path: string; mode: string; owner: string; group: string }
  | { do: 'group'; name: string }
  | { do: 'shell'; name: string; shell: string }
  /** One line of fstab(5); the file is keyed by the mount point. */
  | { do: 'mount'; point: string; line: string };

export interface Kind {
  /** What may be named. */
  name: z.ZodType<string>;
  /** What may be said of it. */
  value: z.ZodType<string>;
  /** What the files below `root` say about the names of `desired`; a name they say nothing about is left out. */
  read(root: string, desired: Facts): Promise<Facts>;
  change(desired: Facts): Change[];
}

/** Names whose fact differs, in order of name. */
export const difference = (desired: Facts, actual: Facts): string[] =>
  [...desired]
    .filter(([name, value]) => actual.get(name) !== value)
    .map(([name]) => name)
    .sort();

/** First line of everything rendered, where the format has # comments. */
export const generated = '# Written by Drover when the image was built; changes belong in its catalogue.\n';

/** A file's text; '' where there is none. */
export async function textOf(root: string, path: string): Promise<string> {
  try {
    return await readFile(join(root, path), 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

/**
 * Drop-ins in the order most programs read them: by file name, whatever directory; of files with one name the
 * earlier directory's hides the others (sysctl.d(5), modprobe.d(5), systemd.unit(5)).
 */
export async function dropIns(
  root: string,
  directories: readonly string[],
  suffix: string,
): Promise<string[]> {
  const byName = new Map<string, string>();
  for (const directory of directories) {
    const names = await readdir(join(root, directory)).catch(() => [] as string[]);
    for (const name of names) {
      if (name.endsWith(suffix) && !byName.has(name)) byName.set(name, `${directory}/${name}`);
    }
  }
  return [...byName].sort(([one], [two]) => (one < two ? -1 : 1)).map(([, path]) => path);
}

/** Lines with something to say: no comments, no blank ones, trimmed. */
export const statements = (text: string, comment = /^\s*[#;]/): string[] =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '' && !comment.test(line))
    .map((line) => line.trim());

/** The facts of `all` that `desired` asks about. */
export const about = (desired: Facts, all: Facts): Facts =>
  new Map([...all].filter(([name]) => desired.has(name)));
