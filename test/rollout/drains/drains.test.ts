import { expect, test } from 'vitest';
import type { Cloud, InstanceObservation, TargetObservation } from '../../../pipeline/cloud/cloud.ts';
import { type Drain, drainOf } from '../../../pipeline/rollout/drains/drains.ts';
import { runCommand } from '../../../pipeline/rollout/services/command.ts';
import { httpRequest } from '../../../pipeline/rollout/services/http.ts';
import { virtualClock } from '../../../pipeline/simulator/virtual-clock.ts';
import { group, instance } from '../group.ts';

const policy = { deadlineMs: 60_000, on_deadline: 'fail' as const };

function recording() {
  const calls: unknown[] = [];
  const cloud = {
    deregisterTargets: async (...given: unknown[]) => void calls.push(['deregister', ...given]),
    registerTargets: async (...given: unknown[]) => void calls.push(['register', ...given]),
  } as unknown as Cloud;
  const context = {
    cloud,
    clock: virtualClock(),
    http: httpRequest,
    runCommand,
    release: 'r-1',
    group: group([], { targetGroups: ['tg-1', 'tg-2'] }),
    signal: new AbortController().signal,
  };
  return { calls, context };
}

const answerOf = (drain: Drain, one: InstanceObservation) =>
  'seen' in drain ? drain.seen(one) : drain.poll(recording().context, one);

test('a target-group drain leaves every target group, and returns to every one when it is aborted', async () => {
  const { calls, context } = recording();
  const drain = drainOf({ type: 'target-group', ...policy });
  await drain.start(context, ['i-1', 'i-2']);
  await drain.abort(context, ['i-1']);
  expect(calls).toEqual([
    ['deregister', 'tg-1', ['i-1', 'i-2']],
    ['deregister', 'tg-2', ['i-1', 'i-2']],
    ['register', 'tg-1', ['i-1']],
    ['register', 'tg-2', ['i-1']],
  ]);
});

test('a target-group drain gives no traffic to an instance that was taken aside meanwhile', async () => {
  const { calls, context } = recording();
  const aside = group([instance('i-1', { lifecycle: 'Standby' }), instance('i-2')], {
    targetGroups: ['tg-1'],
  });
  const drain = drainOf({ type: 'target-group', ...policy });
  await drain.abort({ ...context, group: aside }, ['i-1', 'i-2']);
  await drain.abort({ ...context, group: aside }, ['i-1']);
  expect(calls).toEqual([['register', 'tg-1', ['i-2']]]);
});

test.each([
  { states: ['unused', 'unused'], status: 'passed' },
  { states: ['unused', 'draining'], status: 'waiting' },
  { states: ['healthy', 'unused'], status: 'waiting' },
  { states: [], status: 'passed' },
])('a target-group drain with targets $states is $status', async ({ states, status }) => {
  const targets = states.map((state) => ({ targetGroup: 'tg', state, reason: null }) as TargetObservation);
  const drain = drainOf({ type: 'target-group', ...policy });
  expect(await answerOf(drain, instance('i-1', { targets }))).toMatchObject({ status });
});

test.each([
  { exit: 0, status: 'passed' },
  { exit: 75, status: 'waiting' },
  { exit: 1, status: 'failed' },
])('a command drain that exits $exit is $status', async ({ exit, status }) => {
  const argv = [process.execPath, '-e', `process.exit(${exit})`];
  const drain = drainOf({ type: 'command', name: 'leave', argv, ...policy });
  expect(await answerOf(drain, instance('i-1'))).toMatchObject({ status, source: 'leave' });
});
