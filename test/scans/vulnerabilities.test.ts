import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../pipeline/clock.ts';
import type { MissingUpdate } from '../../scans/updates.ts';
import { checkVulnerabilities } from '../../scans/vulnerabilities/check.ts';
import { merge, type Sighting, severityOf } from '../../scans/vulnerabilities/finding.ts';
import { parseGrype } from '../../scans/vulnerabilities/grype.ts';
import { parseInspector } from '../../scans/vulnerabilities/inspector.ts';
import { parseKev } from '../../scans/vulnerabilities/kev.ts';
import { parseTrivy } from '../../scans/vulnerabilities/trivy.ts';

const fixture = (name: string) =>
  readFileSync(new URL(`./fixtures/scanners/${name}`, import.meta.url), 'utf8');

const kevOf = (...ids: string[]) =>
  JSON.stringify({
    catalogVersion: '2026.11.20',
    dateReleased: '2026-11-20T15:00:00.000Z',
    count: ids.length,
    vulnerabilities: ids.map((cveID) => ({
      cveID,
      dateAdded: '2026-11-19',
      dueDate: '2026-12-10',
      knownRansomwareCampaignUse: 'Known',
    })),
  });

describe('a report', () => {
  test("of Trivy becomes findings with Debian's or NVD's severity and the fixed version", () => {
    const { sightings } = parseTrivy(fixture('trivy-debian-10.json'));
    expect(sightings).toMatchObject([
      {
        id: 'CVE-2019-18276',
        package: 'bash',
        installed: '5.0-4',
        fixed: null,
        severity: 'low',
        severitySource: 'debian',
        cvss: { score: 7.8 },
        purl: 'pkg:deb/debian/bash@5.0-4?arch=amd64&distro=debian-10.1',
      },
      { id: 'CVE-2019-18224', fixed: '2.0.5-1+deb10u1', severity: 'critical', cvss: { score: 9.8 } },
    ]);
  });
  test('of Grype carries EPSS, the newest CVSS and the time of its database', () => {
    const { scanner, database, sightings } = parseGrype(fixture('grype-0.94.0-busybox.json'));
    expect({ scanner, database }).toEqual({ scanner: 'grype 0.94.0', database: '2025-06-19T04:12:38Z' });
    expect(sightings).toMatchObject([
      { id: 'CVE-2022-48174', severity: 'critical', fixed: null, epss: 0.00451, cvss: { score: 9.8 } },
      { id: 'CVE-2022-28391', severity: 'high', epss: 0.0719, cvss: { score: 8.8 } },
    ]);
  });
  test('of Grype about an advisory is a finding about its CVE', () => {
    const report = JSON.parse(fixture('grype-0.94.0-busybox.json'));
    const [match] = report.matches;
    match.relatedVulnerabilities = [{ id: match.vulnerability.id, cvss: match.vulnerability.cvss }];
    match.vulnerability = { id: 'GHSA-aaaa-bbbb-cccc', severity: 'High', knownExploited: [{}] };
    expect(parseGrype(JSON.stringify(report)).sightings[0]).toMatchObject({
      id: 'CVE-2022-48174',
      exploited: true,
      cvss: { score: 9.8 },
    });
  });
  test('of Amazon Inspector becomes a finding per vulnerable package', () => {
    expect(parseInspector(fixture('inspector-debian-10.json')).sightings).toMatchObject([
      {
        id: 'CVE-2021-3744',
        package: 'linux',
        installed: '4.19.118-2',
        fixed: '0:4.19.232-1',
        severity: 'medium',
        epss: 0.00075,
      },
    ]);
  });
  test('of Amazon Inspector leaves out what is closed or suppressed', () => {
    const report = JSON.parse(fixture('inspector-debian-10.json'));
    report.findings[0].status = 'SUPPRESSED';
    expect(parseInspector(JSON.stringify(report)).sightings).toEqual([]);
  });
  test.each([
    ['Trivy', parseTrivy],
    ['Grype', parseGrype],
    ['Amazon Inspector', parseInspector],
  ] as const)('that is not one of %s is an error that says so', (name, parse) => {
    expect(() => parse('')).toThrow(`${name} answered with something that is not JSON: nothing`);
    expect(() => parse('<html>')).toThrow('not JSON: <html>');
    expect(() => parse('{}')).toThrow(`not a report of ${name}`);
  });
  test('of another scanner is not taken for an empty one', () => {
    expect(() => parseTrivy(fixture('grype-0.94.0-busybox.json'))).toThrow('SchemaVersion');
    expect(() => parseGrype(fixture('trivy-debian-10.json'))).toThrow('descriptor');
  });
});

