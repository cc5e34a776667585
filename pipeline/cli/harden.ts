/** `drover harden diff`: what two hardening profiles, or two versions of the content, ask differently. Reads only. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { readBenchmark } from '../../hardening/benchmark.ts';
import { ensureContent } from '../../hardening/content.ts';
import { type Changed, diffMeanings } from '../../hardening/diff.ts';
import { requireProfile } from '../../hardening/faults.ts';
import { loadProfile } from '../../hardening/profile.ts';
import { type Meaning, meaningOf } from '../../hardening/tailoring.ts';
import { Refused } from '../errors.ts';
import type { Session } from './session.ts';

export async function hardenDiff(
  session: Session,
  one: string,
  two: string,
  { role }: { role: string },
): Promise<void> {
  const diff = diffMeanings(await meaningAt(session, one, role), await meaningAt(session, two, role));
  const changed = (title: string, changes: readonly Changed[]) =>
    section(
      title,
      changes.map(({ name, before, after }) => `${name}: ${shown(before)} → ${shown(after)}`),
    );
  const parts = [
    ...section('rules only in the first', diff.rulesRemoved),
    ...section('rules only in the second', diff.rulesAdded),
    ...changed('values', diff.values),
    ...changed('in the image', diff.facts),
  ];
  session.print(diff, parts.join('\n') || 'they ask the same');
}

/** FILE, with @VERSION for a version of the content other than the newest at hand, and #PROFILE for another profile. */
async function meaningAt(
  { cacheDirectory, progress, signal, clock }: Session,
  given: string,
  role: string,
): Promise<Meaning> {
  const [, file = '', version, name] = /^([^@#]+)(?:@([^#]+))?(?:#(\w+))?$/.exec(given) ?? [];
  if (file === '') {
    throw new Refused(
      'invalid',
      `'${given}' names no profile`,
      'Write FILE, FILE@CONTENT-VERSION or FILE#PROFILE.',
    );
  }
  if (!existsSync(file)) {
    throw new Refused(
      'invalid',
      `there is no profile file '${file}'`,
      'Name two files like hardening/cis-level1-server.yaml, with @CONTENT-VERSION or #PROFILE behind them.',
    );
  }
  const read = loadProfile(file);
  const profile = name === undefined ? read : { ...read, profile: name };
  const content = await ensureContent({
    content: profile.content,
    cacheDir: cacheDirectory,
    progress,
    signal,
    ...(version !== undefined && { version }),
  });
  const benchmark = readBenchmark(await readFile(content.file, 'utf8'));
  if (name !== undefined) requireProfile(benchmark, name, given);
  return meaningOf(profile, benchmark, { role, now: clock.now() });
}

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`${title} (${lines.length})`, ...lines.map((line) => `  ${line}`)];

/** One line, however long the text of a file is. */
function shown(value: string | null): string {
  if (value === null) return 'nothing';
  const line = value.trim().replaceAll(/\s*\n\s*/g, ' ⏎ ');
  return line.length > 60 ? `${line.slice(0, 59)}…` : line || "''";
}
