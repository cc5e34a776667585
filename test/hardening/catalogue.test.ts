import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { changesOf, chooseRows, type Row, rowSchema } from '../../hardening/catalogue.ts';
import { renderHardening } from '../../hardening/render.ts';

const row = (given: Partial<Row> & Pick<Row, 'desired'>): Row =>
  rowSchema.parse({ id: 'forwarding', kind: 'sysctl', rules: ['ip_forward'], ...given });

/** A value of the content, as a row names it. */
const value = (name: string) => `$\{${name}}`.replace('\\', '');

const choose = (rows: Row[], { from = 'catalogue', more = [] as Row[] } = {}) =>
  chooseRows(
    [
      { from, file: 'catalogue.yaml', path: ['rows'], rows },
      { from: 'role web', file: 'profile.yaml', path: ['roles', 'web', 'rows'], rows: more },
    ],
    {
      distribution: 'debian-12',
      isKnown: (rule) => rule !== 'no_such_rule',
      isWanted: (rule) => rule === 'ip_forward',
      lookUp: (name) => (name === 'forwarding_value' ? '0' : undefined),
    },
  );

describe('choosing rows', () => {
  const off = row({ desired: { 'net.ipv4.ip_forward': value('forwarding_value') } });

  test("puts the content's values in, and keeps the rules that are selected", () => {
    const { rows, faults } = choose([{ ...off, rules: ['ip_forward', 'another'] }]);
    expect(faults).toEqual([]);
    expect(rows).toEqual([
      {
        id: 'forwarding',
        kind: 'sysctl',
        from: 'catalogue',
        rules: ['ip_forward'],
        controls: [],
        desired: { 'net.ipv4.ip_forward': '0' },
      },
    ]);
  });
  test('leaves out a row nobody asks for, and one for another distribution', () => {
    expect(
      choose([
        { ...off, rules: ['another'] },
        { ...off, only: ['debian-13'] },
      ]).rows,
    ).toEqual([]);
  });
  test('takes a role at its word: its rows need no rule', () => {
    const { rows } = choose([], { more: [row({ rules: [], desired: { 'net.ipv4.ip_forward': '1' } })] });
    expect(rows.map(({ from }) => from)).toEqual(['role web']);
  });
  test('says where two rows contradict each other, at the later one', () => {
    const { faults } = choose([off], {
      more: [row({ id: 'router', rules: [], desired: { 'net.ipv4.ip_forward': '1' } })],
    });
    expect(faults).toEqual([
      {
        file: 'profile.yaml',
        path: ['roles', 'web', 'rows', 0, 'desired', 'net.ipv4.ip_forward'],
        message: "'1' contradicts '0' of the row forwarding (catalogue)",
      },
    ]);
  });
  test.each([
    ['a rule the content does not have', { rules: ['no_such_rule'] }, "no rule 'no_such_rule'"],
    ['a value the content does not have', { desired: { 'a.b': value('nothing') } }, "no value 'nothing'"],
    ['a name its kind does not know', { desired: { forwarding: '0' } }, "a parameter's dotted name"],
    [
      'a value its kind does not know',
      { kind: 'service' as const, desired: { 'a.service': 'on' } },
      'enabled',
    ],
  ])('refuses %s', (_, given, message) => {
    const { faults } = choose([row({ desired: {}, rules: ['ip_forward'], ...given })]);
    expect(faults.map((it) => it.message).join()).toContain(message);
  });
});

describe('what an image is handed', () => {
  const directory = join(mkdtempSync(join(tmpdir(), 'hardening-')), 'out');
  const { rows } = choose([
    row({ desired: { 'net.ipv4.ip_forward': '0' } }),
    row({ id: 'a', kind: 'package', desired: { nftables: 'installed', ufw: 'absent' } }),
    row({ id: 'b', kind: 'sshd', desired: { PermitRootLogin: 'no' } }),
    row({ id: 'c', kind: 'service', desired: { 'nftables.service': 'enabled' } }),
  ]);
  const list = (name: string) => readFileSync(join(directory, name), 'utf8');

  test('is a tree of whole files with their modes, lists of the rest, and one script', async () => {
    await renderHardening(directory, changesOf(rows));
    expect(list('packages')).toBe('nftables\nufw-\n');
    expect(list('units')).toBe('enabled nftables.service\n');
    expect(list('files').split('\n')).toContain('0600 etc/ssh/sshd_config');
    expect(statSync(join(directory, 'tree/etc/ssh/sshd_config')).mode & 0o777).toBe(0o600);
    expect(list('tree/etc/sysctl.d/90-drover.conf')).toContain('net.ipv4.ip_forward = 0\n');
  });
  test('is whole also for a profile without rows', async () => {
    const empty = join(directory, '../empty');
    await renderHardening(empty, []);
    expect(readdirSync(empty).sort()).toEqual([
      'absent',
      'apply.sh',
      'files',
      'groups',
      'modes',
      'mounts',
      'packages',
      'shells',
      'units',
    ]);
  });
  test('is carried out by a POSIX shell', () => {
    const script = join(import.meta.dirname, '../../hardening/apply.sh');
    const dash = existsSync('/bin/dash') ? '/bin/dash' : '/bin/sh';
    execFileSync(dash, ['-n', script]);
    expect(readFileSync(script, 'utf8')).toMatch(/^#!\/bin\/sh\n/);
  });
});
