/**
 * The benchmark content: ComplianceAsCode's SCAP data stream, taken from its Debian package. Decides which
 * version is used and where it is kept; never installs it and never touches the machine's own apt. The package
 * comes from Debian's unstable suite because stable releases carry content without the CIS profiles.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { archiveFor, privateApt } from '../packer/debian-archive.ts';
import { Refused, reasonOf } from '../pipeline/errors.ts';
import { overNetwork } from '../pipeline/network.ts';
import type { Progress } from '../pipeline/report/progress.ts';
import type { ContentRequest } from './profile.ts';

export interface Content {
  package: string;
  version: string;
  /** Absolute path of the data stream. */
  file: string;
  /** Of the data stream, lower-case hex. */
  sha256: string;
}

/** Debian's unstable suite. */
const suite = 'sid';

/**
 * The requested data stream, from the cache if a sufficient version is there, else downloaded with apt through
 * a private configuration derived from the machine's own mirror (apt verifies the archive's signature).
 * Safe to repeat and to interrupt: a version's directory appears complete or not at all.
 * @throws Refused('environment') when it cannot be had; Refused('unverified') when it is not the pinned one
 */
export async function ensureContent(options: {
  content: ContentRequest;
  cacheDir: string;
  progress: Progress;
  signal?: AbortSignal;
  /** This version and no other; the archive has only its newest, so an older one must be in the cache. */
  version?: string;
}): Promise<Content> {
  const { content, cacheDir, progress, signal } = options;
  const home = join(cacheDir, 'hardening', content.package);
  await mkdir(home, { recursive: true });
  const version =
    options.version === undefined
      ? ((await newestCached(home, content)) ?? (await download(home, content, progress, signal)))
      : await cachedAs(options.version, home, content);
  const file = join(home, version, content.data_stream);
  const sha256 = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  if (content.sha256 && content.sha256 !== sha256) {
    throw new Refused(
      'unverified',
      `${content.package} ${version}: ${content.data_stream} has SHA-256 ${sha256}, the profile pins ${content.sha256}`,
      `Review the content's changes and pin the new digest, or remove ${join(home, version)} if it was damaged.`,
    );
  }
  return { package: content.package, version, file, sha256 };
}

async function newestCached(home: string, content: ContentRequest): Promise<string | undefined> {
  let newest: string | undefined;
  for (const version of await readdir(home)) {
    if (version.startsWith('.') || !(await isAtLeast(version, newest ?? content.minimum_version))) continue;
    if ((await readdir(join(home, version))).includes(content.data_stream)) newest = version;
  }
  return newest;
}

async function cachedAs(version: string, home: string, content: ContentRequest): Promise<string> {
  const versions = (await readdir(home)).filter((name) => !name.startsWith('.'));
  if (versions.includes(version)) return version;
  throw new Refused(
    'environment',
    `${content.package} ${version} is not in the cache; there is ${versions.join(', ') || 'none'}`,
    `Name one of those, or put that version's data streams into ${join(home, version)}.`,
  );
}

async function isAtLeast(version: string, minimum: string): Promise<boolean> {
  const { exitCode } = await execa('dpkg', ['--compare-versions', version, 'ge', minimum], { reject: false });
  return exitCode === 0;
}

async function download(
  home: string,
  content: ContentRequest,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<string> {
  const work = await mkdtemp(join(home, '.fetch-'));
  try {
    const env = await privateApt(join(work, 'apt'), await archiveFor([suite], signal), signal);
    const run = (command: string, ...args: string[]) =>
      execa(command, args, { cwd: work, env, ...(signal && { cancelSignal: signal }) });
    progress.update(`${content.package}: reading Debian's package index (${suite})`);
    await overNetwork(() => run('apt-get', 'update', '-q', '--error-on=any'), { signal, progress });
    progress.update(`${content.package}: downloading`);
    await overNetwork(() => run('apt-get', 'download', '-q', content.package), { signal, progress });
    const archive = (await readdir(work)).find((name) => name.endsWith('.deb'));
    if (!archive) throw new Error(`apt-get download ${content.package} left no package`);
    const version = (await run('dpkg-deb', '--field', archive, 'Version')).stdout.trim();
    if (!(await isAtLeast(version, content.minimum_version))) {
      throw new Error(`the archive has ${version}, the profile needs ${content.minimum_version} or newer`);
    }
    await run('dpkg-deb', '--extract', archive, 'tree');
    // Epochs stay: a colon is an ordinary character in a file name.
    const target = join(home, version);
    await rm(target, { recursive: true, force: true });
    await rename(join(work, 'tree/usr/share/xml/scap/ssg/content'), target);
    progress.note(`${content.package} ${version} from Debian ${suite}, signature verified by apt`);
    return version;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Refused) throw error;
    throw new Refused(
      'environment',
      `${content.package} ${content.minimum_version} or newer is not to be had: ${reasonOf(error)}`,
      "Check that this machine's Debian mirror answers (apt-get update), then run again.",
      { cause: error },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
