/**
 * The journal's format, pure: how a record becomes a line and how lines are verified. It decides what a valid
 * journal is; it never touches a disk (directory.ts does) and never interprets records (fold.ts does).
 *
 * A line is the canonical JSON (RFC 8785) of `{ at, data, previous, seq, type }` and a newline. `previous` is
 * the SHA-256 of the line before, so a change anywhere breaks every line after it. The last line has nothing
 * after it: directory.ts keeps its digest in `journal.head`, an evidence bundle in its signed manifest.
 */

import { timestamp } from '../clock.ts';
import { canonical, sha256 } from '../json.ts';
import type { Entry, JournalRecord } from './records.ts';
import { describeShapeProblem } from './shape.ts';

/** `previous` of the first record. */
export const genesis = '0'.repeat(64);

const newline = 0x0a;

/** Where a chain ends: what the next record must carry on from. */
export interface ChainHead {
  /** Records so far; also the next `seq`. */
  records: number;
  /** SHA-256 of the last line without its newline; `genesis` when there is none. */
  sha256: string;
}

export const emptyHead: ChainHead = { records: 0, sha256: genesis };

export interface SealedRecord {
  record: JournalRecord;
  /** Without the newline. */
  line: string;
  head: ChainHead;
}

/**
 * Turns an entry into the record and line that follow `head`. Throws TypeError for what could not be read back:
 * a bug in the caller, found before it is written down for ever.
 */
export function seal(entry: Entry, head: ChainHead, atMs: number): SealedRecord {
  const envelope = { type: entry.type, data: entry.data, seq: head.records, at: timestamp(atMs) };
  const line = canonical({ ...envelope, previous: head.sha256 });
  // Parsed back, so that what a process remembers of its own record is what a later one will read.
  const record = JSON.parse(line) as JournalRecord;
  const problem = describeShapeProblem(record);
  if (problem !== null) throw new TypeError(`cannot journal '${entry.type}': ${problem}`);
  return { record, line, head: { records: head.records + 1, sha256: sha256(line) } };
}

export interface Damage {
  /** 1-based line number. */
  line: number;
  problem: string;
}

export type ChainReading =
  | {
      ok: true;
      records: JournalRecord[];
      /** Digest of every line, by seq. */
      digests: string[];
      head: ChainHead;
      /** Bytes after the last newline: empty, or the beginning of a record whose writer died. */
      tail: Uint8Array;
      /** Bytes up to and including the last newline. */
      soundBytes: number;
    }
  | { ok: false; damage: Damage };

/** Verifies every complete line, in order, and stops at the first damage. */
export function readChain(bytes: Uint8Array): ChainReading {
  const records: JournalRecord[] = [];
  const digests: string[] = [];
  let head = emptyHead;
  let start = 0;
  for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
    const line = bytes.subarray(start, end);
    const read = readLine(line, head);
    if (typeof read === 'string') return { ok: false, damage: { line: head.records + 1, problem: read } };
    head = { records: head.records + 1, sha256: sha256(line) };
    records.push(read);
    digests.push(head.sha256);
    start = end + 1;
  }
  return { ok: true, records, digests, head, tail: bytes.subarray(start), soundBytes: start };
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The record, or what is wrong with the line. */
function readLine(line: Uint8Array, head: ChainHead): JournalRecord | string {
  let text: string;
  let value: unknown;
  try {
    text = strictUtf8.decode(line);
  } catch {
    return 'not UTF-8';
  }
  try {
    value = JSON.parse(text);
  } catch {
    return 'not JSON';
  }
  const problem = describeShapeProblem(value);
  if (problem !== null) return problem;
  const record = value as JournalRecord;
  if (record.seq !== head.records) return `record ${record.seq} where ${head.records} belongs`;
  if (record.previous !== head.sha256) {
    return head.records === 0
      ? 'the first record claims a predecessor'
      : `the chain is broken: line ${head.records} is not the line this one was written after`;
  }
  if (canonical(value) !== text) return 'not in canonical form';
  return record;
}
