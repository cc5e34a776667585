/**
 * The distribution's package indexes as they are now, for a package state of our choosing: an image's, to see
 * what it misses, or an empty one, to see what a program needs. Never touches this machine's own apt state and
 * never trusts an index whose signature apt did not verify.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { archiveFor, privateApt } from '../packer/debian-archive.ts';
import { overNetwork } from '../pipeline/network.ts';

export interface Indexes {
  /** Environment under which apt-get and apt-cache use the private state. */
  environment: { APT_CONFIG: string; LC_ALL: string };
  /** apt's private directory. */
  directory: string;
  feeds: Feed[];
}

/** A suite as the archive described it when it was read. */
export interface Feed {
  suite: string;
  label: string;
  /** The Release file's own times, RFC 3339. */
  date: string;
  validUntil: string | null;
}

/**
 * Reads the indexes of `codename` (release, updates, security) into a private apt in `directory`.
 * @param status a dpkg status file's text: what apt shall believe is installed
 * @throws Refused('environment') when no mirror is known; Error with apt's complaint about any index that could
 *   not be fetched or verified
 */
export async function readIndexes(options: {
  directory: string;
  codename: string;
  status: string;
  signal?: AbortSignal | undefined;
}): Promise<Indexes> {
  const { directory, codename, status, signal } = options;
  const suites = await archiveFor([codename, `${codename}-updates`, `${codename}-security`], signal);
  const environment = await privateApt(directory, suites, signal);
  await writeFile(join(directory, 'status'), status);
  await overNetwork(() => update(environment, signal), { signal });
  const lists = join(directory, 'lists');
  const releases = (await readdir(lists)).filter((name) => /_(In)?Release$/.test(name)).sort();
  const feeds = await Promise.all(
    releases.map(async (name) => parseRelease(await readFile(join(lists, name), 'utf8'))),
  );
  return { environment, directory, feeds };
}

async function update(env: Indexes['environment'], signal: AbortSignal | undefined): Promise<void> {
  const { stdout, stderr } = await execa('apt-get', ['update', '-q', '--error-on=any'], {
    env,
    ...(signal && { cancelSignal: signal }),
  });
  // A warning about an index means an older one was kept: the answer would be about another day.
  const doubt = `${stdout}\n${stderr}`.split('\n').find((line) => /^(W|E|Err)[: ]/.test(line));
  if (doubt) throw new Error(`apt-get update: ${doubt}`);
}

/** A Release file's head. @throws Error without suite or date */
export function parseRelease(text: string): Feed {
  const field = (name: string) => new RegExp(`^${name}: *(.+)$`, 'm').exec(text)?.[1]?.trim();
  const suite = field('Codename') ?? field('Suite');
  const date = Date.parse(field('Date') ?? '');
  const validUntil = Date.parse(field('Valid-Until') ?? '');
  if (!suite || Number.isNaN(date)) throw new Error('a Release file names no suite or no date');
  return {
    suite,
    label: field('Label') ?? '',
    date: new Date(date).toISOString(),
    validUntil: Number.isNaN(validUntil) ? null : new Date(validUntil).toISOString(),
  };
}
