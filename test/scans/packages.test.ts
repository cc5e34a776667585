import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseRelease } from '../../scans/apt.ts';
import { parseDpkgStatus, parseOsRelease } from '../../scans/dpkg.ts';
import { licencesOf, renderSbom } from '../../scans/sbom.ts';
import { parseArchiveNames, scannerCommand } from '../../scans/scanner-disk.ts';
import { parsePolicy, reportOf } from '../../scans/updates.ts';
import { imageRecord } from '../image-record.ts';

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');

describe('the dpkg status file', () => {
  const packages = parseDpkgStatus(fixture('dpkg-status'));
  test('lists what is installed, in order, and nothing else', () => {
    expect(packages.map(({ name, version }) => `${name} ${version}`)).toEqual([
      'adduser 3.134',
      'libacl1 2.3.1-3+b1',
      'zlib1g 1:1.2.13.dfsg-1',
    ]);
  });
  test('names the source package and its own version', () => {
    expect(packages.map(({ source, sourceVersion }) => `${source} ${sourceVersion}`)).toEqual([
      'adduser 3.134',
      'acl 2.3.1',
      'zlib 1:1.2.13.dfsg-1',
    ]);
  });
  test.each(['', 'Package: x\nStatus: deinstall ok config-files\n', '<html>not found</html>'])(
    'that lists no installed package is an error: %j',
    (text) => {
      expect(() => parseDpkgStatus(text)).toThrow('no installed package');
    },
  );
  test('with an incomplete entry is an error', () => {
    expect(() => parseDpkgStatus('Package: x\nStatus: install ok installed\nVersion: 1\n')).toThrow("'x'");
  });
});

test('os-release values are read with and without quotes', () => {
  expect(parseOsRelease('ID=debian\nPRETTY_NAME="Debian 12"\nVERSION_ID=\'12\'\n# comment\n')).toEqual({
    ID: 'debian',
    PRETTY_NAME: 'Debian 12',
    VERSION_ID: '12',
  });
});

describe('the bill of materials', () => {
  const image = imageRecord({
    id: 'img-1',
    disk: { name: 'disk', path: 'image/disk.qcow2', sha256: 'a'.repeat(64), bytes: 1, format: 'qcow2' },
  });
  const input = {
    image,
    osRelease: { ID: 'debian', VERSION_ID: '12' },
    digests: { libacl1: 'b'.repeat(64) },
    type: 'deb' as const,
    packages: parseDpkgStatus(fixture('dpkg-status')),
    licences: new Map([['zlib1g', ['Zlib']]]),
  };
  test('is valid CycloneDX with one component per package', async () => {
    const bom = JSON.parse(await renderSbom(input));
    expect(bom.specVersion).toBe('1.6');
    expect(bom.metadata.component['bom-ref']).toBe('image:img-1');
    const packages = packagesOf(bom);
    expect(packages.map(({ purl }) => purl)).toEqual([
      'pkg:deb/debian/adduser@3.134?arch=all&distro=debian-12&upstream=adduser',
      'pkg:deb/debian/libacl1@2.3.1-3+b1?arch=amd64&distro=debian-12&upstream=acl%402.3.1',
      'pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12&upstream=zlib',
    ]);
    expect(packages.map(({ hashes }) => hashes)).toEqual([
      undefined,
      [{ alg: 'SHA-256', content: 'b'.repeat(64) }],
      undefined,
    ]);
    expect(packages[2]!.licenses).toEqual([{ license: { name: 'Zlib', acknowledgement: 'declared' } }]);
  });
  test('names the distribution once, in the component where scanners look for it', async () => {
    const bom = JSON.parse(await renderSbom(input));
    const systems = [bom.metadata.component, ...bom.components].filter(
      ({ type }: { type: string }) => type === 'operating-system',
    );
    expect(systems).toEqual([
      {
        type: 'operating-system',
        'bom-ref': 'os:debian-12',
        name: 'debian',
        version: '12',
        swid: { tagId: 'debian', name: 'debian', version: '12' },
      },
    ]);
    expect(bom.dependencies).toContainEqual({
      ref: 'os:debian-12',
      dependsOn: packagesOf(bom).map((component) => component['bom-ref']),
    });
  });
  test('names the source of a signed kernel as advisories do, and dpkg’s beside it', async () => {
    const kernel = {
      ...input.packages[0]!,
      name: 'linux-image-6.1.0-56-cloud-amd64',
      version: '6.1.172-1',
      source: 'linux-signed-amd64',
      sourceVersion: '6.1.172+1',
    };
    const [component] = packagesOf(JSON.parse(await renderSbom({ ...input, packages: [kernel] })));
    expect(component!.purl).toContain('&upstream=linux');
    expect(component!.purl).not.toContain('signed');
    const properties = Object.fromEntries(component!.properties!.map(({ name, value }) => [name, value]));
    expect(properties).toMatchObject({
      'drover:deb:source': 'linux-signed-amd64',
      'drover:deb:source-version': '6.1.172+1',
      'aquasecurity:trivy:SrcName': 'linux',
      'aquasecurity:trivy:SrcVersion': '6.1.172',
      'aquasecurity:trivy:SrcRelease': '1',
    });
  });
  test("gives the source package also in Trivy's properties, its version in parts", async () => {
    const [, libacl, zlib] = packagesOf(JSON.parse(await renderSbom(input)));
    const forTrivy = ({ properties = [] }: BomComponent) =>
      properties
        .filter(({ name }) => name.startsWith('aquasecurity:'))
        .map(({ name, value }) => [name, value]);
    expect(forTrivy(libacl!)).toEqual([
      ['aquasecurity:trivy:SrcName', 'acl'],
      ['aquasecurity:trivy:SrcVersion', '2.3.1'],
    ]);
    expect(forTrivy(zlib!)).toEqual([
      ['aquasecurity:trivy:SrcEpoch', '1'],
      ['aquasecurity:trivy:SrcName', 'zlib'],
      ['aquasecurity:trivy:SrcRelease', '1'],
      ['aquasecurity:trivy:SrcVersion', '1.2.13.dfsg'],
    ]);
  });
  test('of the same image has the same bytes, whatever the order of the packages', async () => {
    const shuffled = { ...input, packages: [...input.packages].reverse() };
    expect(await renderSbom(shuffled)).toBe(await renderSbom(input));
  });
  test('takes licences from machine-readable copyright files only', () => {
    const format = 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n';
    expect(
      licencesOf(
        `${format}\nFiles: *\nLicense: GPL-2+\n text\n\nFiles: x\nLicense: BSD-3-clause\n\nLicense: GPL-2+\n long`,
      ),
    ).toEqual(['BSD-3-clause', 'GPL-2+']);
    expect(licencesOf('This package is under the GPL.\nFiles: *\nLicense: GPL\n')).toEqual([]);
  });
});

