/**
 * Missing security updates: the image's own package state against the distribution's current indexes, judged by
 * apt (`apt-cache policy`), which compares versions as dpkg does. Says which updates are missing; it knows
 * nothing of vulnerabilities nobody has published an update for, so it never says there are none.
 */
import { join } from 'node:path';
import { execa } from 'execa';
import { type Feed, readIndexes } from './apt.ts';
import { type InstalledPackage, parseDpkgStatus } from './dpkg.ts';

export interface MissingUpdate {
  package: string;
  installed: string;
  available: string;
  suite: string;
}

export interface UpdatesReport {
  schema: 'drover/updates@1';
  feeds: Feed[];
  packages: number;
  /** Newer versions a security suite offers. */
  security: MissingUpdate[];
  /** Newer versions only other suites offer. */
  other: MissingUpdate[];
  /** Installed in a version no index knows any more or ever did. */
  unknown: string[];
}

/** @throws Error when the indexes cannot be read or verified, or apt does not answer for every package */
export async function findMissingUpdates(options: {
  /** Text of the image's /var/lib/dpkg/status. */
  status: string;
  codename: string;
  /** An empty directory for apt's private state; the caller removes it. */
  directory: string;
  signal?: AbortSignal | undefined;
}): Promise<UpdatesReport> {
  const { status, codename, directory, signal } = options;
  const packages = parseDpkgStatus(status);
  const apt = await readIndexes({ directory: join(directory, 'apt'), codename, status, signal });
  const { stdout } = await execa('apt-cache', ['policy', ...packages.map(aptName)], {
    env: apt.environment,
    ...(signal && { cancelSignal: signal }),
  });
  return reportOf(packages, parsePolicy(stdout), apt.feeds);
}

const aptName = ({ name, architecture }: InstalledPackage): string =>
  architecture === 'all' ? name : `${name}:${architecture}`;

export interface PolicyEntry {
  package: string;
  installed: string;
  /** Highest first, as apt prints them. */
  versions: { version: string; suites: string[] }[];
}

/** `apt-cache policy` (apt-cache(8)): packages, their version tables, and the suites that offer each version. */
export function parsePolicy(text: string): PolicyEntry[] {
  const entries: PolicyEntry[] = [];
  for (const line of text.split('\n')) {
    const entry = entries.at(-1);
    const header = /^(\S+):$/.exec(line);
    const installed = /^ {2}Installed: (.+)$/.exec(line);
    const version = /^ (?:\*\*\*| {3}) (\S+) -?\d+$/.exec(line);
    const source = /^ {8,}-?\d+ \S+ ([^/\s]+)\/\S+ \S+ Packages$/.exec(line);
    if (header) entries.push({ package: header[1]!, installed: '', versions: [] });
    else if (installed && entry) entry.installed = installed[1]!;
    else if (version && entry) entry.versions.push({ version: version[1]!, suites: [] });
    else if (source && entry) entry.versions.at(-1)?.suites.push(source[1]!);
  }
  return entries;
}

/** @throws Error when apt's answer leaves a package out or disagrees about its version */
export function reportOf(
  packages: readonly InstalledPackage[],
  policy: readonly PolicyEntry[],
  feeds: Feed[],
): UpdatesReport {
  const report: UpdatesReport = {
    schema: 'drover/updates@1',
    feeds,
    packages: packages.length,
    security: [],
    other: [],
    unknown: [],
  };
  const byName = new Map(policy.map((entry) => [entry.package, entry]));
  for (const installed of packages) {
    const entry = byName.get(aptName(installed)) ?? byName.get(installed.name);
    if (entry?.installed !== installed.version) {
      throw new Error(`apt gave no answer about ${aptName(installed)} ${installed.version}`);
    }
    const position = entry.versions.findIndex(({ version }) => version === installed.version);
    if (position === -1)
      throw new Error(`apt's version table of ${installed.name} lacks the installed version`);
    const missing = (offer: { version: string }, suite: string): MissingUpdate => ({
      package: installed.name,
      installed: installed.version,
      available: offer.version,
      suite,
    });
    const newer = entry.versions.slice(0, position).filter(({ suites }) => suites.length > 0);
    const securityOf = (suites: readonly string[]) => suites.find((suite) => suite.endsWith('-security'));
    const security = newer.find(({ suites }) => securityOf(suites));
    if (security) report.security.push(missing(security, securityOf(security.suites)!));
    else if (newer[0]) report.other.push(missing(newer[0], newer[0].suites[0]!));
    if (entry.versions[position]!.suites.length === 0 && newer.length === 0)
      report.unknown.push(installed.name);
  }
  return report;
}
