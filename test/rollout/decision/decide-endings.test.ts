/** What decide does when work must end: deadlines, meddling, completion, failure, return. */
import { describe, expect, test } from 'vitest';
import type { Decision } from '../../../pipeline/rollout/state.ts';
import { markKeys } from '../../../pipeline/rollout/tags.ts';
import {
  actionsOf,
  assignment,
  chosen,
  decideOn,
  desiredSet,
  drained,
  draining,
  type Given,
  group,
  instance,
  previous,
  starting,
  stillDraining,
  target,
} from '../group.ts';

describe('drain deadlines', () => {
  const seen = group([...previous(3), ...target(2)], { desired: 5 });
  const steps = (on_deadline: 'fail' | 'skip' | 'force') => ({
    drain: [
      { type: 'target-group' as const, deadlineMs: 10_000, on_deadline },
      {
        type: 'command' as const,
        name: 'leave',
        argv: ['true'],
        deadlineMs: 10_000,
        on_deadline: 'fail' as const,
      },
    ],
  });
  const at = (now: number, answer = stillDraining): Given => ({
    wanted: 4,
    now,
    memory: { drains: { 'i-old1': draining } },
    drains: { 'i-old1': answer },
  });

  test.each([
    { policy: 'fail' as const, actions: [], status: 'failed' },
    {
      policy: 'skip' as const,
      actions: [{ type: 'drain', step: 1, instances: ['i-old1'] }],
      status: 'rolling',
    },
    { policy: 'force' as const, actions: [{ type: 'terminate', instances: ['i-old1'] }], status: 'rolling' },
  ])(
    'the policy $policy decides at the deadline, and nothing does before it',
    ({ policy, actions, status }) => {
      const relevant = (decision: Decision) =>
        decision.actions.filter(({ type }) => type === 'drain' || type === 'terminate');
      expect(relevant(decideOn(assignment(steps(policy)), seen, at(9_999)))).toEqual([]);
      const late = decideOn(assignment(steps(policy)), seen, at(10_000));
      expect(late.status).toBe(status);
      expect(relevant(late)).toMatchObject(actions);
    },
  );

  test('a drain that failed is treated as one that missed its deadline', () => {
    const failed = { status: 'failed' as const, source: 'target-group', reason: 'exit 1' };
    const decision = decideOn(assignment(steps('fail')), seen, at(1_000, failed));
    expect(decision).toMatchObject({
      status: 'failed',
      reasons: ['i-old1: drain target-group failed: exit 1'],
    });
  });

  test('the next step starts when the one before has passed', () => {
    const decision = decideOn(assignment(steps('fail')), seen, at(5_000, drained));
    expect(actionsOf(decision, 'drain')).toMatchObject([{ step: 1, instances: ['i-old1'] }]);
  });
});

describe('desired set by somebody else', () => {
  const seen = group([...previous(4), ...target(1)], { desired: 7 });

  test('nothing is done until the number has been seen three times', () => {
    let decision = decideOn(assignment(), seen, { wanted: 4, expected: 5 });
    expect(decision.actions).toEqual([]);
    decision = decideOn(assignment(), seen, { memory: decision.memory });
    expect(decision.actions).toEqual([]);
    decision = decideOn(assignment(), seen, { memory: decision.memory });
    expect(decision.memory.owed).toMatchObject({ wanted: 7 });
    expect(desiredSet(decision)).toBe(8);
  });

  test('an echo of the number before is forgotten', () => {
    const echo = decideOn(assignment(), { ...seen, desired: 4 }, { wanted: 4, expected: 5 });
    const now = decideOn(assignment(), { ...seen, desired: 5 }, { memory: echo.memory });
    expect(now.memory).toMatchObject({ divergence: null, owed: { wanted: 4, expected: 5 } });
  });

  test('an echo that is seen again and again for half a minute is no wish', () => {
    let memory = decideOn(assignment(), { ...seen, desired: 4 }, { wanted: 4, expected: 4 }).memory;
    memory = { ...memory, owed: { ...memory.owed, expected: 5 } };
    for (const now of [10_000, 20_000, 30_000]) {
      const { actions, memory: next } = decideOn(assignment(), { ...seen, desired: 4 }, { memory, now });
      expect(actions).toEqual([]);
      expect(next.owed).toMatchObject({ wanted: 4, expected: 5 });
      memory = next;
    }
  });

  test('the engine’s own headroom above MaxSize is not taken for the user’s', () => {
    const owed = { wanted: 4, expected: 5, max: { from: 4, raised: [6] }, suspended: [], tagged: true };
    const raised = { ...seen, desired: 6, max: 6 };
    const memory = { owed, divergence: { to: 6, seen: 2 } };
    expect(decideOn(assignment(), raised, { memory }).memory.owed.wanted).toBe(4);
  });
});

