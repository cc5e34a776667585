/** Instances behind a termination hook: kept waiting while their work goes on, let go when it has ended. */
import { describe, expect, test } from 'vitest';
import { runWave } from '../../pipeline/rollout/engine.ts';
import type { Http } from '../../pipeline/rollout/services/http.ts';
import type { Answer, Memory } from '../../pipeline/rollout/state.ts';
import { putHook } from '../../pipeline/simulator/model/hooks.ts';
import {
  type Fleet,
  fleetOf,
  handover,
  newImage,
  promotedFrom,
  recordsOf,
  rolledBack,
  waveOf,
} from './fleet.ts';
import { actionsOf, assignment, decideOn, group, instance, previous, target } from './group.ts';

describe('one decision', () => {
  const waiting = instance('i-old1', { lifecycle: 'Terminating:Wait' });
  const seen = group([...target(2), waiting], {
    desired: 2,
    hooks: { launching: [], terminating: ['drover'], heartbeatMs: { drover: 90_000 } },
  });
  const known = (beatAt: number | null, isCompleted = false) => ({
    handovers: { 'i-old1': { since: 0, beatAt, isCompleted } },
  });
  const says = (status: Answer['status']) => ({
    'i-old1': { status, source: 'jobs', reason: 'three left' },
  });
  const at = (
    now: number,
    status: Answer['status'],
    memory: Partial<Memory> = known(0),
    policy?: 'skip' | 'force',
  ) => decideOn(assignment({ handover: handover(policy) }), seen, { now, handovers: says(status), memory });

  test('the hook hears of it at once, and again in good time before it would time out', () => {
    expect(actionsOf(at(1_000, 'waiting', known(null)), 'heartbeat')).toMatchObject([
      { hook: 'drover', instances: ['i-old1'], at: 1_000 },
    ]);
    expect(actionsOf(at(29_999, 'waiting'), 'heartbeat')).toEqual([]);
    expect(actionsOf(at(30_000, 'waiting'), 'heartbeat')).toHaveLength(1);
  });

  test('the hook is completed once when the work has ended, and the rollout ends only after that', () => {
    const ended = at(1_000, 'passed');
    expect(actionsOf(ended, 'complete')).toMatchObject([{ hook: 'drover', instances: ['i-old1'] }]);
    expect(ended.status).toBe('rolling');
    expect(at(1_000, 'waiting')).toMatchObject({
      status: 'rolling',
      reasons: ['1 wait behind a termination hook'],
    });
    expect(at(2_000, 'passed', known(0, true))).toMatchObject({ status: 'replaced', actions: [] });
  });

  test.each([
    { policy: 'skip' as const, completed: 1 },
    { policy: 'force' as const, completed: 1 },
    { policy: undefined, completed: 0 },
  ])(
    'at its deadline the policy $policy decides, and a failure counts as one missed',
    ({ policy, completed }) => {
      const late = at(600_000, 'waiting', known(599_999), policy);
      const failed = at(1_000, 'failed', known(0), policy);
      for (const decision of [late, failed]) {
        expect(actionsOf(decision, 'complete')).toHaveLength(completed);
        expect(decision.status).toBe(policy ? 'rolling' : 'failed');
      }
      const reasons = [...late.reasons, ...failed.reasons];
      if (!policy) {
        expect(reasons).toEqual([
          'i-old1: handover jobs did not end within 600 s: three left',
          'i-old1: handover jobs failed: three left',
        ]);
      }
    },
  );

  test('the hook hears before anything that may be refused, because what comes after a refusal is not done', () => {
    const { actions } = decideOn(
      assignment({ handover: handover() }),
      group([...previous(2), waiting], {
        desired: 2,
        hooks: { launching: [], terminating: ['drover'], heartbeatMs: { drover: 90_000 } },
      }),
      { handovers: says('waiting'), memory: known(null) },
    );
    expect(actions.map(({ type }) => type)).toEqual(['heartbeat', 'tag', 'update']);
  });

  test('the hook hears, and is completed, while it is not known whether another call was carried out', () => {
    const change = { desired: 3 };
    const action = { type: 'update' as const, change, wanted: 2, maxFrom: null, why: 'surge' };
    const uncertain = [{ key: 'web/1-update', action, sinceMs: 0, unseen: 0 }];
    expect(at(30_000, 'waiting', { ...known(0), uncertain }).actions).toMatchObject([{ type: 'heartbeat' }]);
    expect(at(30_000, 'passed', { ...known(0), uncertain }).actions).toMatchObject([{ type: 'complete' }]);
  });

  test('without a handover the hook is somebody else’s', () => {
    expect(decideOn(assignment(), seen)).toMatchObject({ status: 'replaced', actions: [] });
  });
});

