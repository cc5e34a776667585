import { describe, expect, it } from 'vitest';
import { isoWeek } from '../../packer/base-disk.ts';
import { parseTargets, serverOf, sourcesList } from '../../packer/debian-archive.ts';

const known = parseTargets(`http://mirror.example/debian/ trixie
http://mirror.example/debian/ trixie-updates
http://security.example/debian-security/ trixie-security
http://packages.example/apt cloud-sdk-trixie
http://flat.example/repo ./
`);

describe("finding Debian's archive in a machine's apt sources", () => {
  it('reads the targets apt lists, without flat repositories', () => {
    expect(known.map((it) => it.suite)).toEqual([
      'trixie',
      'trixie-updates',
      'trixie-security',
      'cloud-sdk-trixie',
    ]);
    expect(known[0]?.uri).toBe('http://mirror.example/debian');
  });
  it('takes the source of the very suite', () => {
    expect(serverOf('trixie-updates', known)).toBe('http://mirror.example/debian');
  });
  it("takes another release's source of the same archive", () => {
    expect(serverOf('sid', known)).toBe('http://mirror.example/debian');
    expect(serverOf('bookworm-security', known)).toBe('http://security.example/debian-security');
  });
  it('knows none on a machine that is not Debian', () => {
    expect(serverOf('sid', parseTargets('http://archive.example/ubuntu noble'))).toBeUndefined();
  });
  it('ties every source to a keyring', () => {
    expect(sourcesList([{ suite: 'sid', uri: 'http://m/debian' }], '/k.gpg')).toBe(
      'deb [signed-by=/k.gpg] http://m/debian sid main\n',
    );
  });
});

describe('the week a base disk belongs to', () => {
  it.each([
    ['2026-11-22', '2026-W47'],
    ['2026-11-23', '2026-W48'],
    ['2027-01-01', '2026-W53'],
    ['2024-12-30', '2025-W01'],
  ])('%s is in %s (ISO 8601)', (day, week) => {
    expect(isoWeek(Date.parse(`${day}T12:00:00Z`))).toBe(week);
  });
});
