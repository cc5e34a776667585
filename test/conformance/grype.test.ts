/**
 * The whole Grype reads Drover's bill of materials, run as the README says: the same distribution, packages, versions and
 * source packages, so that what an advisory says of a source package is found, and nothing else is; and what it prints
 * and how it fails is read as it is meant. Its database is one of its own format (grype/main.go); .ci/scanners.sh builds both.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { runScanner } from '../../scans/vulnerabilities/scanners.ts';
import { available } from './optional.ts';
import {
  type Advisory,
  advisories,
  amazonLinux,
  boundaries,
  debian,
  fixedIn,
  foundIn,
  installed,
  recorded,
  sbomOf,
} from './scanned-image.ts';

const remedy = '.ci/scanners.sh builds it; name both programs in DROVER_GRYPE and DROVER_GRYPE_DB.';
const grype = { name: 'grype', command: process.env.DROVER_GRYPE ?? 'grype', probe: ['version'], remedy };
const database = { name: 'grype', command: process.env.DROVER_GRYPE_DB ?? 'grype-db', probe: [], remedy };

/** As https://github.com/anchore/vunnel writes the records that Grype's database is made of. */
const recordOf = (provider: string, kind: string, version: string, identifier: string, item: object) => ({
  provider,
  identifier,
  schema: `https://raw.githubusercontent.com/anchore/vunnel/main/schema/vulnerability/${kind}/schema-${version}.json`,
  item,
});
const nvd = ({ id, cvss }: Advisory) =>
  recordOf('nvd', 'nvd', '1.1.0', id, {
    cve: {
      id,
      vulnStatus: 'Analyzed',
      descriptions: [],
      references: [],
      metrics: {
        cvssMetricV31: cvss && [
          {
            source: 'nvd@nist.gov',
            type: 'Primary',
            cvssData: { version: '3.1', vectorString: cvss.vector, baseScore: cvss.score },
          },
        ],
      },
    },
  });
const distribution = (
  namespace: string,
  { id, package: name, fixed, severity }: Advisory,
  cves: string[],
) => ({
  Vulnerability: {
    Name: id,
    NamespaceName: namespace,
    Severity: severity,
    Metadata: { CVE: cves.map((Name) => ({ Name })) },
    FixedIn: [
      {
        Name: name,
        NamespaceName: namespace,
        Version: fixed ?? 'None',
        VersionFormat: namespace.startsWith('debian') ? 'dpkg' : 'rpm',
        VendorAdvisory: { NoAdvisory: fixed === null, AdvisorySummary: [] },
      },
    ],
  },
});
const ofDebian = (advisory: Advisory) =>
  recordOf('debian', 'os', '1.1.0', advisory.id, distribution('debian:12', advisory, []));
/** Amazon's advisories have names of their own, and are about any number of CVEs. */
const ofAmazon = (advisory: Advisory, id: string, cves: string[]) =>
  recordOf('amazon', 'os', '1.1.0', id, distribution('amzn:2023', { ...advisory, id }, cves));
const extras = ({ id, epss, kev }: Advisory) => [
  ...(kev ? [recordOf('kev', 'known-exploited', '1.0.0', id, { cveID: id, ...kev })] : []),
  ...(epss ? [recordOf('epss', 'epss', '1.0.0', id, { cve: id, epss, date: '2026-11-28' })] : []),
];

