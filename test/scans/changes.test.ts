import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../pipeline/clock.ts';
import {
  cvesSince,
  debianEntries,
  debianFixes,
  type FixesOf,
  installedChangelog,
  rpmFixes,
} from '../../scans/changelogs.ts';
import { type Changes, changesOfPackages, summaryOf, writeChanges } from '../../scans/changes.ts';
import type { InstalledPackage } from '../../scans/dpkg.ts';

const clock: Clock = { now: () => Date.UTC(2026, 10, 24), sleep: async () => {} };
const changelog = `openssl (3.0.22-1~deb12u2) bookworm-security; urgency=medium

  * Fix CVE-2026-0002 and again CVE-2026-0001.

 -- A Maintainer <a@example.org>  Fri, 20 Nov 2026 10:00:00 +0000

openssl (3.0.22-1~deb12u1) bookworm-security; urgency=medium

  * CVE-2026-0001

 -- A Maintainer <a@example.org>  Wed, 18 Nov 2026 10:00:00 +0000

openssl (3.0.20-1~deb12u2) bookworm-security; urgency=medium

  * CVE-2025-9999

 -- A Maintainer <a@example.org>  Mon, 02 Feb 2026 10:00:00 +0000
`;

describe('the CVEs of a changelog', () => {
  const newer =
    (...versions: string[]) =>
    async (version: string) =>
      versions.includes(version);
  const entries = debianEntries(changelog);
  test('are those of the entries newer than a version, each once', async () => {
    const since = newer('3.0.22-1~deb12u2', '3.0.22-1~deb12u1');
    expect(await cvesSince(entries, since)).toEqual(['CVE-2026-0001', 'CVE-2026-0002']);
  });
  test('end with the newest entry where that alone is newer', async () => {
    expect(await cvesSince(entries, newer('3.0.22-1~deb12u2'))).toEqual(['CVE-2026-0001', 'CVE-2026-0002']);
    expect(await cvesSince(entries, newer())).toEqual([]);
  });
  test('are not known where it is cut off before that version', async () => {
    const all = newer('3.0.22-1~deb12u2', '3.0.22-1~deb12u1', '3.0.20-1~deb12u2');
    expect(await cvesSince(entries, all)).toBeNull();
    expect(await cvesSince(debianEntries(''), all)).toBeNull();
  });
  test('are not known of a signed kernel whose changelog says no more than that', async () => {
    const before = { version: '3.0.20-1~deb12u2', sourceVersion: '3.0.20-1~deb12u2' };
    const fixesBy = (text: string) => debianFixes(async () => text)('linux-image-cloud-amd64', before);
    const signed = '* Sign kernel from linux 6.12.118-1';
    expect(await fixesBy(changelog.replaceAll(/\* .*/g, signed))).toBeNull();
    // As Debian 13's does, of all versions.
    expect(await fixesBy(changelog.replace('* ', `${signed}\n\n  * `))).toEqual([
      'CVE-2026-0001',
      'CVE-2026-0002',
    ]);
  });
  test.each([
    ['1:3.0.8-1.amzn2023.0.9', ['CVE-2024-0727']],
    ['1:3.0.8-1.amzn2023.0.11', []],
    ['1:3.0.8-1.amzn2023.0.3', null],
  ])(
    'of an rpm are those above the entry of %s, whether or not that gives the epoch',
    async (version, cves) => {
      // As rpm(8) describes it, not recorded.
      const text = `* Mon Feb 12 2024 A Name <a@example.org> - 1:3.0.8-1.amzn2023.0.11
- Fix CVE-2024-0727

* Wed Nov 15 2023 A Name <a@example.org> - 3.0.8-1.amzn2023.0.9
- Fix CVE-2023-5678
  * and more

`;
      const fixesOf = rpmFixes(async () => text);
      expect(await fixesOf('openssl-libs', { version, sourceVersion: version })).toEqual(cves);
    },
  );
});