describe('the end', () => {
  const owed = {
    wanted: 4,
    expected: 4,
    max: { from: 4, raised: [5] },
    suspended: ['AZRebalance'],
    tagged: true,
  };
  const tags = { 'drover:release': 'r-1', 'drover:desired': '4', environment: 'test' };
  const done = group(target(4), { max: 5, tags });

  test('limits and processes go back before the soak, the marks after it', () => {
    const back = [
      { type: 'update', change: { max: 4 } },
      { type: 'resume', processes: ['AZRebalance'] },
    ];
    expect(decideOn(assignment(), done, { memory: { owed } })).toMatchObject({
      status: 'replaced',
      actions: back,
    });
    expect(decideOn(assignment(), done, { memory: { owed }, soaked: true })).toMatchObject({
      status: 'replaced',
      actions: [...back, { type: 'untag' }],
    });
    const clean = { ...owed, max: null, suspended: [] };
    const restored = { ...done, max: 4, suspendedProcesses: [] };
    expect(decideOn(assignment(), restored, { memory: { owed: clean } })).toMatchObject({
      status: 'replaced',
      actions: [],
    });
    expect(decideOn(assignment(), restored, { memory: { owed: clean }, soaked: true }).actions).toMatchObject(
      [{ type: 'untag', keys: markKeys }],
    );
    const untagged = { ...clean, tagged: false };
    expect(decideOn(assignment(), restored, { memory: { owed: untagged }, soaked: true }).status).toBe(
      'finished',
    );
  });

  test('a group that is done is not late when the others of its wave are not, and one that is not done is', () => {
    const clean = { ...owed, max: null, suspended: [] };
    const late = { now: assignment().spec.deadlineMs * 2, memory: { owed: clean, replacedAt: 1_000 } };
    const restored = { max: 4, tags, suspendedProcesses: [] };
    expect(decideOn(assignment(), group(target(4), restored), late).status).toBe('replaced');
    const unfinished = decideOn(assignment(), group([...target(3), ...previous(1)], restored), late);
    expect(unfinished).toMatchObject({ status: 'failed', reasons: [expect.stringContaining('not done')] });
  });

  test('uneven zones are evened out by launching first, for as long as fewer have to move, before AZRebalance returns', () => {
    const seen = group(target(4, { zone: 'a' }), { max: 20, tags });
    const beating = (uneven: number | null) =>
      decideOn(assignment(), seen, { memory: { owed: { ...owed, max: null }, uneven } });
    for (const fewer of [null, 3]) {
      expect(desiredSet(beating(fewer))).toBe(5);
      expect(beating(fewer).memory.uneven).toBe(2);
      expect(actionsOf(beating(fewer), 'resume')).toEqual([]);
    }
    expect(desiredSet(beating(2))).toBeUndefined();
    expect(actionsOf(beating(2), 'resume')).toHaveLength(1);
  });

  test('while a gate over the group has not passed nothing is given back, nor evened out', () => {
    const seen = group(target(4, { zone: 'a' }), { max: 20, tags });
    const groupAnswer = { status: 'waiting' as const, source: 'alarms', reason: 'no data' };
    const decision = decideOn(assignment(), seen, { memory: { owed }, groupAnswer });
    expect(decision).toMatchObject({ status: 'rolling', actions: [], memory: { uneven: null } });
  });

  test('is not reached while an instance on the target version does not serve', () => {
    const seen = group([...target(3), instance('i-late', { templateVersion: 2, ...starting })]);
    expect(decideOn(assignment(), seen)).toMatchObject({ status: 'rolling' });
  });
});

