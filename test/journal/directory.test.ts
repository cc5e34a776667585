import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exitCodes } from '../../pipeline/errors.ts';
import { createJournal, openJournal, readJournal } from '../../pipeline/journal/directory.ts';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import type { Entry } from '../../pipeline/journal/records.ts';
import { canonical, sha256 } from '../../pipeline/json.ts';
import { intent, manualClock, note, opened, scratchDirectory, started } from './bench.ts';

const release = 'r-20261122-063412-test';

async function journalOf(records: number, place?: string): Promise<{ directory: string; file: string }> {
  const directory = place ?? join(await scratchDirectory(), 'releases', release);
  const journal = await createJournal({ directory, release, clock: manualClock() });
  await journal.append(opened(release));
  for (let n = 1; n < records; n++) await journal.append(intent(`action-${n}`));
  await journal.close();
  return { directory, file: journal.file };
}

/** A journal of these entries in its place, with a chain of its own. */
async function rewrite(file: string, ...entries: Entry[]): Promise<void> {
  const memory = createMemoryJournal(release, manualClock());
  for (const entry of entries) await memory.append(entry);
  const lines = memory.records().map((record) => `${canonical(record)}\n`);
  await writeFile(file, lines.join(''));
}

describe('the journal on disk', () => {
  it('writes one canonical line per record, each naming the digest of the line before', async () => {
    const { file } = await journalOf(3);
    const lines = (await readFile(file, 'utf8')).split('\n');
    expect(lines.pop()).toBe('');
    const records = lines.map((line) => JSON.parse(line));
    expect(lines.map((line, n) => line === canonical(records[n]))).toEqual([true, true, true]);
    expect(records.map((record) => record.seq)).toEqual([0, 1, 2]);
    expect(records[0].previous).toBe('0'.repeat(64));
    expect(records[2].previous).toBe(sha256(lines[1]!));
    expect(records[0].at).toBe('2026-11-22T06:34:12.000Z');
  });

  it('goes on where the previous process ended', async () => {
    const { directory, file } = await journalOf(2);
    const journal = await openJournal({ directory, clock: manualClock() });
    expect(journal.release).toBe(release);
    expect(journal.notes).toEqual([]);
    const record = await journal.append(note('back again'));
    await journal.close();
    expect(record.seq).toBe(2);
    expect(journal.records()).toHaveLength(3);
    expect(await readJournal(file)).toEqual(journal.records());
  });

  it('keeps appends in the order they were asked for, without waiting for each', async () => {
    const { directory, file } = await journalOf(1);
    const journal = await openJournal({ directory, clock: manualClock() });
    await Promise.all(Array.from({ length: 50 }, (_, n) => journal.append(note(`note ${n}`))));
    await journal.close();
    const reasons = (await readJournal(file)).flatMap((r) =>
      r.type === 'release.resumed' ? r.data.reason : [],
    );
    expect(reasons).toEqual(Array.from({ length: 50 }, (_, n) => `note ${n}`));
  });

  it('agrees with the journal in memory, record by record', async () => {
    const { file } = await journalOf(3);
    const memory = createMemoryJournal(release, manualClock());
    for (const entry of [opened(release), intent('action-1'), intent('action-2')]) await memory.append(entry);
    expect(await readJournal(file)).toEqual(memory.records());
  });

  it('refuses to create a second journal for a release', async () => {
    const { directory } = await journalOf(1);
    const again = createJournal({ directory, release, clock: manualClock() });
    await expect(again).rejects.toMatchObject({
      kind: 'invalid',
      remedy: expect.stringContaining('drover resume'),
    });
  });

  it('refuses to write down what it could not read back', async () => {
    const journal = createMemoryJournal(release, manualClock());
    const wrong = { type: 'stage.started', data: { stage: 'lunch' } } as never;
    await expect(journal.append(wrong)).rejects.toThrow(/cannot journal 'stage.started'/);
    expect(journal.records()).toEqual([]);
  });

  it('says where it looked when there is no journal', async () => {
    const directory = join(await scratchDirectory(), 'nothing');
    const opening = openJournal({ directory, clock: manualClock() });
    await expect(opening).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining(directory),
    });
    expect(exitCodes.invalid).toBe(2);
  });

  it('reads a live journal while its writer goes on', async () => {
    const { directory, file } = await journalOf(1);
    const journal = await openJournal({ directory, clock: manualClock() });
    const writing = Promise.all(
      Array.from({ length: 40 }, (_, n) => journal.append(started('build')).then(() => n)),
    );
    const lengths: number[] = [];
    for (let n = 0; n < 10; n++) lengths.push((await readJournal(file)).length);
    await writing;
    await journal.close();
    expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
    expect(await readJournal(file)).toHaveLength(41);
  });

  it('takes an empty journal for what it is: a release that never began', async () => {
    const directory = join(await scratchDirectory(), release);
    await (await createJournal({ directory, release, clock: manualClock() })).close();
    await expect(openJournal({ directory, clock: manualClock() })).rejects.toMatchObject({ kind: 'invalid' });
  });
});

