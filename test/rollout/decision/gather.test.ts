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

/** It has passed that often. */
const known = (passes: number) => ({
  version: 2,
  seenAt: 0,
  passes,
  failures: 0,
  misses: 0,
  served: passes >= 2,
  lapsedSince: null,
  reason: 'not asked yet',
  unhealthy: false,
  terminated: false,
  leaving: false,
});
const asked = (instances: readonly { id: string }[], passes: number) =>
  Object.fromEntries(instances.map(({ id }) => [id, known(passes)]));

/** Surge 4 of 20, two passes make a replacement serve: two serve, two pass for the first time. It takes 100 s here. */
const others = target(2).map((one) => ({ ...one, id: `${one.id}-b` }));
const midway = group([...previous(14), ...target(8), ...others]);
const quickest = { boot: 70_000, 'drain 0': 30_000 };
const rolling = assignment({ surge: { instances: 4 }, passes: 2 });
const instances = asked(target(20), 2);
const decideOn = (seen: typeof midway, { memory, ...given }: Given = {}, task = rolling) =>
  decideWith(task, seen, { wanted: 20, ...given, memory: { quickest, instances, ...memory } });

test('who could go waits for a replacement that has begun to pass, up to a fortieth of a replacement', () => {
  const first = decideOn(midway, { now: 500_000 });
  expect(chosen(first)).toEqual([]);
  expect(first.memory.gatheringSince).toBe(500_000);
  const memory = { gatheringSince: 500_000 };
  expect(chosen(decideOn(midway, { now: 502_499, memory }))).toEqual([]);
  const last = decideOn(midway, { now: 502_500, memory });
  expect(chosen(last)).toHaveLength(2);
  expect(last.memory.gatheringSince).toBeNull();
});

test('nobody waits for a replacement that has not begun to pass', () => {
  const seen = group([...previous(14), ...target(8), ...others.map((one) => ({ ...one, ...starting }))]);
  expect(chosen(decideOn(seen))).toHaveLength(2);
});

test('who has waited goes with those that have passed often enough meanwhile', () => {
  const memory = { gatheringSince: 500_000, instances: { ...instances, ...asked(others, 1) } };
  expect(chosen(decideOn(midway, { now: 501_000, memory }))).toHaveLength(4);
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
    { surge: { instances: 4 }, passes: 2 },
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
  const task = assignment({ surge: { instances: 4 }, passes: 2, drain: [hook] });
  expect(chosen(decideOn(ending, { now: 500_000, memory: longAgo }, task))).toHaveLength(2);
});

test('those on their way already go on while others wait', () => {
  const memory = { drains: { 'i-old1': draining } };
  const { memory: after } = decideOn(midway, { now: 500_000, memory });
  expect(Object.keys(after.drains)).toEqual(['i-old1']);
});