describe('failure', () => {
  const young = instance('i-young', { templateVersion: 2, statusChecks: 'initializing' });
  const seen = group([...previous(4), young], { desired: 5 });
  const known = {
    version: 2,
    seenAt: 0,
    passes: 0,
    failures: 0,
    misses: 5,
    served: false,
    lapsedSince: null,
    reason: '',
    unhealthy: false,
    terminated: false,
    leaving: false,
  };

  test('an instance that has not passed by its deadline fails the rollout, naming the gate', () => {
    const memory = { instances: { 'i-young': known } };
    expect(decideOn(assignment(), seen, { wanted: 4, memory, now: 179_999 }).status).toBe('rolling');
    expect(decideOn(assignment(), seen, { wanted: 4, memory, now: 180_000 })).toMatchObject({
      status: 'failed',
      actions: [],
      reasons: ['i-young did not pass its gates within 180 s: status-checks: status checks are initializing'],
    });
  });

  test('an instance that served and is impaired N times fails the rollout', () => {
    const task = assignment({ passes: 2 });
    const sick = group([...previous(4), { ...young, statusChecks: 'impaired' as const }], { desired: 5 });
    let decision = decideOn(task, sick, {
      wanted: 4,
      memory: { instances: { 'i-young': { ...known, served: true, passes: 2 } } },
    });
    expect(decision.status).toBe('rolling');
    decision = decideOn(task, sick, { memory: decision.memory });
    expect(decision).toMatchObject({ status: 'failed', reasons: [expect.stringMatching(/turned bad/)] });
  });

  test.each([
    { losses: 1, wanted: 4, status: 'rolling' },
    { losses: 2, wanted: 4, status: 'failed' },
    { losses: 3, wanted: 30, status: 'rolling' },
    { losses: 4, wanted: 30, status: 'failed' },
  ])('$losses dead instances of $wanted on the new image: $status', ({ losses, wanted, status }) => {
    const memory = { losses: { count: losses, last: 'i-x (dead)' } };
    expect(decideOn(assignment(), group(previous(wanted)), { memory: { ...memory } }).status).toBe(status);
  });

  test('an instance that Auto Scaling calls unhealthy and takes away is a loss; a scale-in is not', () => {
    const gone = (healthy: boolean) =>
      group([...previous(4), { ...young, lifecycle: 'Terminating' as const, healthy }], { desired: 5 });
    const memory = { instances: { 'i-young': { ...known, served: true } } };
    expect(decideOn(assignment(), gone(false), { wanted: 4, memory }).memory.losses.count).toBe(1);
    expect(decideOn(assignment(), gone(true), { wanted: 4, memory }).memory.losses.count).toBe(0);
  });

  test('capacity that does not come fails the rollout with what Auto Scaling said', () => {
    const failedActivities = [{ at: 1, message: 'Insufficient capacity in eu-central-1a' }];
    const short = group(previous(4), { desired: 5, failedActivities });
    const known4 = Object.fromEntries(previous(4).map(({ id }) => [id, { ...known, version: 1 }]));
    const memory = { shortSince: 0, instances: known4 };
    expect(decideOn(assignment(), short, { wanted: 4, memory, now: 180_000 })).toMatchObject({
      status: 'failed',
      reasons: [expect.stringContaining('Insufficient capacity')],
    });
  });

  test.each(['$Latest', '7'])('a template version %s that nobody here set fails the rollout', (version) => {
    const foreign = { ...seen, template: { id: 'lt-1', name: 'web', version } };
    expect(decideOn(assignment(), foreign, { wanted: 4 }).status).toBe('failed');
  });

  test('a call refused five times in a row fails the rollout with the refusal', () => {
    const memory = { refusals: { count: 5, last: 'AccessDenied: no' } };
    expect(decideOn(assignment(), seen, { memory })).toMatchObject({
      status: 'failed',
      reasons: ['AccessDenied: no'],
    });
  });
});

describe('a return', () => {
  const back = assignment(
    {},
    {
      goal: { kind: 'return', version: 1, abandoned: 2, follows: null },
      baseline: {
        ...assignment().baseline,
        instances: [{ id: 'i-old1', version: 1, zone: 'a', lifecycle: 'InService', healthy: true }],
      },
    },
  );
  const pinned = { template: { id: 'lt-1', name: 'web', version: '1' } };

  test('takes only what is on the abandoned version and leaves older ones alone', () => {
    const seen = group([...previous(3), instance('i-ancient', { templateVersion: null }), ...target(1)], {
      desired: 5,
      ...pinned,
    });
    expect(chosen(decideOn(back, seen, { wanted: 4 }))).toEqual(['i-new1']);
  });

  test('gives a victim of the rollout its work back', () => {
    const seen = group(previous(4), { ...pinned });
    const decision = decideOn(back, seen, { memory: { drains: { 'i-old2': draining } } });
    expect(decision.actions).toMatchObject([{ type: 'undrain', step: 0, instances: ['i-old2'] }]);
  });

  test('does not demand of an instance from before the release that it be healthy', () => {
    const seen = group([instance('i-old1', { statusChecks: 'impaired' })], { ...pinned });
    expect(decideOn(back, seen)).toMatchObject({ status: 'replaced' });
  });
});
