/** What memory says after a call, by this process or by another one before it. */
import { expect, test } from 'vitest';
import type { JournalRecord } from '../../../pipeline/journal/records.ts';
import { announced, freshMemory } from '../../../pipeline/rollout/decision/owed.ts';
import { recalled } from '../../../pipeline/rollout/recall.ts';
import { assignment, decideOn, draining, group, previous } from '../group.ts';

test('the deadline of a drain begins with its call, however long the calls before it have taken', () => {
  const drain = { type: 'drain' as const, step: 0, instances: ['i-1'], why: '' };
  const chosen = { ...draining, started: false, touched: false, since: 1_000 };
  const memory = announced({ ...freshMemory(4, 0), drains: { 'i-1': chosen } }, drain, 181_000);
  expect(memory.drains['i-1']).toMatchObject({ touched: true, since: 181_000 });
});

test('a process that goes on takes the number from before the last change for an echo, not for a user’s wish', () => {
  const update = { change: { desired: 5, ifDesired: 4, max: 5 }, wanted: 4, maxFrom: 4 };
  const at = (ms: number) => new Date(ms).toISOString();
  const key = 'web/1-update';
  const records = [
    {
      at: at(1_000),
      type: 'intent',
      data: { key, group: 'web', action: 'update', arguments: update, why: '' },
    },
    { at: at(1_000), type: 'outcome', data: { key, status: 'done', result: null, error: null } },
  ] as unknown as JournalRecord[];
  const seen = group(previous(4), { desired: 4, max: 4 });
  const read = (now: number) => {
    let memory = recalled(records, 'web', freshMemory(4, 5_000));
    for (let look = 0; look < 3; look += 1) {
      memory = decideOn(assignment(), seen, { memory, now: now + look * 1_000 }).memory;
    }
    return memory.owed.expected;
  };
  expect(read(10_000)).toBe(5);
  expect(read(70_000)).toBe(4);
});
