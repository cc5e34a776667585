/**
 * Missing security updates: the image's own package state against the distribution's current indexes, judged by
 * apt (`apt-cache policy`), which compares versions as dpkg does, and what each would fix, by its changelog. It knows
 * nothing of vulnerabilities nobody has published an update for, so it never says there are none.
 */
import { join } from 'node:path';
import { execa } from 'execa';
import { type Feed, type Indexes, readIndexes } from './apt.ts';
import { archivedChangelog, cvesSince, debianEntries, isNewerThan } from './changelogs.ts';
import { type InstalledPackage, parseDpkgStatus } from './dpkg.ts';

export interface MissingUpdate {
  package: string;
  source: string;
  installed: string;
  available: string;
  suite: string;
  /** Where the package only pulls in the newest of a kind (a kernel): the package that really would come. */
  brings: string | null;
  /** CVEs named for the versions in between; null when nothing says. Not known of updates that are no security's. */
  cves: string[] | null;
  /** The distribution's own rating, in its words; null where it gives none (Debian). */
  severity: string | null;
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
  /** SHA-256 of the archive's file of each installed package that the indexes still know, by package. */
  digests: Record<string, string>;
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
  const report = reportOf(packages, parsePolicy(stdout), apt.feeds);
  const known = packages.filter(({ name }) => !report.unknown.includes(name));
  const offers = await offersOf(apt, known.map(versioned), signal);
  const digests = Object.fromEntries(
    known.flatMap((installed) => {
      const offer = offers.find(
        ({ name, version }) => name === installed.name && version === installed.version,
      );
      return offer ? [[installed.name, offer.sha256]] : [];
    }),
  );
  return { ...report, digests, security: await explained(apt, packages, report.security, signal) };
}

/** What the indexes say of packages at these versions ('name=version'); versions they do not hold are left out. */
async function offersOf(
  apt: Indexes,
  wanted: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Offer[]> {
  const { stdout } = await execa('apt-cache', ['show', ...wanted], {
    env: apt.environment,
    ...(signal && { cancelSignal: signal }),
  });
  return parseOffers(stdout);
}

const versioned = (installed: InstalledPackage): string => `${aptName(installed)}=${installed.version}`;

/** Updates of one source package have one changelog between them, and the smallest of them is downloaded for it. */
async function explained(
  apt: Indexes,
  packages: readonly InstalledPackage[],
  missing: readonly MissingUpdate[],
  signal: AbortSignal | undefined,
): Promise<MissingUpdate[]> {
  if (missing.length === 0) return [];
  const names = missing.map(({ package: name, available }) => `${name}=${available}`);
  const offered = await offersOf(apt, names, signal);
  const offerOf = ({ package: name, available }: MissingUpdate) =>
    offered.find((offer) => offer.name === name && offer.version === available);
  const cves = new Map<string, string[] | null>();
  const result: MissingUpdate[] = [];
  for (const update of missing) {
    const brings = kernelOf(offerOf(update)?.depends ?? '');
    const source = brings ? 'linux' : update.source;
    const key = `${source} ${update.available}`;
    if (!cves.has(key)) {
      const candidates = missing
        .filter((other) => other.source === source && other.available === update.available)
        .toSorted((a, b) => (offerOf(a)?.bytes ?? 0) - (offerOf(b)?.bytes ?? 0))
        .map(({ package: name }) => name);
      const since = packages.find(({ name }) => name === update.package)!.sourceVersion;
      const fixed = brings
        ? await cvesOfKernel(apt, update, signal)
        : await cvesOf(apt, candidates, update.available, since, signal);
      cves.set(key, fixed);
    }
    result.push({ ...update, source, brings, cves: cves.get(key)! });
  }
  return result;
}

/**
 * A signed kernel's own changelog says "sign"; what it fixes stands in that of the source it was built from, at its
 * packages' version. The newest package of that source may be newer than what has been signed.
 */
async function cvesOfKernel(
  apt: Indexes,
  { installed, available }: MissingUpdate,
  signal: AbortSignal | undefined,
): Promise<string[] | null> {
  const changelog = await archivedChangelog(apt, 'linux-libc-dev', null, signal);
  const entries = debianEntries(changelog ?? '');
  const signed = entries.findIndex(({ version }) => version === available);
  if (signed < 0) return null;
  return cvesSince(entries.slice(signed), (entry) => isNewerThan(entry, installed));
}

/** By the first of `candidates` that brings a changelog; many link theirs to a sister package's. */
async function cvesOf(
  apt: Indexes,
  candidates: readonly string[],
  version: string,
  since: string,
  signal: AbortSignal | undefined,
): Promise<string[] | null> {
  for (const name of candidates) {
    const changelog = await archivedChangelog(apt, name, version, signal);
    if (changelog) return cvesSince(debianEntries(changelog), (entry) => isNewerThan(entry, since));
  }
  return null;
}

/** The kernel package that a kernel metapackage depends on, e.g. linux-image-6.1.0-56-cloud-amd64. */
const kernelOf = (depends: string): string | null => /(?:^|, )(linux-image-\d\S*)/.exec(depends)?.[1] ?? null;

interface Offer {
  name: string;
  version: string;
  depends: string;
  bytes: number;
  sha256: string;
}

/** `apt-cache show` (apt-cache(8)), as far as it is needed. */
export function parseOffers(text: string): Offer[] {
  return text.split(/\n{2,}/).flatMap((paragraph) => {
    const field = (name: string) => new RegExp(`^${name}: (.+)$`, 'm').exec(paragraph)?.[1] ?? '';
    const name = field('Package');
    return name === ''
      ? []
      : [
          {
            name,
            version: field('Version'),
            depends: field('Depends'),
            bytes: Number(field('Size')),
            sha256: field('SHA256'),
          },
        ];
  });
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
    digests: {},
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
      source: installed.source,
      installed: installed.version,
      available: offer.version,
      suite,
      brings: null,
      cves: null,
      severity: null,
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
