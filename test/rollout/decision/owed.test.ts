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

test('one whose giving back was cut short is drained from the first step, and given back whole should that come to nothing', () => {
  const steps = { type: 'target-group', deadlineMs: 60_000, on_deadline: 'fail' } as const;
  const task = assignment({ drain: [steps, steps], unavailable: { instances: 1 } });
  const at = new Date(1_000).toISOString();
  const intent = (key: string, action: string, step: number) =>
    [
      {
        at,
        type: 'intent',
        data: { key, group: 'web', action, arguments: { step, instances: ['i-old1'] }, why: '' },
      },
    ] as unknown as JournalRecord[];
  const done = (key: string) =>
    [
      { at, type: 'outcome', data: { key, status: 'done', result: null, error: null } },
    ] as unknown as JournalRecord[];
  const records = [...intent('1', 'drain', 1), ...done('1'), ...intent('2', 'undrain', 1)];
  const memory = recalled(records, 'web', freshMemory(4, 5_000));
  const going = decideOn(task, group(previous(4)), { memory });
  expect(going.actions).toContainEqual(
    expect.objectContaining({ type: 'drain', step: 0, instances: ['i-old1'] }),
  );
  const back = assignment(task.spec, {
    goal: { kind: 'return', version: 1, abandoned: 2, follows: null },
    baseline: { ...task.baseline, instances: [] },
  });
  const template = { id: 'lt-1', name: 'web', version: '1' };
  const kept = decideOn(back, group(previous(4), { template }), { memory });
  expect(kept.actions).toContainEqual(
    expect.objectContaining({ type: 'undrain', step: 1, instances: ['i-old1'] }),
  );
});
