/**
 * Reading a journal from disk and judging it: the chain against itself and, where there is one, against the
 * journal.head beside it. Decides what is damage; changes nothing.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Refused } from '../errors.ts';
import { sha256 } from '../json.ts';
import { type ChainHead, type ChainReading, emptyHead, readChain } from './chain.ts';
import { headFileName, parseHead } from './head.ts';
import type { JournalRecord } from './records.ts';
import { errorCode, storageRefused } from './storage.ts';

/**
 * Verifies and parses a journal; changes nothing. For a live journal (one with a journal.head) an unfinished last
 * line is left out: its writer may be in the middle of it. A copy must end with a newline. Throws like openJournal.
 */
export async function readJournal(file: string): Promise<JournalRecord[]> {
  const loaded = await loadJournal(file);
  const reading = soundReading(file, loaded);
  if (loaded.head === null && reading.tail.length > 0) {
    throw damaged(file, reading.head.records + 1, 'the last line is not finished');
  }
  return reading.records;
}

export interface LoadedJournal {
  reading: ChainReading;
  head: ChainHead | null;
}

export async function loadJournal(file: string): Promise<LoadedJournal> {
  // The head first: while a writer goes on, the journal may then only be ahead of it.
  const headFile = join(dirname(file), headFileName);
  try {
    const head = await readFile(headFile, 'latin1').catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    });
    const reading = readChain(await readFile(file));
    return { reading, head: head === null ? null : (parseHead(head) ?? emptyHead) };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      throw new Refused(
        'invalid',
        `there is no journal at ${file}`,
        'See the known releases with `drover status --all`.',
      );
    }
    throw storageRefused('read the journal', file, error);
  }
}

/** The verified reading, held against the head. */
export function soundReading(
  file: string,
  { reading, head }: LoadedJournal,
): Extract<ChainReading, { ok: true }> {
  if (!reading.ok) throw damaged(file, reading.damage.line, reading.damage.problem);
  if (head === null) return reading;
  const missing = head.records - reading.head.records;
  if (missing > 1 || (missing === 1 && reading.tail.length === 0)) {
    throw damaged(file, reading.head.records + 1, `${missing} written record(s) are missing from here on`);
  }
  if (missing === 1 && sha256(reading.tail.subarray(0, -1)) === head.sha256) {
    throw damaged(file, head.records, 'its newline was changed');
  }
  if (missing <= 0 && head.records > 0 && reading.digests[head.records - 1] !== head.sha256) {
    throw damaged(file, head.records, 'not the line that was written');
  }
  return reading;
}

export function damaged(file: string, line: number, problem: string): Refused {
  return new Refused(
    'unverified',
    `the journal ${file} is damaged at line ${line}: ${problem}`,
    'Nothing was changed. Restore the release directory from a backup, or compare with the copy in an exported ' +
      'evidence bundle; until then check the groups in the cloud itself.',
  );
}