describe.runIf(available(grype) && available(database))('Grype reads the bill of materials', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'drover-test-'));
    vi.stubEnv('GRYPE_DB_CACHE_DIR', join(directory, 'cache'));
    vi.stubEnv('GRYPE_DB_AUTO_UPDATE', 'false');
    vi.stubEnv('GRYPE_CHECK_FOR_APP_UPDATE', 'false');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(directory, { recursive: true });
  });

  function imports(records: object[]): void {
    const [list, output] = [join(directory, 'records.json'), join(directory, 'database')];
    writeFileSync(list, JSON.stringify(records));
    mkdirSync(output);
    execFileSync(database.command, [list, output], { stdio: 'ignore' });
    const archive = readdirSync(output).find((name) => name.endsWith('.tar.gz'))!;
    execFileSync(grype.command, ['db', 'import', join(output, archive)], { stdio: 'ignore' });
  }
  async function sbom(subject = debian): Promise<string> {
    const path = join(directory, 'sbom.cdx.json');
    writeFileSync(path, await sbomOf(subject));
    return path;
  }
  /** As the README has it. */
  const run = async (subject = debian, ...options: string[]) =>
    runScanner(
      {
        format: 'grype',
        argv: [grype.command, 'sbom:{sbom}', '-o', 'json', ...options],
        timeoutMs: 60_000,
      },
      { sbomPath: await sbom(subject), imageId: 'ami-1' },
    );

  test('with the distribution and every package as dpkg has it', async () => {
    imports(fixedIn(['acl', '2.3.1-4']).map(ofDebian));
    const { text } = await run();
    expect(JSON.parse(text).distro).toMatchObject({ name: 'debian', version: '12' });
    const words = [`sbom:${await sbom()}`, '-o', 'cyclonedx-json'];
    const { components } = JSON.parse(
      execFileSync(grype.command, words, { encoding: 'utf8', stdio: 'pipe' }),
    );
    const packages = components
      .filter(({ type }: { type: string }) => type === 'library')
      .map(({ name, version }: { name: string; version: string }) => [name, version]);
    expect(packages.sort()).toEqual(installed.map(([name, version]) => [name, version]).sort());
  });
  test('and finds what is known of a source package until the very version that fixes it', async () => {
    imports(boundaries.advisories.map(ofDebian));
    expect(foundIn(await run())).toEqual(boundaries.found);
  });
  test('of Amazon Linux, whose advisories are about packages as they are installed, and several CVEs', async () => {
    const [bash, openssl] = fixedIn(
      ['bash', '5.2.15-1.amzn2023.0.2'],
      ['openssl-libs', '1:3.0.8-1.amzn2023.0.11'],
    );
    const [exploited] = advisories.filter(({ kev }) => kev);
    imports([
      ...extras(exploited!),
      ofAmazon(bash!, 'ALAS2023-2026-1000', [bash!.id]),
      ofAmazon(openssl!, 'ALAS2023-2026-1001', [openssl!.id, exploited!.id]),
    ]);
    const answer = await run(amazonLinux);
    const found = ['openssl-libs', 'openssl', '1:3.0.8-1.amzn2023.0.10', '1:3.0.8-1.amzn2023.0.11', 'high'];
    expect(foundIn(answer)).toEqual([found, found]);
    expect(answer.report.sightings.map(({ id, kev }) => [id, kev !== null])).toEqual([
      [openssl!.id, false],
      [exploited!.id, true],
    ]);
  });
  test('and prints of true advisories what is recorded', async () => {
    imports([...advisories.map(nvd), ...advisories.flatMap(extras), ...advisories.map(ofDebian)]);
    const { text } = await run();
    const { descriptor, ...found } = JSON.parse(text);
    const { configuration: _, db, ...program } = descriptor;
    const { path: __, ...status } = db.status;
    const printed = { ...found, descriptor: { ...program, db: { ...db, status } } };
    const { descriptor: before, ...known } = recorded(`grype-${program.version}-debian-12.json`, printed);
    expect(found).toEqual(known);
    expect(Object.keys(before.db.providers)).toEqual(Object.keys(db.providers));
  });
  test('and has no word for a distribution that its database lacks', async () => {
    imports(fixedIn(['acl', '2.3.1-4']).map(ofDebian));
    await expect(run(amazonLinux)).rejects.toThrow('Grype has no advisories for amazonlinux');
    const unknown = { ...debian, osRelease: { ID: 'wonder', VERSION_ID: '1' } };
    await expect(run(unknown)).rejects.toThrow('Grype has no advisories for wonder');
  });
  test('and fails, and says why, without a database and with one that is too old', async () => {
    await expect(run()).rejects.toThrow('failed to load vulnerability db: database does not exist');
    imports(fixedIn(['acl', '2.3.1-4']).map(ofDebian));
    vi.stubEnv('GRYPE_DB_MAX_ALLOWED_BUILT_AGE', '1ns');
    await expect(run()).rejects.toThrow('the vulnerability database was built');
  });
  test('and fails where it is told to judge, which is for the policies', async () => {
    imports(fixedIn(['acl', '2.3.1-4']).map(ofDebian));
    await expect(run(debian, '--fail-on', 'low')).rejects.toThrow('at or above the severity threshold');
  });
});
