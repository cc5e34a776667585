/**
 * The whole Trivy reads Drover's bill of materials: the same distribution, packages, versions and source packages, so that
 * what an advisory says of a source package is found, and nothing else is; and what it prints and how it fails is read as
 * it is meant. Its database is one of its own format (trivy/main.go); .ci/scanners.sh builds both.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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

const remedy = '.ci/scanners.sh builds it; name both programs in DROVER_TRIVY and DROVER_TRIVY_DB.';
const trivy = { name: 'trivy', command: process.env.DROVER_TRIVY ?? 'trivy', probe: ['--version'], remedy };
const database = { name: 'trivy', command: process.env.DROVER_TRIVY_DB ?? 'trivy-db', probe: [], remedy };

/** trivy-db's pkg/types: severities count from 'unknown', and what Debian calls negligible is low. */
const severities = { Negligible: 1, Medium: 2, High: 3 };
const ofScore = (score: number) => [0, 0.1, 4, 7, 9].findLastIndex((least) => score >= least);
const willNotFix = 5;
const record =
  (bucket: string, source: string) =>
  ({ id, package: name, fixed, severity, cvss }: Advisory) => ({
    ...{ bucket, source, package: name, id },
    advisory:
      fixed === null ? { Status: willNotFix, Severity: severities[severity] } : { FixedVersion: fixed },
    vulnerability: cvss
      ? {
          VendorSeverity: { nvd: ofScore(cvss.score) },
          CVSS: { nvd: { V3Vector: cvss.vector, V3Score: cvss.score } },
        }
      : { VendorSeverity: { [source]: severities[severity] } },
  });
const ofDebian = record('debian 12', 'debian');
const ofAmazon = record('amazon linux 2023', 'amazon');

describe.runIf(available(trivy) && available(database))('Trivy reads the bill of materials', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'drover-test-'));
    vi.stubEnv('TRIVY_CACHE_DIR', join(directory, 'cache'));
    vi.stubEnv('TRIVY_SKIP_DB_UPDATE', 'true');
    vi.stubEnv('TRIVY_OFFLINE_SCAN', 'true');
    vi.stubEnv('TRIVY_SKIP_VERSION_CHECK', 'true');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(directory, { recursive: true });
  });

  function knows(records: object[]): void {
    const list = join(directory, 'advisories.json');
    writeFileSync(list, JSON.stringify(records));
    execFileSync(database.command, [list, join(directory, 'cache')], { stdio: 'ignore' });
  }
  async function run(subject = debian, change = (sbom: string) => sbom) {
    const sbomPath = join(directory, 'sbom.cdx.json');
    writeFileSync(sbomPath, change(await sbomOf(subject)));
    const argv = [trivy.command, 'sbom', '--format', 'json', '{sbom}'];
    return runScanner({ format: 'trivy', argv, timeoutMs: 60_000 }, { sbomPath, imageId: 'ami-1' });
  }
  const packagesIn = (text: string) =>
    JSON.parse(text)
      .Results[0].Packages.map((it: Record<string, never>) => [
        it.Name,
        versionOf(it.Epoch, it.Version!, it.Release),
        it.SrcName,
        versionOf(it.SrcEpoch, it.SrcVersion!, it.SrcRelease),
      ])
      .sort();
  const versionOf = (epoch: number | undefined, version: string, release: string | undefined) =>
    `${epoch ? `${epoch}:` : ''}${version}${release ? `-${release}` : ''}`;

  test('with the distribution and every package as dpkg has it', async () => {
    knows([]);
    const { text } = await run();
    expect(JSON.parse(text).Metadata.OS).toEqual({ Family: 'debian', Name: '12' });
    const advised = installed.map(([name, version, source, sourceVersion]) =>
      source === 'linux-signed-amd64'
        ? [name, version, 'linux', version]
        : [name, version, source, sourceVersion],
    );
    expect(packagesIn(text)).toEqual(advised.sort());
  });
  test('and finds what is known of a source package until the very version that fixes it', async () => {
    knows(boundaries.advisories.map(ofDebian));
    expect(foundIn(await run())).toEqual(boundaries.found);
  });
  test('of Amazon Linux, whose advisories are about packages as they are installed', async () => {
    const fixes = fixedIn(['bash', '5.2.15-1.amzn2023.0.2'], ['openssl-libs', '1:3.0.8-1.amzn2023.0.11']);
    knows(fixes.map(ofAmazon));
    const answer = await run(amazonLinux);
    expect(JSON.parse(answer.text).Metadata.OS).toEqual({ Family: 'amazon', Name: '2023' });
    expect(foundIn(answer)).toMatchObject([
      ['openssl-libs', expect.anything(), '1:3.0.8-1.amzn2023.0.10', '1:3.0.8-1.amzn2023.0.11', 'high'],
    ]);
  });
  test('and prints of true advisories what is recorded', async () => {
    knows(advisories.map(ofDebian));
    await run();
    // By a path that is the same every time, since it is in the report and in its fingerprints.
    const words = ['sbom', '--format', 'json', 'sbom.cdx.json'];
    const text = execFileSync(trivy.command, words, { cwd: directory, encoding: 'utf8', stdio: 'pipe' });
    const printed = JSON.parse(text);
    const before = recorded(`trivy-${printed.Trivy.Version}-debian-12.json`, printed);
    expect({ ...printed, ReportID: before.ReportID, CreatedAt: before.CreatedAt }).toEqual(before);
  });
  test('and has no word for a distribution that it does not know', async () => {
    knows(fixedIn(['acl', '2.3.1-4']).map(ofDebian));
    const unknown = { ...debian, osRelease: { ID: 'wonder', VERSION_ID: '1' } };
    await expect(run(unknown)).rejects.toThrow('Trivy recognized nothing');
  });
  test('and fails, and says why, without a database', async () => {
    await expect(run()).rejects.toThrow(
      'database error: --skip-db-update cannot be specified on the first run',
    );
  });
  test('and with packages of another distribution than that of the system, looks at none', async () => {
    knows([]);
    const ofAnother = (sbom: string) => sbom.replaceAll('pkg:deb/debian/', 'pkg:deb/ubuntu/');
    await expect(run(debian, ofAnother)).rejects.toThrow('Trivy looked at no package of the system');
  });
});