test.each([
  ['CRITICAL', 'critical'],
  ['Important', 'high'],
  ['Moderate', 'medium'],
  ['Negligible', 'negligible'],
  ['UNTRIAGED', 'unknown'],
  ['spectacular', 'unknown'],
  [undefined, 'unknown'],
])('a severity of %s is %s', (word, severity) => {
  expect(severityOf(word)).toBe(severity);
});

describe('the KEV catalogue', () => {
  test('is read with its version', () => {
    const { version, released, entries } = parseKev(kevOf('CVE-2026-1000'));
    expect({ version, released }).toEqual({ version: '2026.11.20', released: '2026-11-20T15:00:00.000Z' });
    expect(entries.get('CVE-2026-1000')).toEqual({
      dateAdded: '2026-11-19',
      dueDate: '2026-12-10',
      ransomware: true,
    });
  });
  test('that is cut off, empty or something else is an error', () => {
    const short = { ...JSON.parse(kevOf('CVE-2026-1000')), count: 2 };
    expect(() => parseKev(JSON.stringify(short))).toThrow('says it has 2 entries and holds 1');
    expect(() => parseKev(kevOf())).toThrow('not a KEV catalogue');
    expect(() => parseKev('{"vulnerabilities":[]}')).toThrow('catalogVersion');
  });
});

describe('sightings of the same vulnerability in the same package', () => {
  const sighting = (change: Partial<Sighting>): Sighting => ({
    id: 'CVE-2026-1',
    package: 'libssl3',
    source: 'openssl',
    installed: '3.0.20',
    fixed: '3.0.22',
    severity: 'unknown',
    severitySource: null,
    cvss: null,
    epss: null,
    exploited: false,
    purl: null,
    feed: 'bookworm-security',
    ...change,
  });
  const known = { kev: new Map(), firstSeen: new Map(), at: '2026-11-24T00:00:00.000Z' };

  test("are one finding: the first one's words, the worst severity, everybody who saw it", () => {
    const scanner = sighting({
      feed: 'trivy',
      fixed: null,
      severity: 'high',
      severitySource: 'nvd',
      epss: 0.1,
    });
    expect(merge([sighting({}), scanner], known)).toEqual([
      expect.objectContaining({
        fixed: '3.0.22',
        severity: 'high',
        severitySource: 'nvd',
        epss: 0.1,
        feeds: ['bookworm-security', 'trivy'],
        firstSeen: known.at,
      }),
    ]);
  });
  test('in two packages are two findings', () => {
    expect(merge([sighting({}), sighting({ package: 'openssl' })], known)).toHaveLength(2);
  });
  test('are listed with the exploited first, then by severity', () => {
    const findings = merge(
      [
        sighting({ id: 'CVE-2026-3', severity: 'low' }),
        sighting({ id: 'CVE-2026-2', severity: 'critical' }),
        sighting({ id: 'CVE-2026-1000', severity: 'low' }),
      ],
      { ...known, kev: parseKev(kevOf('CVE-2026-1000')).entries },
    );
    expect(findings.map(({ id, exploited }) => [id, exploited])).toEqual([
      ['CVE-2026-1000', true],
      ['CVE-2026-2', false],
      ['CVE-2026-3', false],
    ]);
  });
});

