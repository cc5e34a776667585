/**
 * A journal that lives in this process: for tests and rehearsals. It chains and freezes records exactly as the
 * one on disk does; it never outlives the process.
 */
import type { Clock } from '../clock.ts';
import { canonical, sha256 } from '../json.ts';
import { emptyHead, seal } from './chain.ts';
import type { Journal, JournalRecord } from './records.ts';

/** @param past the records it goes on from: those of a process that is gone */
export function createMemoryJournal(
  release: string,
  clock: Clock,
  past: readonly JournalRecord[] = [],
): Journal {
  const records = [...past];
  const last = records.at(-1);
  let head = last ? { records: records.length, sha256: sha256(canonical(last)) } : emptyHead;
  return {
    release,
    async append(entry) {
      const sealed = seal(entry, head, clock.now());
      head = sealed.head;
      records.push(sealed.record);
      return sealed.record;
    },
    records: () => records,
  };
}
