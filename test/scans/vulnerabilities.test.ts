import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../pipeline/clock.ts';
import { judge } from '../../scans/judge.ts';
import { readPolicies } from '../../scans/request.ts';
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

const trivy = fixture('trivy-0.74.0-debian-12.json');
const grype = fixture('grype-0.121.2-debian-12.json');
const inspector = fixture('inspector-2024-debian-10.json');

/** What both Trivy and Grype see of one vulnerability; Debian's record has no score, that of the NVD stands beside it. */
const looneyTunables = {
  id: 'CVE-2023-4911',
  package: 'libc6',
  source: 'glibc',
  installed: '2.36-9+deb12u1',
  fixed: '2.36-9+deb12u3',
  severity: 'high',
  cvss: { score: 7.8, vector: 'CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H' },
};

describe('a report of Trivy', () => {
  test('becomes findings with the source package, who rated them and the fixed version', () => {
    const { scanner, sightings } = parseTrivy(trivy);
    expect(scanner).toBe('trivy 0.74.0');
    expect(sightings).toEqual([
      {
        ...looneyTunables,
        severitySource: 'nvd',
        epss: null,
        kev: null,
        purl: 'pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=glibc',
        feed: 'trivy 0.74.0',
      },
      expect.objectContaining({ id: 'CVE-2026-4438', severity: 'medium', severitySource: 'nvd' }),
      // Debian rated it, but not by a score: that is the NVD's.
      expect.objectContaining({
        id: 'CVE-2019-1010022',
        fixed: null,
        severity: 'low',
        severitySource: 'debian',
        cvss: { score: 9.8, vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' },
      }),
      expect.objectContaining({
        id: 'CVE-2024-1086',
        package: 'linux-image-6.1.0-17-cloud-amd64',
        source: 'linux',
        fixed: '6.1.76-1',
      }),
    ]);
  });
  test('takes the score of who rated it, in whichever version of CVSS', () => {
    const [found] = parseTrivy(fixture('trivy-0.69.1-java.json')).sightings;
    expect(found).toMatchObject({
      severity: 'low',
      severitySource: 'ghsa',
      cvss: {
        score: 2.7,
        vector: 'CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N/E:U',
      },
    });
  });
  test('of an older version does not say which, and is read all the same', () => {
    const { Trivy: _, ...older } = JSON.parse(trivy);
    const { scanner, sightings } = parseTrivy(JSON.stringify(older));
    expect(scanner).toBe('trivy (version not in the report)');
    expect(sightings).toHaveLength(4);
  });
  test('that looked at nothing is an error, and one that found nothing is not', () => {
    const report = JSON.parse(trivy);
    const [{ Vulnerabilities: _, ...looked }] = report.Results;
    expect(parseTrivy(JSON.stringify({ ...report, Results: [looked] })).sightings).toEqual([]);
    const { Results: __, ...blind } = report;
    expect(() => parseTrivy(JSON.stringify(blind))).toThrow('Trivy recognized nothing');
    const { Packages: ___, ...empty } = looked;
    const none = JSON.stringify({ ...report, Results: [empty] });
    expect(() => parseTrivy(none)).toThrow('Trivy looked at no package of the system');
  });
});

describe('a report of Grype', () => {
  type Report = {
    matches: Record<string, Record<string, unknown>>[];
    distro: object;
    descriptor: { db: object };
  };
  const changed = (change: (report: Report) => void): string => {
    const report = JSON.parse(grype);
    change(report);
    return JSON.stringify(report);
  };
  test('becomes findings with the source package, the fixed version, KEV and the age of the database', () => {
    const { sightings, ...about } = parseGrype(grype);
    expect(about).toEqual({ scanner: 'grype 0.121.2', database: '2026-11-29T03:54:04Z' });
    expect(sightings).toEqual([
      {
        ...looneyTunables,
        severitySource: 'debian',
        epss: null,
        kev: { dateAdded: '2023-11-21', dueDate: '2023-12-12', ransomware: false },
        purl: 'pkg:deb/debian/libc6@2.36-9+deb12u1?arch=amd64&distro=debian-12&upstream=glibc',
        feed: 'grype 0.121.2',
      },
      expect.objectContaining({ id: 'CVE-2026-4438', severity: 'medium', epss: 0.0007, kev: null }),
      expect.objectContaining({
        id: 'CVE-2024-1086',
        package: 'linux-image-6.1.0-17-cloud-amd64',
        source: 'linux',
        fixed: '6.1.76-1',
      }),
      // Debian's word about it is not what its score would make of it.
      expect.objectContaining({
        id: 'CVE-2019-1010022',
        fixed: null,
        severity: 'negligible',
        cvss: { score: 9.8, vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' },
      }),
    ]);
  });
  test('about an advisory is a finding about each of its CVEs, or about itself', () => {
    const advisory = (cves: string[]) =>
      changed(({ matches: [match] }) => {
        const [beside] = match!.relatedVulnerabilities as unknown as object[];
        match!.vulnerability!.id = 'ALAS2023-2026-1000';
        Object.assign(match!, { relatedVulnerabilities: cves.map((id) => ({ ...beside, id })) });
      });
    const found = (text: string) =>
      parseGrype(text)
        .sightings.slice(0, -3)
        .map(({ id, kev }) => [id, !!kev]);
    expect(found(advisory(['CVE-2026-1', 'CVE-2023-4911']))).toEqual([
      ['CVE-2026-1', false],
      ['CVE-2023-4911', true],
    ]);
    expect(found(advisory([]))).toEqual([['ALAS2023-2026-1000', false]]);
  });
  test('without matches is an error, and one with none is not', () => {
    const without = changed((report) => Reflect.deleteProperty(report, 'matches'));
    expect(() => parseGrype(without)).toThrow('not a report of Grype: matches');
    expect(parseGrype(changed((report) => Object.assign(report, { matches: [] }))).sightings).toEqual([]);
  });
  test('that recognized no distribution, or had no advisories for it, is an error', () => {
    const none = changed((report) =>
      Object.assign(report, { matches: [], distro: { name: '', version: '' } }),
    );
    expect(() => parseGrype(none)).toThrow('Grype recognized no distribution');
    const other = changed(({ descriptor }) => Object.assign(descriptor.db, { providers: { amazon: {} } }));
    expect(() => parseGrype(other)).toThrow('Grype has no advisories for debian');
  });
});

describe('a report of Amazon Inspector', () => {
  test('becomes a finding per vulnerable package, rated by the score that Inspector adopted', () => {
    expect(parseInspector(inspector).sightings).toEqual([
      {
        id: 'CVE-2021-3744',
        package: 'linux',
        source: null,
        installed: '4.19.118-2',
        fixed: '0:4.19.232-1',
        severity: 'medium',
        // Debian reported it, and called it unimportant.
        severitySource: 'nvd',
        cvss: { score: 5.5, vector: 'CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:H' },
        epss: 0.00075,
        kev: null,
        purl: null,
        feed: 'inspector',
      },
    ]);
  });
  test('leaves out what is closed or suppressed', () => {
    const report = JSON.parse(inspector);
    report.findings[0].status = 'SUPPRESSED';
    expect(parseInspector(JSON.stringify(report)).sightings).toEqual([]);
  });
  test('without findings is an error unless it says that something was scanned', () => {
    const scanned = (...reasons: string[]) =>
      JSON.stringify({
        findings: [],
        coveredResources: reasons.map((reason) => ({ scanStatus: { statusCode: 'ACTIVE', reason } })),
      });
    expect(() => parseInspector('{"findings":[]}')).toThrow('add what list-coverage answers');
    expect(() => parseInspector(scanned('PENDING_INITIAL_SCAN'))).toThrow('(PENDING_INITIAL_SCAN)');
    expect(parseInspector(scanned('UNSUPPORTED_OS', 'SUCCESSFUL')).sightings).toEqual([]);
  });
  test.each(['nextToken', 'NextToken'])('that names another page (%s) is cut off', (token) => {
    const page = JSON.stringify({ ...JSON.parse(inspector), [token]: 'AAAA' });
    expect(() => parseInspector(page)).toThrow('there is another page');
  });
});

describe.each([
  ['Trivy', parseTrivy, trivy, grype],
  ['Grype', parseGrype, grype, inspector],
  ['Amazon Inspector', parseInspector, inspector, trivy],
] as const)('what should be a report of %s', (name, parse, report, foreign) => {
  test.each([0.1, 0.5, 0.99])('and ends after %f of it is an error', (part) => {
    expect(() => parse(report.slice(0, report.length * part))).toThrow(`not a report of ${name}: `);
  });
  test('and is empty, a web page or anything else is an error that says so', () => {
    expect(() => parse('\n')).toThrow(`not a report of ${name}: it is empty`);
    expect(() => parse('<html>')).toThrow(`not a report of ${name}: Unexpected token '<'`);
    expect(() => parse('{}')).toThrow(new RegExp(`not a report of ${name}: \\w+: `));
  });
  test("and is another scanner's is not taken for an empty one", () => {
    expect(() => parse(foreign)).toThrow(
      new RegExp(`not a report of ${name}: (SchemaVersion|descriptor|findings): `),
    );
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
    expect(() => parseKev('{"vulnerabilities":[]}')).toThrow('not a KEV catalogue: catalogVersion');
    expect(() => parseKev(kevOf('CVE-2026-1000').slice(0, -1))).toThrow('not a KEV catalogue: Expected');
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
    kev: null,
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
  test("are known to be exploited by a scanner's copy of the catalogue; the user's own counts first", () => {
    const copy = { dateAdded: '2026-11-01', dueDate: null, ransomware: false };
    const both = [sighting({}), sighting({ feed: 'grype', kev: copy })];
    expect(merge(both, known)[0]).toMatchObject({ exploited: true, kev: copy });
    const own = parseKev(kevOf('CVE-2026-1000')).entries.get('CVE-2026-1000')!;
    expect(merge(both, { ...known, kev: new Map([['CVE-2026-1', own]]) })[0]).toMatchObject({ kev: own });
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
  const now = Date.UTC(2026, 10, 30);
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
    writeFileSync(join(directory, 'report.json'), grype);
    const script = `grep -q sbom "$1" && [ "$2" = img-1 ] && cat '${directory}/report.json'`;
    const { facts, artifacts } = await check({ scanners: [scannerOf(script)] });
    expect(facts).toMatchObject({ findings: 4, high: 2, fixableHigh: 2, scanners: 1 });
    expect(facts.databaseAgeHours).toBe(20.1);
    // There is no catalogue, but the scanner has its own copy.
    expect(facts.exploited).toBe(1);
    expect(artifacts.map(({ name }) => name)).toEqual(['vulnerabilities.json', 'grype-1.json.gz']);
  });
  test.each([
    ['exits with an error', 'echo "no database" >&2; exit 1', 'scanner: no database'],
    [
      'warns before it does',
      'echo old >&2; printf "\\033[31mno database\\033[0m\\n\\n" >&2; exit 1',
      'scanner: no database',
    ],
    ['says nothing', 'exit 0', 'not a report of Grype: it is empty'],
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
        findings: [{ id: 'CVE-2026-1000', package: 'libssl3', firstSeen: '2026-10-26T00:00:00.000Z' }],
      }),
    );
    expect((await check({ previousDir })).facts).toMatchObject({ high: 1, oldestFixableHighDays: 35 });
    expect((await check()).facts).toMatchObject({ high: 1, oldestFixableHighDays: 0 });
  });
  test('has a finding that nobody rated fail the shipped policies once it is older than 15 days', async () => {
    missing([update]);
    const previousDir = join(directory, 'previous');
    mkdirSync(previousDir);
    const policies = await readPolicies('scans/policies.yaml');
    const failedWhenFirstSeen = async (firstSeen: string) => {
      const findings = update.cves!.map((id) => ({ id, package: update.package, firstSeen }));
      writeFileSync(join(previousDir, 'vulnerabilities.json'), JSON.stringify({ findings }));
      const at = new Date(now).toISOString();
      const verdict = { imageId: 'img-1', check: 'vulnerabilities', at, ...(await check({ previousDir })) };
      expect(verdict.facts).toMatchObject({ unrated: 2, critical: 0, high: 0 });
      const { results } = judge({ imageId: 'img-1', verdicts: [verdict], policies, at });
      return results.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id);
    };
    expect(await failedWhenFirstSeen('2026-11-15T00:00:00.000Z')).not.toContain('unrated-fixed-in-time');
    expect(await failedWhenFirstSeen('2026-11-14T00:00:00.000Z')).toContain('unrated-fixed-in-time');
  });
  test('says how many updates nobody knows the purpose of', async () => {
    missing([{ ...update, cves: null }]);
    const { facts, reasons } = await check();
    expect(facts).toMatchObject({ findings: 0, unexplainedUpdates: 1 });
    expect(reasons).toContain('what 1 missing updates would fix is not known');
  });
});
