/**
 * The journal on disk: RELEASE/journal.jsonl, with RELEASE/journal.head beside it and RELEASE/lock around it.
 * Decides when a record counts as written (after fsync), what a crash may leave behind (one unfinished line) and
 * what is damage (everything else); it never repairs damage and never rewrites a line.
 */
import { constants, type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { DroverError, Refused } from '../errors.ts';
import { type ChainHead, emptyHead, seal } from './chain.ts';
import { headFileName, resetHead, writeHead } from './head.ts';
import { claimLock, describeProcess, type Lock, remedyElsewhere } from './lock.ts';
import { damaged, loadJournal, soundReading } from './reading.ts';
import type { Entry, Journal, JournalRecord } from './records.ts';
import { errorCode, makeDirectory, storageRefused, syncDirectory, writeNewFile } from './storage.ts';

export const journalFileName = 'journal.jsonl';

export { readJournal } from './reading.ts';

/**
 * The lock is renewed with the appends, and a build or a soak may be silent for long. Only other hosts ever look at
 * the expiry: on the same host a dead writer is seen at once. A writer that was silent for longer and lost its lock
 * to another host notices at its next append.
 */
const lockTtlMs = 2 * 3600_000;

export interface DirectoryJournal extends Journal {
  /** The release's directory. */
  readonly directory: string;
  readonly file: string;
  /** What opening found and did, one sentence each, for the log; empty in the ordinary case. */
  readonly notes: readonly string[];
  /** Waits for appends under way, closes the file and releases the lock. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts a release's journal. `directory` (STATE/releases/<id>) is created. Throws Refused 'invalid' when it
 * already holds a journal, 'busy' when another process has the lock, 'environment' when it cannot be written.
 */
export async function createJournal(request: {
  directory: string;
  release: string;
  clock: Clock;
}): Promise<DirectoryJournal> {
  const { directory, release, clock } = request;
  const file = join(directory, journalFileName);
  if (await exists(file)) throw alreadyExists(release, file);
  return withWriterLock(directory, release, clock, async (lock) => {
    try {
      await makeDirectory(directory);
      await writeNewFile(file, '');
      await writeNewFile(join(directory, headFileName), '');
      await syncDirectory(directory);
    } catch (error) {
      if (errorCode(error) === 'EEXIST') throw alreadyExists(release, file);
      throw storageRefused('create the journal', file, error);
    }
    return startWriting({ directory, release, clock, lock, records: [], head: emptyHead, notes: [] });
  });
}

/**
 * Opens a journal to go on with it. An unfinished last line is cut off and kept beside the journal, with a note.
 * Throws Refused 'unverified' for any other damage (file untouched), 'busy' when another process has the lock,
 * 'invalid' when there is no journal, 'environment' when it cannot be read or written.
 */
export async function openJournal(request: { directory: string; clock: Clock }): Promise<DirectoryJournal> {
  const { directory, clock } = request;
  const file = join(directory, journalFileName);
  const opened = soundReading(file, await loadJournal(file)).records[0];
  if (opened?.type !== 'release.opened') {
    throw new Refused(
      'invalid',
      `the journal ${file} holds no release: its writer ended before the first record, so nothing was done`,
      'Start anew with `drover run`; the directory may be deleted.',
    );
  }
  const { release } = opened.data;
  return withWriterLock(directory, release, clock, async (lock) => {
    // Read again, now that nobody else writes.
    const loaded = await loadJournal(file);
    const { records, head, tail, soundBytes } = soundReading(file, loaded);
    const known = loaded.head;
    if (known !== null && known.records < head.records - 1) {
      throw damaged(
        file,
        head.records,
        `${headFileName} knows only ${known.records} of these records (if you are sure that file alone is at fault, ` +
          'delete it: the chain is then checked without it)',
      );
    }
    const notes: string[] = [];
    if (known === null) {
      notes.push(
        `${headFileName} was missing: whether the journal is complete to its end could not be checked`,
      );
    }
    // Before the torn line is cut: a head ahead of a journal without one would be damage.
    if (known?.records !== head.records) await restoreHead(directory, head);
    if (tail.length > 0) {
      const acknowledged = (known?.records ?? 0) > head.records;
      notes.push(await cutTornLine(directory, file, soundBytes, tail, head.records, acknowledged));
    }
    return startWriting({ directory, release, clock, lock, records, head, notes });
  });
}

/** Keeps the torn bytes beside the journal, then truncates it. Returns the note. */
async function cutTornLine(
  directory: string,
  file: string,
  soundBytes: number,
  tail: Uint8Array,
  records: number,
  acknowledged: boolean,
): Promise<string> {
  try {
    const kept = await keepTornBytes(directory, records, tail);
    const handle = await open(file, 'r+');
    try {
      await handle.truncate(soundBytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const loss = acknowledged ? ' That record had been reported as written: the disk lost part of it.' : '';
    return `line ${records + 1} was never finished (${tail.length} bytes): cut off, kept in ${kept}.${loss}`;
  } catch (error) {
    throw storageRefused('recover the journal', file, error);
  }
}

async function keepTornBytes(directory: string, records: number, tail: Uint8Array): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const path = join(directory, `journal.torn-${records}-${attempt}`);
    try {
      await writeNewFile(path, tail);
      await syncDirectory(directory);
      return path;
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
  }
}

async function withWriterLock<T>(
  directory: string,
  release: string,
  clock: Clock,
  work: (lock: Lock) => Promise<T>,
): Promise<T> {
  const lockDirectory = join(directory, 'lock');
  const attempt = await claimLock({ directory: lockDirectory, owner: release, clock, ttlMs: lockTtlMs });
  if (!attempt.held) {
    const { pid, host } = attempt.by.process;
    throw new Refused(
      'busy',
      `release ${release} is being worked on by another process (${describeProcess(attempt.by)})`,
      `Watch it with \`drover status ${release}\`; stop it with Ctrl-C there, or \`kill -INT ${pid}\` on ${host}.` +
        remedyElsewhere(attempt.by, lockDirectory),
    );
  }
  try {
    return await work(attempt.lock);
  } catch (error) {
    await attempt.lock.release();
    throw error;
  }
}

interface Writing {
  directory: string;
  release: string;
  clock: Clock;
  lock: Lock;
  records: JournalRecord[];
  head: ChainHead;
  notes: string[];
}

async function startWriting(writing: Writing): Promise<DirectoryJournal> {
  const { directory, release, clock, lock, records, notes } = writing;
  const file = join(directory, journalFileName);
  const handles: FileHandle[] = [];
  let head = writing.head;
  let sizeBytes = 0;
  let renewAtMs = clock.now() + lockTtlMs / 4;
  let failure: DroverError | null = null;
  let closed = false;
  let queue: Promise<unknown> = Promise.resolve();

  try {
    handles.push(await open(file, 'a'), await open(join(directory, headFileName), 'r+'));
    sizeBytes = (await handles[0]!.stat()).size;
  } catch (error) {
    await closeHandles();
    throw storageRefused('open the journal', file, error);
  }

  async function closeHandles(): Promise<void> {
    for (const handle of handles.splice(0)) await handle.close();
  }

  async function write(entry: Entry): Promise<JournalRecord> {
    if (closed) throw new Error('append() to a journal that was closed');
    // After a failed write nobody knows what the disk holds; opening the journal again finds out.
    if (failure) throw failure;
    const sealed = seal(entry, head, clock.now());
    const [lines, headFile] = handles as [FileHandle, FileHandle];
    try {
      if (clock.now() >= renewAtMs) {
        await lock.renew();
        renewAtMs = clock.now() + lockTtlMs / 4;
      }
      if ((await lines.stat()).size !== sizeBytes) throw new Error('another process has written to it');
      await lines.appendFile(`${sealed.line}\n`);
      await lines.sync();
      await writeHead(headFile, sealed.head);
    } catch (error) {
      failure = error instanceof DroverError ? error : storageRefused('append to the journal', file, error);
      throw failure;
    }
    head = sealed.head;
    sizeBytes += Buffer.byteLength(sealed.line) + 1;
    records.push(sealed.record);
    return sealed.record;
  }

  return {
    directory,
    file,
    release,
    notes,
    records: () => records,
    append(entry) {
      const written = queue.then(() => write(entry));
      queue = written.catch(() => {}); // the caller has the rejection; the queue only keeps the order
      return written;
    },
    async close() {
      await queue;
      if (closed) return;
      closed = true;
      await closeHandles();
      await lock.release();
    },
  };
}

async function restoreHead(directory: string, head: ChainHead): Promise<void> {
  const path = join(directory, headFileName);
  try {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT);
    try {
      await resetHead(handle, head);
    } finally {
      await handle.close();
    }
    await syncDirectory(directory);
  } catch (error) {
    throw storageRefused('restore', path, error);
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: unknown) => {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return false;
      throw storageRefused('look at', path, error);
    },
  );

function alreadyExists(release: string, file: string): Refused {
  return new Refused(
    'invalid',
    `release ${release} already has a journal: ${file}`,
    `Go on with it: \`drover resume ${release}\`.`,
  );
}
