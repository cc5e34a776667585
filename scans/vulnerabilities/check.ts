/**
 * The check 'vulnerabilities': what the distribution's missing updates would fix, what the configured scanners found in
 * the bill of materials, and which of it the KEV catalogue lists. Passed means that everybody who was asked has
 * answered; whether the answer is acceptable is the policies' business.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { timestamp } from '../../pipeline/clock.ts';
import type { Artifact } from '../../pipeline/image.ts';
import type { MissingUpdate, UpdatesReport } from '../updates.ts';
import { type CheckContext, type Finding, writeArtifact, writeJsonArtifact } from '../verdict.ts';
import { keyOf, merge, type Severity, type Sighting, severityOf, type Vulnerability } from './finding.ts';
import { readKev } from './kev.ts';
import { runScanner, type ScannerCommand } from './scanners.ts';

export interface VulnerabilitiesReport {
  schema: 'drover/vulnerabilities@1';
  at: string;
  /** Who was asked besides the distribution, with the time of its database where it says. */
  scanners: { scanner: string; database: string | null }[];
  kev: { version: string; released: string } | null;
  findings: Vulnerability[];
}

/**
 * @param outputDir holds updates.json and sbom.cdx.json of the same scan
 * @param previousDir the same of the release before; null for the first
 * @throws Error when one of them, a scanner or the catalogue has no answer
 */
export async function checkVulnerabilities(
  context: CheckContext,
  options: {
    scanners: readonly ScannerCommand[];
    kevPath: string | null;
    previousDir: string | null;
  },
): Promise<Finding> {
  const { imageId, outputDir, clock, signal } = context;
  const at = timestamp(clock.now());
  const updates = await readUpdates(outputDir);
  const kev = options.kevPath === null ? null : await readKev(options.kevPath);
  const subject = { sbomPath: join(outputDir, 'sbom.cdx.json'), imageId };
  const answers = await Promise.all(options.scanners.map((scanner) => runScanner(scanner, subject, signal)));
  const findings = merge(
    [...updates.security.flatMap(sightingsOf), ...answers.flatMap(({ report }) => report.sightings)],
    {
      kev: kev?.entries ?? new Map(),
      firstSeen: options.previousDir === null ? new Map() : await firstSeenIn(options.previousDir),
      at,
    },
  );
  const scanners = answers.map(({ report: { scanner, database } }) => ({ scanner, database }));
  const report: VulnerabilitiesReport = {
    schema: 'drover/vulnerabilities@1',
    at,
    scanners,
    kev: kev && { version: kev.version, released: kev.released },
    findings,
  };
  const raw: Artifact[] = [];
  for (const [index, { text }] of answers.entries()) {
    const { format } = options.scanners[index]!;
    raw.push(await writeArtifact(context, `${format}-${index + 1}.json.gz`, gzipSync(text)));
  }
  const exploited = findings.filter((finding) => finding.exploited).length;
  const unexplained = updates.security.filter(({ cves }) => cves === null).length;
  return {
    status: 'passed',
    reasons: [
      summary(findings, updates, scanners),
      ...(unexplained > 0 ? [`what ${unexplained} missing updates would fix is not known`] : []),
      ...findings.slice(0, worstShown).map(describe),
    ],
    facts: {
      ...countsOf(findings, clock.now()),
      // Without the catalogue nobody can say that a finding is not exploited, but a scanner may say that one is.
      exploited: exploited > 0 || kev || findings.length === 0 ? exploited : null,
      kevCatalogue: kev?.version ?? null,
      scanners: scanners.length,
      databaseAgeHours: oldestHours(scanners, clock.now()),
      unexplainedUpdates: unexplained,
    },
    artifacts: [await writeJsonArtifact(context, 'vulnerabilities.json', report), ...raw],
  };
}

/** Enough to see what it is about; all are in the report. */
const worstShown = 5;
const dayMs = 86_400_000;

async function readUpdates(directory: string): Promise<UpdatesReport> {
  const text = await readFile(join(directory, 'updates.json'), 'utf8').catch(() => {
    throw new Error('which updates are missing is not known');
  });
  return JSON.parse(text) as UpdatesReport;
}

/** The distribution's word: each CVE that a missing security update names. */
const sightingsOf = (update: MissingUpdate): Sighting[] =>
  (update.cves ?? []).map((id) => ({
    id,
    package: update.brings ?? update.package,
    source: update.source,
    installed: update.installed,
    fixed: update.available,
    severity: severityOf(update.severity ?? undefined),
    severitySource: update.severity === null ? null : 'distribution',
    cvss: null,
    epss: null,
    kev: null,
    purl: null,
    feed: update.suite,
  }));

/** From the scan before, which carries on what it knew from the one before it. */
async function firstSeenIn(directory: string): Promise<Map<string, string>> {
  const text = await readFile(join(directory, 'vulnerabilities.json'), 'utf8').catch(() => null);
  if (text === null) return new Map();
  const { findings } = JSON.parse(text) as VulnerabilitiesReport;
  return new Map(findings.map((finding) => [keyOf(finding), finding.firstSeen]));
}

function countsOf(findings: readonly Vulnerability[], now: number) {
  const fixable = findings.filter(({ fixed }) => fixed !== null);
  const of = (severity: Severity, among = findings) => among.filter((found) => found.severity === severity);
  const oldestDays = (among: readonly Vulnerability[]) =>
    Math.max(0, ...among.map(({ firstSeen }) => Math.floor((now - Date.parse(firstSeen)) / dayMs)));
  return {
    findings: findings.length,
    critical: of('critical').length,
    high: of('high').length,
    unrated: of('unknown').length,
    fixable: fixable.length,
    fixableCritical: of('critical', fixable).length,
    fixableHigh: of('high', fixable).length,
    fixableUnrated: of('unknown', fixable).length,
    oldestFixableCriticalDays: oldestDays(of('critical', fixable)),
    oldestFixableHighDays: oldestDays(of('high', fixable)),
    oldestFixableUnratedDays: oldestDays(of('unknown', fixable)),
  };
}

const oldestHours = (scanners: VulnerabilitiesReport['scanners'], now: number): number | null => {
  const built = scanners.flatMap(({ database }) => (database === null ? [] : [Date.parse(database)]));
  return built.length === 0 ? null : Math.round((now - Math.min(...built)) / 360_000) / 10;
};

function summary(
  findings: readonly Vulnerability[],
  updates: UpdatesReport,
  scanners: VulnerabilitiesReport['scanners'],
): string {
  const asked = ['the distribution', ...scanners.map(({ scanner }) => scanner)].join(', ');
  const about = `in ${updates.packages} packages, by ${asked}`;
  return findings.length === 0 ? `no known finding ${about}` : `${findings.length} findings ${about}`;
}

const describe = ({ id, package: name, installed, fixed, severity, exploited }: Vulnerability): string =>
  `${id} in ${name} ${installed}: ${severity}${exploited ? ', known to be exploited' : ''}, ${fixed ? `fixed in ${fixed}` : 'no fix yet'}`;
