/**
 * Which vulnerabilities an update fixes, by its maintainer's own word: the CVEs that a Debian changelog names in the
 * entries newer than a given version (Debian Policy 4.4 and 12.7). A changelog nobody could read is null, never
 * an empty list: not knowing is not the same as nothing.
 */
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { execa } from 'execa';
import { overNetwork } from '../pipeline/network.ts';
import type { Indexes } from './apt.ts';

/** Sorted, each once. Entries are newest first; the first one that is not newer ends the search. */
export async function cvesSince(
  changelog: string,
  isNewer: (version: string) => Promise<boolean>,
): Promise<string[]> {
  const found = new Set<string>();
  const entries = changelog.matchAll(/^\S+ \(([^)\s]+)\) [^\n]*;[^\n]*\n([\s\S]*?)(?=^\S|(?![\s\S]))/gm);
  for (const [, version, text] of entries) {
    if (!(await isNewer(version!))) break;
    for (const [cve] of text!.matchAll(/CVE-\d{4}-\d{4,}/g)) found.add(cve);
  }
  return [...found].sort();
}

/** As dpkg orders versions (deb-version(7)). */
export async function isNewerThan(version: string, other: string): Promise<boolean> {
  const { exitCode, stderr } = await execa('dpkg', ['--compare-versions', version, 'gt', other], {
    reject: false,
  });
  if (exitCode === 0 || exitCode === 1) return exitCode === 0;
  throw new Error(`dpkg cannot compare '${version}' and '${other}': ${stderr}`);
}

/** The changelog an installed package brought along below `root`; null where it is left out. */
export async function installedChangelog(root: string, name: string): Promise<string | null> {
  return readPacked(join(root, 'usr/share/doc', name));
}

/** A package of the archive at one version, downloaded and read; null when it holds no changelog of its own. */
export async function archivedChangelog(
  apt: Indexes,
  name: string,
  version: string,
  signal?: AbortSignal,
): Promise<string | null> {
  const options = { cwd: apt.directory, env: apt.environment, ...(signal && { cancelSignal: signal }) };
  // apt checks the file against the signed index.
  await overNetwork(() => execa('apt-get', ['download', '-q', `${name}=${version}`], options), { signal });
  const file = (await readdir(apt.directory)).find(
    (entry) => entry.startsWith(`${name}_`) && entry.endsWith('.deb'),
  );
  if (!file) throw new Error(`apt downloaded no ${name} ${version}`);
  const target = join(apt.directory, 'unpacked', name);
  await mkdir(target, { recursive: true });
  await execa('dpkg-deb', ['--extract', file, target], options);
  return readPacked(join(target, 'usr/share/doc', name));
}

/** Native packages have changelog.gz only; of others that is upstream's. */
async function readPacked(directory: string): Promise<string | null> {
  for (const name of ['changelog.Debian.gz', 'changelog.gz']) {
    const path = join(directory, name);
    const isThere = await stat(path).then(
      (found) => found.isFile(),
      () => false,
    );
    if (isThere) return gunzipSync(await readFile(path)).toString('utf8');
  }
  return null;
}
