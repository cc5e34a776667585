/**
 * What changed since the release before: packages, the vulnerabilities their upgrades fix, findings, and rules that
 * are judged differently. Compares two scans' documents; judges nothing.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Artifact } from '../pipeline/image.ts';
import type { FixesOf } from './changelogs.ts';
import type { ComplianceReport } from './compliance/report.ts';
import type { ContentsReport } from './contents.ts';
import type { InstalledPackage } from './dpkg.ts';
import { type CheckContext, writeJsonArtifact } from './verdict.ts';
import type { VulnerabilitiesReport } from './vulnerabilities/check.ts';
import { keyOf } from './vulnerabilities/finding.ts';

/** The scan of the release before, of the same line of images. */
export interface PreviousScan {
  release: string;
  /** Its scan/ directory. */
  directory: string;
}

export interface Upgrade {
  package: string;
  from: string;
  to: string;
  /** CVEs that the changelog names for the versions in between; null where none says. */
  cves: string[] | null;
}

export interface PackageChanges {
  added: { package: string; version: string }[];
  removed: { package: string; version: string }[];
  upgraded: Upgrade[];
}

export interface Changes {
  schema: 'drover/changes@1';
  /** The release compared with. */
  since: string;
  packages: PackageChanges;
  /** Distinct CVEs of all upgrades, sorted. */
  cvesFixed: string[];
  /** "CVE package" of findings that are gone, and of new ones. */
  findings: { gone: string[]; appeared: string[] };
  rules: { id: string; from: string; to: string }[];
}

interface Known {
  name: string;
  version: string;
  source: string;
  sourceVersion: string;
}

/** @throws Error when the previous bill of materials cannot be read */
export async function changesOfPackages(
  previous: PreviousScan,
  packages: readonly InstalledPackage[],
  fixesOf: FixesOf,
): Promise<PackageChanges> {
  const before = await packagesBefore(previous);
  const now = byName(packages);
  const changes: PackageChanges = { added: [], removed: [], upgraded: [] };
  for (const [name, { version }] of before) {
    if (!now.has(name)) changes.removed.push({ package: name, version });
  }
  // Packages of one source share a changelog; many only link to it.
  const cvesBySource = new Map<string, string[]>();
  for (const [name, current] of now) {
    const { version, source } = current;
    const earlier = before.get(name);
    if (!earlier) {
      changes.added.push({ package: name, version });
    } else if (earlier.version !== version) {
      const cves = await fixesOf(name, earlier);
      if (cves) cvesBySource.set(source, cves);
      changes.upgraded.push({ package: name, from: earlier.version, to: version, cves: null });
    }
  }
  for (const upgrade of changes.upgraded) {
    upgrade.cves = cvesBySource.get(now.get(upgrade.package)!.source) ?? null;
  }
  return changes;
}

const byName = <T extends { name: string }>(packages: readonly T[]): Map<string, T> =>
  new Map(packages.map((entry) => [entry.name, entry]));

/** By name. @throws Error when its bill of materials, which sbom.ts wrote, cannot be read */
export async function packagesBefore({ directory }: PreviousScan): Promise<Map<string, Known>> {
  const { components } = JSON.parse(await readFile(join(directory, 'sbom.cdx.json'), 'utf8')) as {
    components: {
      type?: string;
      name: string;
      version: string;
      properties?: { name: string; value: string }[];
    }[];
  };
  return byName(
    components
      .filter(({ type }) => type !== 'operating-system')
      .map(({ name, version, properties = [] }) => {
        const property = (suffix: string) => properties.find((entry) => entry.name.endsWith(suffix))?.value;
        return {
          name,
          version,
          source: property(':source') ?? name,
          sourceVersion: property(':source-version') ?? version,
        };
      }),
  );
}

/** All changes, written as an artifact; null when this scan could not compare the packages. */
export async function writeChanges(
  context: CheckContext,
  previous: PreviousScan,
): Promise<{ changes: Changes; artifact: Artifact } | null> {
  const [before, now] = await Promise.all([documentsIn(previous.directory), documentsIn(context.outputDir)]);
  const { packages } = now;
  if (!packages) return null;
  const changes: Changes = {
    schema: 'drover/changes@1',
    since: previous.release,
    packages,
    cvesFixed: [...new Set(packages.upgraded.flatMap(({ cves }) => cves ?? []))].sort(),
    findings: {
      gone: without(before.findings, now.findings),
      appeared: without(now.findings, before.findings),
    },
    rules: [...now.rules].flatMap(([id, to]) => {
      const from = before.rules.get(id) ?? 'not selected';
      return from === to ? [] : [{ id, from, to }];
    }),
  };
  for (const [id, from] of before.rules) {
    if (!now.rules.has(id)) changes.rules.push({ id, from, to: 'not selected' });
  }
  return { changes, artifact: await writeJsonArtifact(context, 'changes.json', changes) };
}

const without = (some: readonly string[], others: readonly string[]): string[] =>
  some.filter((key) => !others.includes(key));

/** A scan that had no answer has no document: nothing is known of it, and nothing is compared. */
async function documentsIn(directory: string): Promise<{
  packages: PackageChanges | null;
  findings: string[];
  rules: Map<string, string>;
}> {
  const read = async <T>(name: string): Promise<T | null> => {
    const text = await readFile(join(directory, name), 'utf8').catch(() => null);
    return text === null ? null : (JSON.parse(text) as T);
  };
  const vulnerabilities = await read<VulnerabilitiesReport>('vulnerabilities.json');
  const compliance = await read<ComplianceReport>('compliance.json');
  const contents = await read<ContentsReport>('contents.json');
  return {
    packages: contents?.changes ?? null,
    findings: (vulnerabilities?.findings ?? []).map(keyOf),
    rules: new Map((compliance?.rules ?? []).map(({ id, result }) => [id, result])),
  };
}

/** One line for people. */
export function summaryOf({ since, packages, cvesFixed, findings, rules }: Changes): string {
  const unexplained = packages.upgraded.filter(({ cves }) => cves === null).length;
  const parts = [
    count(packages.added.length, 'package', 'added'),
    count(packages.removed.length, 'package', 'removed'),
    count(packages.upgraded.length, 'package', 'upgraded'),
    count(cvesFixed.length, 'CVE', 'fixed by upgrades'),
    count(unexplained, 'upgrade', 'without a changelog that says what is fixed'),
    count(findings.appeared.length, 'finding', 'new'),
    count(findings.gone.length, 'finding', 'gone'),
    count(rules.length, 'rule', 'judged differently'),
  ].filter((part) => part !== null);
  return `since ${since}: ${parts.length === 0 ? 'nothing changed' : parts.join(', ')}`;
}

const count = (n: number, what: string, how: string): string | null =>
  n === 0 ? null : `${n} ${what}${n === 1 ? '' : 's'} ${how}`;
