/** `drover harden diff`, with a small data stream in the cache in the place of the real content. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dataStream } from '../hardening/data-stream.ts';
import { type Sandbox, sandbox } from './drover.ts';

const profile = `version: 1
id: test
title: Test
content:
  distribution: debian-12
  package: ssg-debian
  minimum_version: 0.1.82
  data_stream: ssg-debian12-ds.xml
profile: cis_level1_server
`;

let box: Sandbox;
beforeEach(() => {
  box = sandbox();
  const keep = (version: string, text: string) => {
    const home = join(box.directory, 'cache/drover/hardening/ssg-debian', version);
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'ssg-debian12-ds.xml'), text);
  };
  keep('0.1.82-1', dataStream);
  keep(
    '0.1.83-1',
    dataStream.replace('package_ufw_installed" selected', 'service_nftables_enabled" selected'),
  );
  writeFileSync(join(box.directory, 'one.yaml'), profile);
  writeFileSync(
    join(box.directory, 'two.yaml'),
    `${profile}values:
  - { name: var_accounts_tmout, choice: 15_min, reason: as the benchmark says }
roles:
  base:
    rows:
      - { id: no-root, kind: sshd, desired: { PermitRootLogin: 'no' } }
`,
  );
});
afterEach(() => box.remove());

test('says which values and which facts of the image two profiles differ in', async () => {
  const { exitCode, stdout } = await box.drover('harden', 'diff', 'one.yaml', 'two.yaml');
  expect(exitCode).toBe(0);
  expect(stdout).toContain('var_accounts_tmout: 600 → 900');
  expect(stdout).toContain('sshd PermitRootLogin: nothing → no');
  expect(stdout).not.toContain('rules only');
});

test('says which rules two versions of the content differ in, as data', async () => {
  const { stdout } = await box.drover('harden', 'diff', 'one.yaml@0.1.82-1', 'one.yaml@0.1.83-1', '--json');
  expect(JSON.parse(stdout)).toEqual({
    rulesRemoved: ['package_ufw_installed'],
    rulesAdded: ['service_nftables_enabled'],
    values: [],
    facts: [],
  });
});

test.each([
  [
    'a version that is not at hand',
    'one.yaml@9.9',
    3,
    /ssg-debian 9\.9 is not in the cache; there is 0\.1\.8/,
  ],
  [
    'a profile the content does not have',
    'one.yaml#stig',
    2,
    /one\.yaml#stig: the content has no profile 'stig'\nNext: Name one of cis_level1_server/,
  ],
  ['a file that is not there', 'nowhere.yaml', 2, /there is no profile file 'nowhere\.yaml'/],
  ['no file at all', '#stig', 2, /'#stig' names no profile/],
])('refuses %s', async (_, given, code, complaint) => {
  const { exitCode, stderr } = await box.drover('harden', 'diff', 'one.yaml', given);
  expect(exitCode).toBe(code);
  expect(stderr).toMatch(complaint);
  expect(stderr).toMatch(/^Next: /m);
});
