/** Every profile of the project, in every role, against the real content: it compiles, and OpenSCAP takes it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { readBenchmark } from '../../hardening/benchmark.ts';
import { ensureContent } from '../../hardening/content.ts';
import { diffMeanings } from '../../hardening/diff.ts';
import { loadProfile, type Profile } from '../../hardening/profile.ts';
import { meaningOf } from '../../hardening/tailoring.ts';
import { codenames } from '../../pipeline/image.ts';
import { judgeAnswers, questions } from '../../scans/compliance/own.ts';
import { cacheDir, clock, progress } from './workbench.ts';

// The content is a package of its own, from a mirror.
vi.setConfig({ testTimeout: 300_000 });

const room = join(import.meta.dirname, '../../hardening');
const profiles = readdirSync(room).filter((name) => name.endsWith('.yaml'));
const directory = mkdtempSync(join(tmpdir(), 'drover-profiles-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function read(file: string): Promise<{ profile: Profile; content: string; dataStream: string }> {
  const profile = loadProfile(join(room, file));
  const { file: content } = await ensureContent({ content: profile.content, cacheDir, progress });
  return { profile, content, dataStream: readFileSync(content, 'utf8') };
}
const now = clock.now();

describe.each(profiles)('%s', (file) => {
  test('compiles in every role to a tailoring from which OpenSCAP makes fixes', async () => {
    const { profile, content, dataStream } = await read(file);
    const benchmark = readBenchmark(dataStream);
    for (const role of Object.keys(profile.roles)) {
      const { tailoring, rows, selected } = meaningOf(profile, benchmark, { role, now });
      const path = join(directory, `${file}-${role}.xml`);
      writeFileSync(path, tailoring.xml);
      const fixes = execFileSync(
        'oscap',
        ['xccdf', 'generate', 'fix', '--fix-type', 'bash', '--tailoring-file', path].concat(
          '--profile',
          tailoring.remediationProfileId,
          content,
        ),
        { encoding: 'utf8', maxBuffer: 64 * 1024 ** 2, stdio: ['ignore', 'pipe', 'ignore'] },
      );
      // A rule that a row answers is not fixed by the content as well.
      const answered = new Set(rows.flatMap(({ rules }) => rules));
      const fixed = [...fixes.matchAll(/^# BEGIN fix .* for '.*_rule_([^']+)'/gm)].map(([, rule]) => rule!);
      expect(fixed.filter((rule) => answered.has(rule) || !selected.has(rule))).toEqual([]);
    }
  });
  test('names with every row the controls that the content names for its rules', async () => {
    const { profile, dataStream } = await read(file);
    const { controls } = readBenchmark(dataStream);
    const { distribution } = profile.content;
    const lacking = [...profile.catalogueRead, ...profile.overlaysRead]
      .flatMap(({ rows }) => rows)
      .filter(({ only }) => !only || only.includes(distribution))
      .map((row) => ({
        row: row.id,
        controls: row.rules
          .flatMap((rule) => controls.get(rule) ?? [])
          .filter((it) => !row.controls.includes(it)),
      }))
      .filter((it) => it.controls.length > 0);
    expect(lacking).toEqual([]);
  });
  test('on a base disk of ours needs none of the fixes of the content', async () => {
    const { profile, dataStream } = await read(file);
    if (!codenames[profile.content.distribution]) return;
    const { tailoring } = meaningOf(profile, readBenchmark(dataStream), { role: 'base', now });
    expect(tailoring.remainder).toEqual([]);
  });
  test('asks nothing that neither the content nor a check of ours can answer', async () => {
    const { profile, dataStream } = await read(file);
    const { selected } = meaningOf(profile, readBenchmark(dataStream), { role: 'base', now });
    const rule = /<(?:[\w.-]+:)?Rule [^>]*?\bid="[^"]*_rule_([^"]+)"[^>]*>(.*?)<\/(?:[\w.-]+:)?Rule>/gs;
    const silent = [...dataStream.matchAll(rule)]
      .filter(([, , body]) => !/check system="http:\/\/oval\.mitre\.org/.test(body!))
      .map(([, name]) => name!)
      .filter((name) => selected.has(name));
    const ours = judgeAnswers(new Map(Object.keys(questions).map((name) => [name, '']))).keys();
    const own = new Set([...ours].map((id) => id.replace(/^.*_rule_/, '')));
    expect(silent.filter((name) => !own.has(name))).toEqual([]);
  });
});

test('Level 2 asks for more than Level 1, and the difference says what', async () => {
  const { profile: one, dataStream } = await read('cis-level1-server.yaml');
  const { profile: two } = await read('cis-level2-server.yaml');
  const benchmark = readBenchmark(dataStream);
  const [less, more] = [one, two].map((it) => meaningOf(it, benchmark, { role: 'base', now }));
  const diff = diffMeanings(less!, more!);
  expect(diff.rulesRemoved).toEqual([]);
  expect(diff.rulesAdded).toEqual(expect.arrayContaining(['package_audit_installed', 'partition_for_var']));
  expect(diff.facts).toContainEqual({ name: 'kernel-module dccp', before: null, after: 'disabled' });
  expect(diff.facts.map(({ name }) => name)).toContain('mount /var/log/audit');
});