interface BomComponent {
  type: string;
  'bom-ref': string;
  purl?: string;
  hashes?: object[];
  licenses?: object[];
  properties?: { name: string; value: string }[];
}
const packagesOf = (bom: { components: BomComponent[] }): BomComponent[] =>
  bom.components.filter(({ type }) => type === 'library');

describe('missing updates', () => {
  const installed = (name: string, version: string) => ({
    name,
    version,
    architecture: 'amd64',
    source: name,
    sourceVersion: version,
    maintainer: null,
    homepage: null,
    summary: null,
  });
  const packages = [
    installed('bash', '5.2.15-2+b8'),
    installed('libc6', '2.36-9+deb12u14'),
    installed('nodejs', '20.20.2-1nodesource1+repack1'),
    installed('openssl', '3.0.19-1~deb12u2'),
  ];
  const policy = parsePolicy(fixture('apt-policy.txt'));
  const report = reportOf(packages, policy, []);

  test('are those a security suite offers in a newer version', () => {
    expect(report.security).toEqual([
      {
        package: 'openssl',
        source: 'openssl',
        installed: '3.0.19-1~deb12u2',
        available: '3.0.22-1~deb12u2',
        suite: 'bookworm-security',
        brings: null,
        cves: null,
        severity: null,
      },
    ]);
  });
  test('of other suites are told apart', () => {
    expect(report.other.map((update) => update.package)).toEqual(['bash']);
  });
  test('cannot be told for a version no index knows, which is named', () => {
    expect(report.unknown).toEqual(['nodejs']);
  });
  test('fail when apt leaves a package out', () => {
    expect(() => reportOf([...packages, installed('sudo', '1.9')], policy, [])).toThrow(
      'no answer about sudo:amd64 1.9',
    );
  });
  test('fail when apt speaks of another version than the image has', () => {
    expect(() => reportOf([installed('bash', '5.2.15-2+b9')], policy, [])).toThrow('no answer about bash');
  });
  test('fail when apt says nothing at all', () => {
    expect(() => reportOf(packages, parsePolicy(''), [])).toThrow('no answer');
  });
});

describe('a Release file', () => {
  test('gives suite and times', () => {
    expect(
      parseRelease(
        'Origin: Debian\nLabel: Debian-Security\nSuite: oldstable-security\nCodename: bookworm-security\nDate: Fri, 20 Nov 2026 00:12:41 UTC\nValid-Until: Fri, 27 Nov 2026 00:12:41 UTC\n',
      ),
    ).toEqual({
      suite: 'bookworm-security',
      label: 'Debian-Security',
      date: '2026-11-20T00:12:41.000Z',
      validUntil: '2026-11-27T00:12:41.000Z',
    });
  });
  test('without a date is an error', () => {
    expect(() => parseRelease('Suite: stable\n')).toThrow('no date');
  });
});

describe('the scanner disk', () => {
  test('is named by every package apt would fetch', () => {
    expect(
      parseArchiveNames(
        "Reading package lists...\n'http://mirror.example/p/oscap.deb' openscap-scanner_1.3.7_amd64.deb 67896 SHA256:0\n'http://mirror.example/g/l.deb' libcap2_1%3a2.66-4_amd64.deb 27708 SHA256:0\n",
      ),
    ).toEqual(['libcap2=1:2.66-4', 'openscap-scanner=1.3.7']);
  });
  test('cannot be made of nothing', () => {
    expect(() => parseArchiveNames('Reading package lists...\n')).toThrow('no package');
  });
  test('runs its programs with its own loader', () => {
    expect(scannerCommand('/s', 'usr/bin/oscap')[0]).toBe('/s/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2');
  });
});
