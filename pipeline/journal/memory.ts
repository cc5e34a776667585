/**
 * A journal that lives in this process: for tests and rehearsals. It chains and freezes records exactly as the
 * one on disk does; it never outlives the process.
 */
import type { Clock } from '../clock.ts';
import { emptyHead, seal } from './chain.ts';
import type { Journal, JournalRecord } from './records.ts';

export function createMemoryJournal(release: string, clock: Clock): Journal {
  const records: JournalRecord[] = [];
  let head = emptyHead;
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