describe('a wave', () => {
  /** The jobs of an instance end so long after it was first asked about. */
  const fleetWith = (workMs: number, heartbeatMs = 60_000): { fleet: Fleet; http: Http } => {
    const fleet = fleetOf(
      { web: { desired: 3 } },
      { specs: { web: { handover: handover(), soakMs: 1_000 } } },
    );
    putHook(fleet.world.groups.web!, {
      name: 'drover',
      transition: 'terminating',
      heartbeatMs,
      defaultResult: 'ABANDON',
    });
    const askedAt = new Map<string, number>();
    const http: Http = async ({ body }) => {
      const { id } = JSON.parse(body!).instance;
      const since = askedAt.get(id) ?? fleet.clock.now();
      askedAt.set(id, since);
      return { status: fleet.clock.now() - since >= workMs ? 200 : 202, body: '' };
    };
    return { fleet, http };
  };
  const intents = (fleet: Fleet, action: string) =>
    recordsOf(fleet, 'intent').filter((intent) => intent.action === action);

  test('lets every replaced instance finish, longer than the hook would have waited, and no replacement waits for it', async () => {
    const { fleet, http } = fleetWith(200_000);
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    expect(await runWave({ ...fleet.deps, http }, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(fleet.violations).toEqual([]);
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
    expect(intents(fleet, 'complete').flatMap(({ arguments: given }) => given.instances)).toHaveLength(3);
    expect(intents(fleet, 'heartbeat').length).toBeGreaterThan(3 * 3);
    const at = (action: string) =>
      fleet.journal
        .records()
        .flatMap(({ type, data, at: time }) =>
          type === 'intent' && data.action === action ? [Date.parse(time)] : [],
        );
    // The pipeline went on while the first was still at work.
    expect(at('terminate')[1]).toBeLessThan(at('complete')[0]!);
  });

  test('a hook that somebody else completes is no trouble', async () => {
    const { fleet, http } = fleetWith(300_000);
    const image = await newImage(fleet);
    const helping: Http = async (request, signal) => {
      const { id } = JSON.parse(request.body!).instance;
      await fleet.cloud.completeLifecycleActions('web', 'drover', [id]);
      return http(request, signal);
    };
    const outcome = await runWave({ ...fleet.deps, http: helping }, waveOf(fleet), image);
    expect(outcome).toEqual({ outcome: 'promoted' });
  });

  test('work that never ends fails the wave at its deadline, and the rollback says it is stuck on it', async () => {
    const { fleet, http } = fleetWith(Number.POSITIVE_INFINITY);
    const outcome = await runWave({ ...fleet.deps, http }, waveOf(fleet), await newImage(fleet));
    expect(outcome).toMatchObject({
      outcome: 'failed',
      reason: expect.stringMatching(/handover jobs did not end within 600 s: status 202/),
    });
    await expect(rolledBack({ ...fleet, deps: { ...fleet.deps, http } })).rejects.toThrow(/handover jobs/);
  });

  test('the deadline of work under way survives the process that began to wait for it', async () => {
    const { fleet, http } = fleetWith(Number.POSITIVE_INFINITY);
    const image = await newImage(fleet);
    const stop = new AbortController();
    const stopping: Http = async (request, signal) => {
      if (intents(fleet, 'heartbeat').length > 0) setImmediate(() => stop.abort(new Error('SIGINT')));
      return http(request, signal);
    };
    const deps = { ...fleet.deps, http: stopping, signal: stop.signal };
    await expect(runWave(deps, waveOf(fleet), image)).rejects.toThrow(/was stopped/);
    const [first] = intents(fleet, 'heartbeat');
    for (let beat = 0; beat < 12; beat += 1) {
      await fleet.clock.sleep(50_000);
      await fleet.cloud.extendLifecycleActions('web', 'drover', first!.arguments.instances as string[]);
    }
    const resumedAt = fleet.clock.now();
    expect(await runWave({ ...fleet.deps, http }, waveOf(fleet), image)).toMatchObject({
      outcome: 'failed',
      reason: expect.stringMatching(/handover jobs did not end within 600 s: status 202/),
    });
    expect(fleet.clock.now() - resumedAt).toBeLessThan(60_000);
  });

  test('a group without the hook is refused before anything is changed', async () => {
    const fleet = fleetOf({ web: { desired: 1 } }, { specs: { web: { handover: handover() } } });
    await expect(runWave(fleet.deps, waveOf(fleet), await newImage(fleet))).rejects.toThrow(
      "group web has no termination lifecycle hook 'drover'",
    );
    expect(fleet.journal.records()).toEqual([]);
  });
});