describe('a place that cannot be written', () => {
  it('is refused with the path and a remedy when part of it is a file', async () => {
    const file = join(await scratchDirectory(), 'file');
    await writeFile(file, '');
    const creating = createJournal({
      directory: join(file, 'releases', release),
      release,
      clock: manualClock(),
    });
    await expect(creating).rejects.toMatchObject({
      kind: 'environment',
      message: expect.stringContaining(file),
      remedy: expect.stringContaining('--state DIR'),
    });
  });

  it('is refused when it is read-only, and nothing is left behind', async () => {
    const directory = await scratchDirectory();
    const { file } = await journalOf(2, join(directory, 'r-old'));
    await asOrdinaryUser([join(directory, 'r-old'), directory], async () => {
      const creating = createJournal({ directory: join(directory, 'r-new'), release, clock: manualClock() });
      const opening = openJournal({ directory: join(directory, 'r-old'), clock: manualClock() });
      for (const refused of [creating, opening]) {
        await expect(refused).rejects.toMatchObject({
          kind: 'environment',
          message: expect.stringContaining(directory),
          remedy: expect.stringContaining('write permission'),
        });
      }
      expect(await readJournal(file)).toHaveLength(2);
    });
    expect(await readdir(directory)).toEqual(['r-old']);
  });
});

/** Runs `work` while `directories` are read-only; root, whom permissions do not stop, steps down to nobody for it. */
async function asOrdinaryUser(directories: string[], work: () => Promise<void>): Promise<void> {
  const nobody = 65534;
  for (const directory of directories) await chmod(directory, 0o555);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(nobody);
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
    for (const directory of directories) await chmod(directory, 0o755);
  }
}

