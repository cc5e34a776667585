/**
 * Trivy's own decoder and detector read Drover's bill of materials: the same distribution, packages, versions and source
 * packages, so that what an advisory says of a source package is found, and nothing else is. trivy/main.go says what
 * of Trivy that is; .ci/trivy.sh builds it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseDpkgStatus } from '../../scans/dpkg.ts';
import { parseRpmList } from '../../scans/rpm.ts';
import { renderSbom } from '../../scans/sbom.ts';
import { parseTrivy } from '../../scans/vulnerabilities/trivy.ts';
import { imageRecord } from '../image-record.ts';
import { available } from './optional.ts';

const trivy = {
  name: 'trivy',
  command: process.env.DROVER_TRIVY_SBOM ?? 'trivy-sbom',
  probe: [],
  remedy: '.ci/trivy.sh builds it; name it in DROVER_TRIVY_SBOM.',
};

/** Every way a version and that of its source package can differ in Debian: packages of Debian 12. */
const installed = [
  // Native; a rebuild; an epoch; an epoch that the source package has not; another name and no revision of its own.
  ['adduser', '3.134', 'adduser', '3.134'],
  ['libacl1', '2.3.1-3+b1', 'acl', '2.3.1-3'],
  ['zlib1g', '1:1.2.13.dfsg-1', 'zlib', '1:1.2.13.dfsg-1'],
  ['dmsetup', '2:1.02.185-2', 'lvm2', '2.03.16-2'],
  ['linux-image-6.1.0-56-cloud-amd64', '6.1.172-1', 'linux-signed-amd64', '6.1.172+1'],
] as const;
const status = installed
  .map(([name, version, source, sourceVersion]) =>
    [
      `Package: ${name}`,
      'Status: install ok installed',
      'Architecture: amd64',
      `Version: ${version}`,
      `Source: ${source} (${sourceVersion})\n`,
    ].join('\n'),
  )
  .join('\n');

const debian = {
  osRelease: { ID: 'debian', VERSION_ID: '12' },
  inventory: { type: 'deb' as const, packages: parseDpkgStatus(status), licences: new Map() },
  bucket: 'debian 12',
  source: 'debian',
};
const amazonLinux = {
  osRelease: { ID: 'amzn', VERSION_ID: '2023' },
  inventory: parseRpmList(
    [
      ['bash', '(none)', '5.2.15-1.amzn2023.0.2', 'x86_64', 'bash-5.2.15-1.amzn2023.0.2.src.rpm'],
      ['openssl-libs', '1', '3.0.8-1.amzn2023.0.10', 'x86_64', 'openssl-3.0.8-1.amzn2023.0.10.src.rpm'],
    ]
      .map((fields) => `${[...fields, 'Licence', 'Amazon Linux', '(none)', 'About it'].join('\t')}\n`)
      .join(''),
  ),
  bucket: 'amazon linux 2023',
  source: 'amazon',
};

describe.runIf(available(trivy))('Trivy reads the bill of materials', () => {
  const directory = mkdtempSync(join(tmpdir(), 'drover-test-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  /** @param fixes the package an advisory of that distribution is about, and the version that fixes it */
  async function report(
    { osRelease, inventory, bucket, source }: typeof debian | typeof amazonLinux,
    fixes: [string, string][],
  ): Promise<string> {
    const [sbom, list] = ['sbom.json', 'advisories.json'].map((name) => join(directory, name));
    writeFileSync(sbom!, await renderSbom({ image: imageRecord(), osRelease, digests: {}, ...inventory }));
    const advisories = fixes.map(([name, fixed], index) => ({
      ...{ bucket, source, package: name, fixed },
      ...{ id: `CVE-2026-${1000 + index}`, severity: 'HIGH' },
    }));
    writeFileSync(list!, JSON.stringify(advisories));
    return execFileSync(trivy.command, [list!, sbom!], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
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
  const foundIn = (text: string) =>
    parseTrivy(text)
      .sightings.map((it) => [it.package, it.source, it.installed, it.fixed, it.severity])
      .sort();

  test('of Debian with the distribution and every package as dpkg has it', async () => {
    const text = await report(debian, []);
    expect(JSON.parse(text).Metadata.OS).toEqual({ Family: 'debian', Name: '12' });
    const advised = installed.map(([name, version, source, sourceVersion]) =>
      source === 'linux-signed-amd64'
        ? [name, version, 'linux', version]
        : [name, version, source, sourceVersion],
    );
    expect(packagesIn(text)).toEqual(advised.sort());
  });
  test('and finds what is known of a source package until the very version that fixes it', async () => {
    const text = await report(debian, [
      ['acl', '2.3.1-3'],
      ['acl', '2.3.1-4'],
      ['adduser', '3.134'],
      ['linux', '6.1.172-1'],
      ['linux', '6.1.174-1'],
      ['lvm2', '2.03.16-2'],
      ['lvm2', '2.03.16-3'],
      ['zlib', '1:1.2.14-1'],
    ]);
    expect(foundIn(text)).toEqual([
      ['dmsetup', 'lvm2', '2:1.02.185-2', '2.03.16-3', 'high'],
      ['libacl1', 'acl', '2.3.1-3+b1', '2.3.1-4', 'high'],
      ['linux-image-6.1.0-56-cloud-amd64', 'linux', '6.1.172-1', '6.1.174-1', 'high'],
      ['zlib1g', 'zlib', '1:1.2.13.dfsg-1', '1:1.2.14-1', 'high'],
    ]);
  });
  test('of Amazon Linux, whose advisories are about packages as they are installed', async () => {
    const text = await report(amazonLinux, [
      ['bash', '5.2.15-1.amzn2023.0.2'],
      ['openssl-libs', '1:3.0.8-1.amzn2023.0.11'],
    ]);
    expect(JSON.parse(text).Metadata.OS).toEqual({ Family: 'amazon', Name: '2023' });
    expect(foundIn(text)).toMatchObject([
      ['openssl-libs', expect.anything(), '1:3.0.8-1.amzn2023.0.10', '1:3.0.8-1.amzn2023.0.11', 'high'],
    ]);
  });
});
