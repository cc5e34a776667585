/**
 * Which vulnerabilities an update fixes, by its maintainer's own word: the CVEs that a changelog names in the entries
 * newer than a given version (Debian Policy 4.4 and 12.7; of an rpm, `rpm -q --changelog`). What no changelog says is
 * null, never an empty list: not knowing is not the same as nothing.
 */
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { execa } from 'execa';
import { overNetwork } from '../pipeline/network.ts';
import type { Indexes } from './apt.ts';

/** What one version changed. A changelog has its newest first. */
export interface ChangelogEntry {
  version: string;
  text: string;
}

/** deb-changelog(5): "openssl (3.0.22-1~deb12u2) bookworm-security; urgency=medium", and indented lines. */
export const debianEntries = (changelog: string): ChangelogEntry[] =>
  [...changelog.matchAll(/^\S+ \(([^)\s]+)\) [^\n]*;[^\n]*\n([\s\S]*?)(?=^\S|(?![\s\S]))/gm)].map(
    ([, version, text]) => ({ version: version!, text: text! }),
  );

/** `rpm -q --changelog`: "* Wed Nov 15 2023 A Name <a@example.org> - 1:3.0.8-1.amzn2023.0.9", and lines of text. */
export const rpmEntries = (changelog: string): ChangelogEntry[] =>
  changelog.split(/^(?=\* )/m).map((entry) => {
    const [heading = '', ...lines] = entry.split('\n');
    return { version: / (\S+-\S+)$/.exec(heading.trimEnd())?.[1] ?? '', text: lines.join('\n') };
  });

/**
 * Sorted, each once. The first entry that is not newer ends the search; null when none does, because a changelog that
 * does not reach back that far is cut or somebody else's, and may leave out the half.
 */
export async function cvesSince(
  entries: readonly ChangelogEntry[],
  isNewer: (version: string) => boolean | Promise<boolean>,
): Promise<string[] | null> {
  const found = new Set<string>();
  for (const { version, text } of entries) {
    if (!(await isNewer(version))) return [...found].sort();
    for (const [cve] of text.matchAll(/CVE-\d{4}-\d{4,}/g)) found.add(cve);
  }
  return null;
}

/** What an upgrade fixes, given the package and the versions it had before. */
export type FixesOf = (
  name: string,
  before: { version: string; sourceVersion: string },
) => Promise<string[] | null>;

/** @param changelogOf a package's, null where there is none */
export const debianFixes =
  (changelogOf: (name: string) => Promise<string | null>): FixesOf =>
  async (name, { sourceVersion }) => {
    const entries = debianEntries((await changelogOf(name)) ?? '');
    const cves = await cvesSince(entries, (version) => isNewerThan(version, sourceVersion));
    // A signed kernel may say no more than that; what it fixes then stands in the unsigned one's, which no image has.
    const mute = cves?.length === 0 && entries[0]?.text.includes('* Sign kernel from linux');
    return mute ? null : cves;
  };

/**
 * How rpm orders versions is not known here, and need not be: the entry of the version before ends the search.
 * Not every entry gives the epoch.
 * @param changelogOf a package's, null where there is none
 */
export const rpmFixes =
  (changelogOf: (name: string) => Promise<string | null>): FixesOf =>
  async (name, before) =>
    cvesSince(
      rpmEntries((await changelogOf(name)) ?? ''),
      (version) => withoutEpoch(version) !== withoutEpoch(before.version),
    );

const withoutEpoch = (version: string): string => version.replace(/^\d+:/, '');

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

/** A package of the archive at one version (null for the newest), downloaded and read; null when it holds no changelog of its own. */
export async function archivedChangelog(
  apt: Indexes,
  name: string,
  version: string | null,
  signal?: AbortSignal,
): Promise<string | null> {
  const which = version === null ? name : `${name}=${version}`;
  const options = { cwd: apt.directory, env: apt.environment, ...(signal && { cancelSignal: signal }) };
  // apt checks the file against the signed index.
  await overNetwork(() => execa('apt-get', ['download', '-q', which], options), { signal });
  const file = (await readdir(apt.directory)).find(
    (entry) => entry.startsWith(`${name}_`) && entry.endsWith('.deb'),
  );
  if (!file) throw new Error(`apt downloaded no ${which}`);
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
