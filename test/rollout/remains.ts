/**
 * What processes leave that die at every place of their work, and how another one goes on from there. The work is done
 * once, to its end; at each place the account, the journal and the time are kept, as plain data. A successor begins
 * from those, so that no death costs the way to it.
 *
 * The places are after every journal record (after an intent is before its call) and after every call of AWS that
 * changes something, with nothing of it heard or written. A read leaves nothing.
 */
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import type { JournalRecord } from '../../pipeline/journal/records.ts';
import type { RolloutDeps } from '../../pipeline/rollout/engine.ts';
import type { World } from '../../pipeline/simulator/model/state.ts';
import type { Fleet } from './fleet.ts';

export interface Remains {
  /** In words, for who reads of a failure. */
  place: string;
  nowMs: number;
  world: World;
  records: readonly JournalRecord[];
  remembered: Fleet['remembered'];
}

/** A process that died leaves the account to itself for a while before somebody resumes. */
export const deadForMs = 20_000;

const isRead = (operation: string): boolean => /^(Describe|Get|List)/.test(operation);

/** Does `work` to its end. @param kept which places are kept, by their number from 1 */
export async function remainsOf<T>(
  fleet: Fleet,
  work: (deps: RolloutDeps) => Promise<T>,
  kept: (nth: number) => boolean,
): Promise<{ end: T; remains: Remains[] }> {
  const remains: Remains[] = [];
  let places = 0;
  const keep = (what: string): void => {
    places += 1;
    if (!kept(places)) return;
    remains.push({
      place: `place ${places}, after ${what}`,
      nowMs: fleet.clock.now(),
      world: structuredClone(fleet.world),
      records: [...fleet.journal.records()],
      remembered: { ...fleet.remembered },
    });
  };
  fleet.called = (operation) => {
    if (!isRead(operation)) keep(`the call ${operation}`);
  };
  const journal: RolloutDeps['journal'] = {
    ...fleet.journal,
    async append(entry) {
      const record = await fleet.journal.append(entry);
      keep(`the record ${wordsOf(record)}`);
      return record;
    },
  };
  const end = await work({ ...fleet.deps, journal });
  fleet.called = null;
  return { end, remains };
}

const wordsOf = ({ type, data }: JournalRecord): string =>
  'key' in data ? `${type} ${data.key}` : 'group' in data ? `${type} ${data.group}` : type;

/** Where a successor finds itself. @param fleet one as it was at the very first */
export async function revived(fleet: Fleet, { nowMs, world, records, remembered }: Remains): Promise<Fleet> {
  Object.assign(fleet.world, structuredClone(world));
  Object.assign(fleet.remembered, remembered);
  fleet.clock.skip(nowMs - fleet.clock.now());
  fleet.journal = createMemoryJournal(fleet.journal.release, fleet.clock, records);
  fleet.deps = { ...fleet.deps, journal: fleet.journal };
  await fleet.clock.sleep(deadForMs);
  return fleet;
}
