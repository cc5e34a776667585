/** When victims that could be drained wait for others, so that they share their calls. */
import { expect, test } from 'vitest';
import {
  assignment,
  chosen,
  decideOn as decideWith,
  draining,
  type Given,
  group,
  previous,
  starting,
  target,
} from '../group.ts';

/** Surge 4 of 20; two of the replacements serve, two are about to. A replacement takes 100 s here. */
const midway = group([
  ...previous(14),
  ...target(8),
  ...target(2, starting).map((one) => ({ ...one, id: `${one.id}-b` })),
]);
const quickest = { boot: 70_000, 'drain 0': 30_000 };
const rolling = assignment({ surge: { instances: 4 } });
const decideOn = (seen: typeof midway, { memory, ...given }: Given = {}, task = rolling) =>
  decideWith(task, seen, { wanted: 20, ...given, memory: { quickest, ...memory } });

test('who could go waits three hundredths of a replacement for others', () => {
  const first = decideOn(midway, { now: 500_000 });
  expect(chosen(first)).toEqual([]);
  expect(first.memory.gatheringSince).toBe(500_000);
  const memory = { gatheringSince: 500_000 };
  expect(chosen(decideOn(midway, { now: 502_999, memory }))).toEqual([]);
  const last = decideOn(midway, { now: 503_000, memory });
  expect(chosen(last)).toHaveLength(2);
  expect(last.memory.gatheringSince).toBeNull();
});

test('nobody waits where nothing is known yet of how long replacements take', () => {
  expect(chosen(decideOn(midway, { memory: { quickest: {} } }))).toHaveLength(2);
});

test('nobody waits when no replacement is on its way', () => {
  const seen = group([...previous(14), ...target(8)], { desired: 22 });
  expect(chosen(decideOn(seen))).toHaveLength(2);
});

test('nobody waits in a rollback', () => {
  const back = assignment(
    { surge: { instances: 4 } },
    { goal: { kind: 'return', version: 2, abandoned: 1, follows: null } },
  );
  expect(chosen(decideOn(midway, {}, back))).toHaveLength(2);
});

/** The last four, of which none will be replaced: two could go, two replacements are about to serve. */
const ending = group([
  ...previous(4),
  ...target(18),
  ...target(2, starting).map((one) => ({ ...one, id: `${one.id}-b` })),
]);
const longAgo = { gatheringSince: 1 };

test('the last ones, which go without being replaced, wait until all of them can go', () => {
  expect(chosen(decideOn(ending, { now: 500_000, memory: longAgo }))).toEqual([]);
  expect(chosen(decideOn(group([...previous(4), ...target(20)])))).toHaveLength(4);
});

test('the last ones do not wait for one another where drains take their own time', () => {
  const hook = { type: 'command', argv: ['drain'], deadlineMs: 60_000, on_deadline: 'fail' } as never;
  const task = assignment({ surge: { instances: 4 }, drain: [hook] });
  expect(chosen(decideOn(ending, { now: 500_000, memory: longAgo }, task))).toHaveLength(2);
});

test('those on their way already go on while others wait', () => {
  const memory = { drains: { 'i-old1': draining } };
  const { memory: after } = decideOn(midway, { now: 500_000, memory });
  expect(Object.keys(after.drains)).toEqual(['i-old1']);
});