describe('the check of vulnerabilities', () => {
  const now = Date.UTC(2026, 10, 24);
  const clock: Clock = { now: () => now, sleep: async () => {} };
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'drover-test-'));
    mkdirSync(join(directory, 'scan'));
    writeFileSync(join(directory, 'scan/sbom.cdx.json'), '{"the":"sbom"}');
    missing([]);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const missing = (security: Partial<MissingUpdate>[]) =>
    writeFileSync(
      join(directory, 'scan/updates.json'),
      JSON.stringify({
        schema: 'drover/updates@1',
        feeds: [],
        packages: 200,
        security,
        other: [],
        unknown: [],
      }),
    );
  const update: MissingUpdate = {
    package: 'libssl3',
    source: 'openssl',
    installed: '3.0.20',
    available: '3.0.22',
    suite: 'bookworm-security',
    brings: null,
    cves: ['CVE-2026-1000', 'CVE-2026-1001'],
    severity: null,
  };
  const scannerOf = (script: string) => {
    const path = join(directory, 'scanner');
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return { format: 'grype' as const, argv: [path, '{sbom}', '{image}'], timeoutMs: 10_000 };
  };
  const check = (change: Partial<Parameters<typeof checkVulnerabilities>[1]> = {}) =>
    checkVulnerabilities(
      { imageId: 'img-1', releaseDir: directory, outputDir: join(directory, 'scan'), clock },
      { scanners: [], kevPath: null, previousDir: null, ...change },
    );

  test('finds what the missing updates would fix, and rates it by nobody', async () => {
    missing([update]);
    const { status, facts, reasons } = await check();
    expect(status).toBe('passed');
    expect(facts).toMatchObject({ findings: 2, fixable: 2, critical: 0, exploited: null });
    expect(reasons).toContain('CVE-2026-1000 in libssl3 3.0.20: unknown, fixed in 3.0.22');
  });
  test('knows that nothing is exploited where nothing was found, and not otherwise', async () => {
    expect((await check()).facts).toMatchObject({ findings: 0, exploited: 0 });
  });
  test('says which finding the catalogue lists', async () => {
    missing([update]);
    const kevPath = join(directory, 'kev.json');
    writeFileSync(kevPath, kevOf('CVE-2026-1001'));
    const { facts, reasons } = await check({ kevPath });
    expect(facts).toMatchObject({ exploited: 1, kevCatalogue: '2026.11.20' });
    expect(reasons[1]).toContain('CVE-2026-1001 in libssl3 3.0.20: unknown, known to be exploited');
  });
  test('hands the scanner the bill of materials and the image, and keeps its answer', async () => {
    writeFileSync(join(directory, 'report.json'), fixture('grype-0.94.0-busybox.json'));
    const script = `grep -q sbom "$1" && [ "$2" = img-1 ] && cat '${directory}/report.json'`;
    const { facts, artifacts } = await check({ scanners: [scannerOf(script)] });
    expect(facts).toMatchObject({ findings: 2, critical: 1, high: 1, fixable: 0, scanners: 1 });
    expect(facts.databaseAgeHours).toBeGreaterThan(24 * 365);
    expect(artifacts.map(({ name }) => name)).toEqual(['vulnerabilities.json', 'grype-1.json.gz']);
  });
  test.each([
    ['exits with an error', 'echo "no database" >&2; exit 1', 'no database'],
    ['says nothing', 'exit 0', 'not JSON: nothing'],
    ['speaks another language', 'echo "{}"', 'not a report of Grype'],
  ])('fails when a scanner %s', async (_how, script, complaint) => {
    await expect(check({ scanners: [scannerOf(script)] })).rejects.toThrow(complaint);
  });
  test('fails when a scanner takes too long, or is not there', async () => {
    const slow = { ...scannerOf('exec sleep 60'), timeoutMs: 100 };
    await expect(check({ scanners: [slow] })).rejects.toThrow('did not answer within 0.1 s');
    const absent = { ...slow, argv: ['/nowhere/grype'] };
    await expect(check({ scanners: [absent] })).rejects.toThrow('ENOENT');
  });
  test('fails when the updates are not known', async () => {
    rmSync(join(directory, 'scan/updates.json'));
    await expect(check()).rejects.toThrow('which updates are missing is not known');
  });
  test('counts a finding from the day an earlier release had it', async () => {
    missing([{ ...update, cves: ['CVE-2026-1000'], severity: 'Important' }]);
    const previousDir = join(directory, 'previous');
    mkdirSync(previousDir);
    writeFileSync(
      join(previousDir, 'vulnerabilities.json'),
      JSON.stringify({
        findings: [{ id: 'CVE-2026-1000', package: 'libssl3', firstSeen: '2026-10-20T00:00:00.000Z' }],
      }),
    );
    expect((await check({ previousDir })).facts).toMatchObject({ high: 1, oldestFixableHighDays: 35 });
    expect((await check()).facts).toMatchObject({ high: 1, oldestFixableHighDays: 0 });
  });
  test('says how many updates nobody knows the purpose of', async () => {
    missing([{ ...update, cves: null }]);
    const { facts, reasons } = await check();
    expect(facts).toMatchObject({ findings: 0, unexplainedUpdates: 1 });
    expect(reasons).toContain('what 1 missing updates would fix is not known');
  });
});
