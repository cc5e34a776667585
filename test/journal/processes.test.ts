/** The journal and its leases between real processes: killed in mid-append, racing, and gone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { createJournal, openJournal, readJournal } from '../../pipeline/journal/directory.ts';
import { acquireLeases } from '../../pipeline/journal/lease.ts';
import { manualClock, note, opened, scratchDirectory } from './bench.ts';

function run(script: string, args: string[]): ChildProcess {
  const child = spawn(process.execPath, [join(import.meta.dirname, script), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

async function lines(child: ChildProcess, count: number): Promise<string[]> {
  const read: string[] = [];
  for await (const line of createInterface({ input: child.stdout! })) {
    read.push(line);
    if (read.length === count) break;
  }
  return read;
}

async function killed(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

describe('a process killed while it appends', () => {
  it('loses nothing it had reported as written, however often it happens', async () => {
    const directory = join(await scratchDirectory(), 'r-child');
    for (const [round, mode] of ['create', 'open', 'open', 'open'].entries()) {
      const child = run('appending-child.ts', [directory, mode]);
      const seen = Number((await lines(child, 5 + 7 * round)).at(-1));
      await killed(child);
      const journal = await openJournal({ directory, clock: wallClock });
      await journal.close();
      expect(journal.records().length).toBeGreaterThan(seen);
    }
    const records = await readJournal(join(directory, 'journal.jsonl'));
    expect(records.map((record) => record.seq)).toEqual(records.map((_, n) => n));
  });

  it('keeps a second writer out while it lives, and lets one in when it is gone', async () => {
    const directory = join(await scratchDirectory(), 'r-child');
    const child = run('appending-child.ts', [directory, 'create']);
    await lines(child, 2);
    await expect(openJournal({ directory, clock: wallClock })).rejects.toMatchObject({
      kind: 'busy',
      message: expect.stringContaining(`pid ${child.pid}`),
      remedy: expect.stringContaining(`kill -INT ${child.pid}`),
    });
    expect((await readJournal(join(directory, 'journal.jsonl'))).length).toBeGreaterThan(1);
    await killed(child);
    await (await openJournal({ directory, clock: wallClock })).close();
  });
});

describe('a second writer in this process', () => {
  it('is refused until the first has closed the journal', async () => {
    const directory = join(await scratchDirectory(), 'r-two');
    const first = await createJournal({ directory, release: 'r-two', clock: manualClock() });
    await first.append(opened('r-two'));
    await expect(openJournal({ directory, clock: manualClock() })).rejects.toMatchObject({ kind: 'busy' });
    await first.close();
    const second = await openJournal({ directory, clock: manualClock() });
    await second.append(note('mine now'));
    await second.close();
    await expect(first.append(note('too late'))).rejects.toThrow(/closed/);
  });

  it('is noticed by the first when it wrote past the lock', async () => {
    const directory = join(await scratchDirectory(), 'r-two');
    const journal = await createJournal({ directory, release: 'r-two', clock: manualClock() });
    await journal.append(opened('r-two'));
    const { appendFile } = await import('node:fs/promises');
    await appendFile(journal.file, 'scribble\n');
    await expect(journal.append(note('x'))).rejects.toMatchObject({ kind: 'environment' });
    expect(journal.records()).toHaveLength(1);
    await journal.close();
  });
});

describe('processes that want the same groups', () => {
  it('get them one at a time: of many that try at once exactly one holds them', async () => {
    const directory = join(await scratchDirectory(), 'leases');
    const children = Array.from({ length: 6 }, (_, n) =>
      run('leasing-child.ts', [directory, `r-${n}`, 'b', 'a/1', 'c']),
    );
    const answers = (await Promise.all(children.map((child) => lines(child, 1)))).flat();
    expect(answers.filter((answer) => answer.startsWith('held'))).toHaveLength(1);
    const refused = answers.filter((answer) => answer.startsWith('busy'));
    expect(refused).toHaveLength(5);
    const winner = answers.find((answer) => answer.startsWith('held'))!.split(' ')[1];
    for (const answer of refused) expect(answer).toContain(`group a/1 is held by release ${winner}`);

    const winning = children[answers.findIndex((answer) => answer.startsWith('held'))]!;
    await killed(winning);
    const leases = await acquireLeases({
      directory,
      resources: ['a/1', 'b', 'c'],
      owner: 'r-next',
      clock: wallClock,
    });
    await leases.release();
  });

  it('replace a dead holder only once, also when all see it dead at the same time', async () => {
    const directory = join(await scratchDirectory(), 'leases');
    const dead = run('leasing-child.ts', [directory, 'r-dead', 'web']);
    await lines(dead, 1);
    await killed(dead);
    const attempts = await Promise.allSettled(
      Array.from({ length: 12 }, (_, n) =>
        acquireLeases({ directory, resources: ['web'], owner: `r-${n}`, clock: wallClock }),
      ),
    );
    expect(attempts.filter((attempt) => attempt.status === 'fulfilled')).toHaveLength(1);
    for (const attempt of attempts) {
      if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ kind: 'busy' });
    }
  });
});

describe('a full disk', () => {
  it.runIf(process.platform === 'linux')(
    'is refused with the path, and the journal can still be read',
    async () => {
      const directory = join(await scratchDirectory(), 'r-child');
      // A file-size limit stands in for the full disk: the write comes back short or not at all.
      const shell = spawn(
        'bash',
        [
          '-c',
          'trap "" XFSZ; ulimit -f 8; exec "$0" "$@"',
          process.execPath,
          join(import.meta.dirname, 'appending-child.ts'),
          directory,
          'create',
        ],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      );
      let complaint = '';
      shell.stderr.on('data', (data) => {
        complaint += data;
      });
      await once(shell, 'close');
      expect(complaint).toContain('cannot append to the journal');
      expect(complaint).toContain(join(directory, 'journal.jsonl'));
      const records = await readJournal(join(directory, 'journal.jsonl'));
      expect(records.length).toBeGreaterThan(1);
      const journal = await openJournal({ directory, clock: wallClock });
      await journal.append(note('room again'));
      await journal.close();
      expect((await readFile(journal.file, 'utf8')).endsWith('\n')).toBe(true);
    },
  );
});