describe('a damaged journal', () => {
  const size = 4;

  async function expectDamage(change: (lines: string[]) => string[], line: number): Promise<void> {
    const { directory, file } = await journalOf(size);
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const damaged = change(lines).map((text) => `${text}\n`);
    await writeFile(file, damaged.join(''));
    const refusal = {
      kind: 'unverified',
      message: expect.stringContaining(`${file} is damaged at line ${line}:`),
      remedy: expect.stringContaining('Nothing was changed'),
    };
    await expect(readJournal(file)).rejects.toMatchObject(refusal);
    await expect(openJournal({ directory, clock: manualClock() })).rejects.toMatchObject(refusal);
    expect(await readFile(file, 'utf8')).toBe(damaged.join(''));
  }

  it('is refused when a line is missing from the middle', () =>
    expectDamage(([a, b, , d]) => [a!, b!, d!], 3));
  it('is refused when the last line is missing', () => expectDamage((lines) => lines.slice(0, -1), size));
  it('is refused when the last two lines are missing', () =>
    expectDamage((lines) => lines.slice(0, -2), size - 1));
  it('is refused when all lines are missing', () => expectDamage(() => [], 1));
  it('is refused when two lines changed places', () => expectDamage(([a, b, c, d]) => [a!, c!, b!, d!], 2));
  it('is refused when a line is there twice', () => expectDamage(([a, b, c, d]) => [a!, b!, b!, c!, d!], 3));
  it('is refused when a foreign line was appended', () =>
    expectDamage((lines) => [...lines, '{"hello":1}'], size + 1));
  it('is refused when an empty line was appended', () => expectDamage((lines) => [...lines, ''], size + 1));
  it('is refused when it begins with a byte order mark', () =>
    expectDamage(([a, ...rest]) => [`\ufeff${a}`, ...rest], 1));
  it('is refused when white space was added', () =>
    expectDamage((lines) => lines.with(1, ` ${lines[1]}`), 2));

  it('is refused when well-formed records were forged on behind the last', async () => {
    const { directory, file } = await journalOf(2);
    await rewrite(file, opened(release), intent('action-1'), note('forged'), note('forged'));
    await expect(openJournal({ directory, clock: manualClock() })).rejects.toMatchObject({
      kind: 'unverified',
    });
  });

  it('is refused when its head file is not one, with the way out', async () => {
    const { directory, file } = await journalOf(3);
    await writeFile(join(directory, 'journal.head'), 'x'.repeat(156));
    await expect(openJournal({ directory, clock: manualClock() })).rejects.toMatchObject({
      kind: 'unverified',
      message: expect.stringContaining('delete it'),
    });
    await rm(join(directory, 'journal.head'));
    const journal = await openJournal({ directory, clock: manualClock() });
    await journal.append(note('on we go'));
    await journal.close();
    expect(journal.notes).toEqual([expect.stringContaining('journal.head was missing')]);
    expect(await readJournal(file)).toHaveLength(4);
  });

  it('is refused when a whole journal was rewritten with a chain of its own', async () => {
    const { directory, file } = await journalOf(2);
    await rewrite(file, opened(release), intent('another'));
    await expect(openJournal({ directory, clock: manualClock() })).rejects.toMatchObject({
      kind: 'unverified',
    });
  });

  it('is refused whichever single bit of it is flipped, and is left as it is', async () => {
    const { directory, file } = await journalOf(3);
    const sound = await readFile(file);
    const accepted: number[] = [];
    for (let at = 0; at < sound.length; at++) {
      const damaged = Buffer.from(sound);
      damaged[at] = damaged[at]! ^ (1 << (at % 8));
      await writeFile(file, damaged);
      await readJournal(file).then(
        () => accepted.push(at),
        (error) => expect(error).toMatchObject({ kind: 'unverified' }),
      );
    }
    expect(accepted).toEqual([]);
    await expect(openJournal({ directory, clock: manualClock() })).rejects.toMatchObject({
      kind: 'unverified',
    });
    await writeFile(file, sound);
    await (await openJournal({ directory, clock: manualClock() })).close();
  });
});

describe('a line that was never finished', () => {
  it('is cut off at any length, kept beside the journal, and said', async () => {
    const { directory, file } = await journalOf(2);
    const headFile = join(directory, 'journal.head');
    const [start, headBefore] = [(await readFile(file)).length, await readFile(headFile)];
    const writer = await openJournal({ directory, clock: manualClock() });
    await writer.append(started('build'));
    await writer.close();
    const [sound, headAfter] = [await readFile(file), await readFile(headFile)];
    for (let length = 1; length < sound.length - start; length++) {
      await writeFile(file, sound.subarray(0, start + length));
      // A crash in the write leaves the head before it; a disk that lost what it had acknowledged, the one after.
      await writeFile(headFile, length % 2 ? headBefore : headAfter);
      const journal = await openJournal({ directory, clock: manualClock() });
      await journal.close();
      expect(journal.records()).toHaveLength(2);
      expect(journal.notes).toEqual([expect.stringContaining(`line 3 was never finished (${length} bytes)`)]);
      expect(journal.notes[0]?.includes('reported as written')).toBe(length % 2 === 0);
      const kept = /kept in (\S+?)\.(?: |$)/.exec(journal.notes[0]!)?.[1];
      expect(await readFile(kept!)).toEqual(sound.subarray(start, start + length));
      expect(await readFile(file)).toEqual(sound.subarray(0, start));
      await rm(kept!);
    }
  });

  it('does not stop the release from going on and being read again', async () => {
    const { directory, file } = await journalOf(3);
    await writeFile(file, (await readFile(file)).subarray(0, -20));
    for (const expected of [3, 4]) {
      const journal = await openJournal({ directory, clock: manualClock() });
      await journal.append(note('on we go'));
      await journal.close();
      expect(journal.records()).toHaveLength(expected);
    }
    expect(await readJournal(file)).toHaveLength(4);
  });

  it('is damage in a copy, which nobody is writing to', async () => {
    const { file } = await journalOf(2);
    const copy = join(await scratchDirectory(), 'copy.jsonl');
    await writeFile(copy, (await readFile(file)).subarray(0, -1));
    await expect(readJournal(copy)).rejects.toMatchObject({ kind: 'unverified' });
  });
});
