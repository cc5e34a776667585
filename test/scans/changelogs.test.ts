import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const entry = (name: string, version: string, text: string) =>
  `${name} (${version}) unstable; urgency=medium\n\n  * ${text}\n\n -- A Name <a@example.org>  Mon, 02 Feb 2026 10:00:00 +0000\n\n`;

describe('what the changelog script takes along from an instance', () => {
  let directory: string;
  let output: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'drover-test-'));
    output = join(directory, 'output');
    mkdirSync(output);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const write = (path: string, data: string | Uint8Array) => {
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, data);
    return file;
  };
  const run = (previous: Record<string, string>) => {
    const lines = Object.entries(previous).map((line) => `${line.join(' ')}\n`);
    const system = join(directory, 'system');
    mkdirSync(system, { recursive: true });
    const words = ['scans/instance/changelogs.sh', write('previous', lines.join('')), output, system];
    return execa('sh', words, { env: { PATH: `${join(directory, 'bin')}:${process.env.PATH}` } });
  };
  const taken = (name: string) => gunzipSync(readFileSync(join(output, `${name}.gz`))).toString('utf8');

  describe('of Debian', () => {
    beforeEach(() => {
      const installed = { upgraded: '1:2-1', native: '2', same: '1', added: '1' };
      write(
        'system/var/lib/dpkg/status',
        Object.entries(installed)
          .map(
            ([name, version]) =>
              `Package: ${name}\nStatus: install ok installed\nVersion: ${version}\nArchitecture: all\nMaintainer: x\nDescription: x\n\n`,
          )
          .join(''),
      );
      for (const name of Object.keys(installed)) {
        const text = entry(name, '2', 'Fix CVE-2026-0001.');
        write(`system/usr/share/doc/${name}/changelog.gz`, gzipSync(name === 'native' ? text : "upstream's"));
        if (name !== 'native') write(`system/usr/share/doc/${name}/changelog.Debian.gz`, gzipSync(text));
      }
    });

    test('is the changelog of each package in another version than before, and of no other', async () => {
      await run({ upgraded: '1:1-1', native: '1', same: '1', removed: '1' });
      expect(readdirSync(output).sort()).toEqual(['native.gz', 'upgraded.gz']);
      expect(taken('upgraded')).toContain('upgraded (2) unstable');
      expect(taken('native')).toContain('native (2) unstable');
    });
    test('is nothing for the first image of its line', async () => {
      await run({});
      expect(readdirSync(output)).toEqual([]);
    });
    test('is only the newest part of a long one', async () => {
      const long = entry('upgraded', '2', 'Fix CVE-2026-0001.') + 'old '.repeat(1_000_000);
      write('system/usr/share/doc/upgraded/changelog.Debian.gz', gzipSync(long));
      await run({ upgraded: '1:1-1' });
      expect(taken('upgraded')).toHaveLength(1_048_576);
      expect(taken('upgraded')).toContain('CVE-2026-0001');
    });
    test('has nothing in it where the image left the documentation out', async () => {
      rmSync(join(directory, 'system/usr'), { recursive: true });
      await run({ upgraded: '1:1-1' });
      expect(taken('upgraded')).toBe('');
    });
  });

  test('of an rpm system is what rpm says, by its versions with their epochs', async () => {
    const rpm = write(
      'bin/rpm',
      `#!/bin/sh
case "$1" in
  -qa) printf 'openssl-libs 1:3.0.8-1.amzn2023.0.11\\nbash 5.2.15-1\\n' ;;
  *) echo "the changelog of $3" ;;
esac
`,
    );
    chmodSync(rpm, 0o755);
    await run({ 'openssl-libs': '1:3.0.8-1.amzn2023.0.9', bash: '5.2.15-1' });
    expect(readdirSync(output)).toEqual(['openssl-libs.gz']);
    expect(taken('openssl-libs')).toBe('the changelog of openssl-libs\n');
  });
});