describe('what changed since the release before', () => {
  let directory: string;

  const write = (path: string, data: string | Uint8Array | object) => {
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true });
    const raw = typeof data === 'string' || data instanceof Uint8Array;
    writeFileSync(file, raw ? data : JSON.stringify(data));
  };
  const component = (name: string, version: string, source: string) => ({
    name,
    version,
    properties: [
      { name: 'drover:deb:source', value: source },
      { name: 'drover:deb:source-version', value: version },
    ],
  });
  const installed = (name: string, version: string, source: string): InstalledPackage => ({
    name,
    version,
    architecture: 'amd64',
    source,
    sourceVersion: version,
    maintainer: null,
    homepage: null,
    summary: null,
  });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'drover-test-'));
    write('before/sbom.cdx.json', {
      components: [
        component('libssl3', '3.0.20-1~deb12u2', 'openssl'),
        component('openssl', '3.0.20-1~deb12u2', 'openssl'),
        component('gone', '1', 'gone'),
        component('same', '1', 'same'),
      ],
    });
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const previous = () => ({ release: 'r-1', directory: join(directory, 'before') });
  const compare = (fixesOf: FixesOf = async () => null) =>
    changesOfPackages(
      previous(),
      [
        installed('libssl3', '3.0.22-1~deb12u2', 'openssl'),
        installed('openssl', '3.0.22-1~deb12u2', 'openssl'),
        installed('new', '1', 'new'),
        installed('same', '1', 'same'),
      ],
      fixesOf,
    );

  test('is which packages came, went and were upgraded, and what the upgrades fix', async () => {
    write('root/usr/share/doc/libssl3/changelog.Debian.gz', gzipSync(changelog));
    const cves = ['CVE-2026-0001', 'CVE-2026-0002'];
    const upgraded = { from: '3.0.20-1~deb12u2', to: '3.0.22-1~deb12u2', cves };
    const fixesOf = debianFixes((name) => installedChangelog(join(directory, 'root'), name));
    expect(await compare(fixesOf)).toEqual({
      added: [{ package: 'new', version: '1' }],
      removed: [{ package: 'gone', version: '1' }],
      // The second package of the source brings no changelog of its own.
      upgraded: [
        { package: 'libssl3', ...upgraded },
        { package: 'openssl', ...upgraded },
      ],
    });
  });
  test('leaves unknown what no changelog says', async () => {
    const { upgraded } = await compare();
    expect(upgraded.map(({ cves }) => cves)).toEqual([null, null]);
  });
  test('is an error where the release before has no bill of materials', async () => {
    rmSync(join(directory, 'before/sbom.cdx.json'));
    await expect(compare()).rejects.toThrow('sbom.cdx.json');
  });

  describe('written down', () => {
    const context = () => ({
      imageId: 'img-2',
      releaseDir: directory,
      outputDir: join(directory, 'now'),
      clock,
    });
    test('also says which findings and rules differ', async () => {
      write('now/contents.json', { changes: await compare() });
      write('before/vulnerabilities.json', { findings: [{ id: 'CVE-1', package: 'a' }] });
      write('now/vulnerabilities.json', { findings: [{ id: 'CVE-2', package: 'a' }] });
      const rule = (id: string, result: string) => ({ id, result });
      write('before/compliance.json', { rules: [rule('x', 'fail'), rule('y', 'pass'), rule('old', 'pass')] });
      write('now/compliance.json', { rules: [rule('x', 'pass'), rule('y', 'pass'), rule('new', 'fail')] });
      const { changes, artifact } = (await writeChanges(context(), previous()))!;
      expect(changes).toMatchObject({
        since: 'r-1',
        findings: { gone: ['CVE-1 a'], appeared: ['CVE-2 a'] },
        rules: [
          { id: 'x', from: 'fail', to: 'pass' },
          { id: 'new', from: 'not selected', to: 'fail' },
          { id: 'old', from: 'pass', to: 'not selected' },
        ],
      });
      expect(artifact.path).toBe('now/changes.json');
      expect(summaryOf(changes)).toBe(
        'since r-1: 1 package added, 1 package removed, 2 packages upgraded, 2 upgrades without a changelog that says what is fixed, 1 finding new, 1 finding gone, 3 rules judged differently',
      );
    });
    test('is nothing where the packages could not be compared', async () => {
      expect(await writeChanges(context(), previous())).toBeNull();
    });
  });

  test('may be nothing', () => {
    const nothing: Changes = {
      schema: 'drover/changes@1',
      since: 'r-1',
      packages: { added: [], removed: [], upgraded: [] },
      cvesFixed: [],
      findings: { gone: [], appeared: [] },
      rules: [],
    };
    expect(summaryOf(nothing)).toBe('since r-1: nothing changed');
  });
});
