/** Rolled by Auto Scaling's own instance refresh: started once, watched by the gates, cancelled when one fails. */
import { describe, expect, test } from 'vitest';
import { type Cloud, CloudError } from '../../pipeline/cloud/cloud.ts';
import { Interrupted, Stuck } from '../../pipeline/errors.ts';
import { freshMemory } from '../../pipeline/rollout/decision/owed.ts';
import { decideByStrategy } from '../../pipeline/rollout/decision/refresh.ts';
import { requestOf } from '../../pipeline/rollout/decision/refresh-request.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import type { GroupSpec } from '../../pipeline/rollout/spec.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { refreshesOf } from '../../pipeline/simulator/model/refresh-state.ts';
import {
  type Fleet,
  fleetOf,
  newImage,
  promotedFrom,
  recordsOf,
  rolledBack,
  versionsOf,
  waveOf,
} from './fleet.ts';
import { assignment, group, previous } from './group.ts';

const byRefresh = (checkpoints: number[] = [], checkpointSoakMs = 0) => ({
  strategy: { type: 'instance-refresh' as const, checkpoints, checkpointSoakMs },
});
const fleetWith = (changes: Partial<GroupSpec> = {}, desired = 4): Fleet =>
  fleetOf({ web: { desired, max: 20 } }, { specs: { web: { ...byRefresh(), ...changes } } });
const refreshes = (fleet: Fleet) => refreshesOf(fleet.world, 'web');
const intents = (fleet: Fleet) => recordsOf(fleet, 'intent').map(({ action }) => action);

describe('what is asked of Auto Scaling', () => {
  const spec = (changes: Partial<GroupSpec> = {}) => assignment(changes).spec;
  test.each([
    { wanted: 4, surge: 1, unavailable: 0 },
    { wanted: 3, surge: 1, unavailable: 0 },
    { wanted: 3, surge: 0, unavailable: 1 },
    { wanted: 7, surge: 2, unavailable: 3 },
    { wanted: 10, surge: 10, unavailable: 0 },
    { wanted: 250, surge: 25, unavailable: 10 },
  ])('$surge above and $unavailable below $wanted, as whole percentages that keep both', (sizes) => {
    const { minHealthy, maxHealthy } = requestOf(spec(), 2, { ...sizes, desired: sizes.wanted });
    expect(Math.ceil((sizes.wanted * minHealthy) / 100)).toBe(sizes.wanted - sizes.unavailable);
    expect(Math.floor((sizes.wanted * maxHealthy) / 100)).toBe(sizes.wanted + sizes.surge);
    expect(maxHealthy - minHealthy).toBeLessThanOrEqual(100);
  });

  // The simulation draws groups of a few instances, in which a percentage is finer than an instance.
  test('of more instances than there are percentages, both limits are kept, and met by less than one percent', () => {
    for (let wanted = 101; wanted <= 400; wanted += 1) {
      for (const allowed of [0, 1, 2, 9, 50]) {
        const sizes = { wanted, desired: wanted, surge: allowed, unavailable: allowed };
        const { minHealthy, maxHealthy } = requestOf(spec(), 2, sizes);
        const fewest = Math.ceil((wanted * minHealthy) / 100);
        const most = Math.floor((wanted * maxHealthy) / 100);
        const label = `${allowed} of ${wanted}`;
        expect(fewest - (wanted - allowed), label).toBeGreaterThanOrEqual(0);
        expect(wanted + allowed - most, label).toBeGreaterThanOrEqual(0);
        expect(fewest - (wanted - allowed), label).toBeLessThan(wanted / 100);
        expect(wanted + allowed - most, label).toBeLessThan(wanted / 100);
      }
    }
  });

  test('limits further apart than 100 percent are brought together from above', () => {
    const { minHealthy, maxHealthy } = requestOf(spec(), 2, {
      wanted: 4,
      desired: 4,
      surge: 4,
      unavailable: 2,
    });
    expect(maxHealthy - minHealthy).toBe(100);
    expect(Math.ceil((4 * minHealthy) / 100)).toBe(2);
  });

  test('of a desired that is raised already, percentages that keep the limits of what is wanted', () => {
    const sizes = { wanted: 4, desired: 6, surge: 2, unavailable: 1 };
    const { minHealthy, maxHealthy } = requestOf(spec(), 2, sizes);
    expect(Math.ceil((6 * minHealthy) / 100)).toBe(3);
    expect(Math.floor((6 * maxHealthy) / 100)).toBe(6);
  });

  test('of a group of which none is wanted, percentages all the same', () => {
    const sizes = { wanted: 0, desired: 0, surge: 1, unavailable: 0 };
    const { minHealthy, maxHealthy } = requestOf(spec(), 2, sizes);
    expect([minHealthy, maxHealthy]).toEqual([0, 100]);
  });

  test.each([
    { given: [], asked: [] },
    { given: [25, 50], asked: [25, 50, 100] },
    { given: [50, 100], asked: [50, 100] },
  ])('checkpoints $given go on to the whole group', ({ given, asked }) => {
    const sizes = { wanted: 4, desired: 4, surge: 1, unavailable: 0 };
    expect(requestOf(spec(byRefresh(given)), 2, sizes).checkpoints).toEqual(asked);
  });

  test('no checkpoint is shorter than the gates may take', () => {
    const sizes = { wanted: 4, desired: 4, surge: 1, unavailable: 0 };
    const at = (soakMs: number) =>
      requestOf(spec({ ...byRefresh([50], soakMs), gateDeadlineMs: 180_000 }), 2, sizes).checkpointDelayMs;
    expect([at(0), at(600_000)]).toEqual([180_000, 600_000]);
  });
});

describe('a wave', () => {
  test('is replaced by one refresh within the limits, soaks, and leaves nothing behind', async () => {
    const fleet = fleetWith();
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
    expect(intents(fleet).slice(0, 4)).toEqual(['template', 'tag', 'suspend', 'refresh']);
    expect(intents(fleet).slice(-2)).toEqual(['resume', 'untag']);
    expect(refreshes(fleet)).toMatchObject([{ status: 'Successful' }]);
    const [started] = recordsOf(fleet, 'outcome').filter(({ key }) => key.endsWith('refresh'));
    expect(started!.result).toEqual({ id: refreshes(fleet)[0]!.id });
    expect(fleet.highest.web).toBe(5);
  });

  test('pauses at its checkpoints', async () => {
    const fleet = fleetWith(byRefresh([50], 900_000));
    const image = await newImage(fleet);
    const startedAt = fleet.clock.now();
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(refreshes(fleet)[0]!.preferences.checkpointPercents).toEqual([50, 100]);
    expect(fleet.clock.now() - startedAt).toBeGreaterThan(900_000);
  });

  test('starts none when the group runs the image already', async () => {
    const fleet = fleetWith();
    const [current] = Object.values(fleet.world.images).filter(({ name }) => name === 'drover-initial');
    const outcome = await runWave(fleet.deps, waveOf(fleet), { id: current!.id, name: current!.name });
    expect(outcome).toEqual({ outcome: 'promoted' });
    expect(refreshes(fleet)).toEqual([]);
  });

  test('a gate that fails at a checkpoint cancels the refresh, and the group goes back', async () => {
    const fleet = fleetWith(byRefresh([25], 3_600_000));
    const image = await newImage(fleet);
    injectFault(fleet.world, { kind: 'unhealthy', failsAfterMs: 300_000, imageId: image.id });
    const before = fleet.snapshot();
    fleet.settling.web = Number.POSITIVE_INFINITY;
    const outcome = await runWave(fleet.deps, waveOf(fleet), image);
    expect(outcome).toMatchObject({ outcome: 'failed', reason: expect.stringMatching(/turned bad|died/) });
    expect(refreshes(fleet)[0]).toMatchObject({ status: 'InProgress' });
    expect(versionsOf(fleet, 'web').filter((version) => version === '2')).toHaveLength(1);
    await rolledBack(fleet);
    expect(refreshes(fleet)).toMatchObject([{ status: 'Cancelled' }]);
    expect(fleet.snapshot()).toEqual(before);
  });

  test('instances that turn bad in the soak fail it after the refresh has succeeded', async () => {
    const fleet = fleetWith({ soakMs: 7_200_000 }, 2);
    const image = await newImage(fleet);
    injectFault(fleet.world, { kind: 'unhealthy', failsAfterMs: 1_800_000, imageId: image.id });
    const before = fleet.snapshot();
    fleet.settling.web = Number.POSITIVE_INFINITY;
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toMatchObject({ outcome: 'failed' });
    expect(refreshes(fleet)[0]).toMatchObject({ status: 'Successful' });
    await rolledBack(fleet);
    expect(fleet.snapshot()).toEqual(before);
  });

  test('keeps zones and floor, because AZRebalance comes back only when it has nothing to do', async () => {
    const fleet = fleetWith();
    const image = await newImage(fleet);
    await runWave(fleet.deps, waveOf(fleet), image);
    await fleet.clock.sleep(3_600_000);
    fleet.simulator.advance();
    expect(fleet.violations).toEqual([]);
    const activities = Object.values(fleet.world.activities.web!).map(({ cause }) => cause);
    expect(activities.filter((cause) => cause.includes('balanc'))).toEqual([]);
  });

  test('a refresh that ends badly fails the wave with what Auto Scaling says', async () => {
    const fleet = fleetWith();
    const image = await newImage(fleet);
    const cancelling = async () => {
      await fleet.clock.sleep(60_000);
      await fleet.cloud.cancelRefresh('web', { id: refreshes(fleet)[0]!.id });
    };
    const [outcome] = await Promise.all([runWave(fleet.deps, waveOf(fleet), image), cancelling()]);
    expect(outcome).toMatchObject({
      outcome: 'failed',
      reason: expect.stringMatching(
        /instance refresh \S+ is Cancelled \(\d+ %\): Cancelled due to user request/,
      ),
    });
  });

  test('drains that a refresh would never run are refused', async () => {
    const drain = [
      {
        type: 'command' as const,
        name: 'leave',
        argv: ['true'],
        deadlineMs: 1_000,
        on_deadline: 'fail' as const,
      },
    ];
    const fleet = fleetWith({ drain });
    await expect(runWave(fleet.deps, waveOf(fleet), await newImage(fleet))).rejects.toThrow(
      /skip its command drain/,
    );
    expect(fleet.journal.records()).toEqual([]);
  });
});

test('a refresh that is never done cancelling ends the return at its deadline', () => {
  const refresh = {
    id: 'ir-1',
    status: 'Cancelling',
    reason: 'waits',
    startedAt: 0,
    percent: 50,
    version: 2,
  };
  const seen = group(previous(2), { refresh, template: { id: 'lt-1', name: 'web', version: '1' } });
  const task = {
    ...assignment({ deadlineMs: 600_000 }),
    goal: { kind: 'return' as const, version: 1, abandoned: 2, follows: null },
  };
  const at = (now: number) => {
    const answered = { answers: {}, drains: {}, handovers: {}, soaked: false };
    const groupAnswer = { status: 'passed' as const, source: 'gates', reason: '' };
    return decideByStrategy(task, { now, group: seen, groupAnswer, ...answered }, freshMemory(2, 0));
  };
  const reasons = ['instance refresh ir-1 is Cancelling: waits'];
  expect(at(599_999)).toMatchObject({ status: 'rolling', actions: [], reasons });
  expect(at(600_000)).toMatchObject({ status: 'failed', actions: [], reasons });
});

describe('a refresh is not begun', () => {
  const task = assignment(byRefresh());
  const decided = (desired: number, wanted: number, memory = freshMemory(wanted, 0)) => {
    const answers = Object.fromEntries(
      previous(desired).map(({ id }) => [id, { status: 'passed' as const, source: 'gates', reason: '' }]),
    );
    const groupAnswer = { status: 'passed' as const, source: 'gates', reason: '' };
    const seen = group(previous(desired), { refresh: null });
    const now = 600_000;
    return decideByStrategy(
      task,
      { now, group: seen, groupAnswer, answers, drains: {}, handovers: {}, soaked: false },
      memory,
    );
  };
  const typesOf = ({ actions }: { actions: { type: string }[] }) => actions.map(({ type }) => type);

  test('while desired reads otherwise than expected: its percentages would be of the wrong number', () => {
    expect(typesOf(decided(4, 4))).toContain('refresh');
    const doubtful = decided(4, 3);
    expect(typesOf(doubtful)).not.toContain('refresh');
    expect(doubtful.reasons).toEqual(['desired reads 4, not 3; looking again']);
  });

  test('while more are desired than the surge allows: those too many are drained first', () => {
    const fresh = freshMemory(6, 0);
    const crowded = { ...fresh, owed: { ...fresh.owed, wanted: 4, expected: 6, tagged: true } };
    const first = decided(6, 4, crowded);
    expect(typesOf(first)).not.toContain('refresh');
    expect(Object.keys(first.memory.drains).length).toBeGreaterThan(0);
  });
});

describe('a stop by hand', () => {
  test('calls the refresh off, and a resumed run goes on with what is left', async () => {
    const fleet = fleetWith();
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    const stop = new AbortController();
    const [stopped] = await Promise.allSettled([
      runWave({ ...fleet.deps, signal: stop.signal }, waveOf(fleet), image),
      fleet.clock.sleep(200_000).then(() => stop.abort(new Error('SIGINT'))),
    ]);
    expect(stopped).toMatchObject({ status: 'rejected', reason: expect.any(Interrupted) });
    await fleet.clock.sleep(300_000);
    fleet.simulator.advance();
    expect(refreshes(fleet)).toMatchObject([{ status: 'Cancelled' }]);
    const replaced = versionsOf(fleet, 'web').filter((version) => version === '2').length;
    expect(replaced).toBeGreaterThan(0);
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(refreshes(fleet)).toMatchObject([{ status: 'Cancelled' }, { status: 'Successful' }]);
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
  });

  test('leaves to no chance what the refresh has launched ahead: whoever serves goes on serving', async () => {
    const fleet = fleetWith({}, 1);
    const stop = new AbortController();
    const [stopped] = await Promise.allSettled([
      runWave({ ...fleet.deps, signal: stop.signal }, waveOf(fleet), await newImage(fleet)),
      fleet.clock.sleep(20_000).then(() => stop.abort(new Error('SIGINT'))),
    ]);
    expect(stopped).toMatchObject({ status: 'rejected', reason: expect.any(Interrupted) });
    await fleet.clock.sleep(300_000);
    fleet.simulator.advance();
    expect(versionsOf(fleet, 'web')).toEqual(['1', '2']);
    expect(fleet.violations).toEqual([]);
  });

  test('in the soak has nothing to call off', async () => {
    const fleet = fleetWith({ soakMs: 36_000_000 }, 1);
    const stop = new AbortController();
    const [stopped] = await Promise.allSettled([
      runWave({ ...fleet.deps, signal: stop.signal }, waveOf(fleet), await newImage(fleet)),
      fleet.clock.sleep(3_600_000).then(() => stop.abort(new Error('SIGINT'))),
    ]);
    expect(stopped).toMatchObject({ status: 'rejected', reason: expect.any(Interrupted) });
    expect(refreshes(fleet)).toMatchObject([{ status: 'Successful' }]);
    expect(intents(fleet)).not.toContain('cancel-refresh');
  });
});

test('a cloud that cannot be looked at any more has the refresh called off, as far as it still listens', async () => {
  const fleet = fleetWith(byRefresh([25], 3_600_000));
  const image = await newImage(fleet);
  const before = fleet.snapshot();
  const blindFrom = fleet.clock.now() + 120_000;
  const cloud: Cloud = {
    ...fleet.cloud,
    async observe(...given) {
      if (fleet.clock.now() < blindFrom) return await fleet.cloud.observe(...given);
      throw new CloudError('DescribeAutoScalingGroups', 'Throttling', 'Rate exceeded');
    },
  };
  await expect(runWave({ ...fleet.deps, cloud }, waveOf(fleet), image)).rejects.toThrow(Stuck);
  expect(refreshes(fleet)).toMatchObject([{ status: expect.stringMatching(/^Cancell/) }]);
  expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
  expect(fleet.snapshot()).toEqual(promotedFrom(before));
});

describe('a process that dies', () => {
  const dying = (fleet: Fleet, when: 'before' | 'after' | 'silent'): Cloud => ({
    ...fleet.cloud,
    async startRefresh(...given) {
      if (when !== 'before') await fleet.cloud.startRefresh(...given);
      if (when !== 'silent') throw new Error('killed');
      throw new CloudError('StartInstanceRefresh', 'EndpointUnreachable', 'hang up', {
        outcomeUnknown: true,
      });
    },
  });

  test.each(['before', 'after'] as const)(
    '%s the refresh has started is followed by one that goes on with one refresh',
    async (when) => {
      const fleet = fleetWith();
      const image = await newImage(fleet);
      const before = fleet.snapshot();
      await expect(
        runWave({ ...fleet.deps, cloud: dying(fleet, when) }, waveOf(fleet), image),
      ).rejects.toThrow('killed');
      await fleet.clock.sleep(20_000);
      expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
      expect(refreshes(fleet)).toHaveLength(1);
      expect(fleet.snapshot()).toEqual(promotedFrom(before));
    },
  );

  test('after the refresh has started can be followed by a rollback that cancels it', async () => {
    const fleet = fleetWith();
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    await expect(
      runWave({ ...fleet.deps, cloud: dying(fleet, 'after') }, waveOf(fleet), image),
    ).rejects.toThrow('killed');
    await fleet.clock.sleep(120_000);
    await rolledBack(fleet);
    expect(refreshes(fleet)).toMatchObject([{ status: 'Cancelled' }]);
    expect(fleet.snapshot()).toEqual(before);
  });

  test.each([
    ['rolling', { type: 'rolling' }],
    ['canary', { type: 'canary', size: { instances: 1 }, soakMs: 0 }],
  ] as const)(
    'after the refresh has started can be followed by a rollback by %s, which cancels it too',
    async (_name, strategy) => {
      const fleet = fleetWith();
      const image = await newImage(fleet);
      const before = fleet.snapshot();
      await expect(
        runWave({ ...fleet.deps, cloud: dying(fleet, 'after') }, waveOf(fleet), image),
      ).rejects.toThrow('killed');
      await fleet.clock.sleep(120_000);
      fleet.specs.web = { ...fleet.specs.web!, strategy };
      await rolledBack(fleet);
      expect(refreshes(fleet)).toMatchObject([{ status: 'Cancelled' }]);
      expect(fleet.snapshot()).toEqual(before);
    },
  );

  test('a stop while it is not known whether the refresh has started calls it off', async () => {
    const fleet = fleetWith();
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    const stop = new AbortController();
    const cloud: Cloud = {
      ...fleet.cloud,
      startRefresh(...given) {
        stop.abort(new Error('SIGINT'));
        return dying(fleet, 'silent').startRefresh(...given);
      },
    };
    await expect(
      runWave({ ...fleet.deps, cloud, signal: stop.signal }, waveOf(fleet), image),
    ).rejects.toThrow(Interrupted);
    expect(refreshes(fleet)).toMatchObject([{ status: expect.stringMatching(/^Cancell/) }]);
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
  });

  test('a start whose answer is lost is found again', async () => {
    const fleet = fleetWith();
    const image = await newImage(fleet);
    const cloud = dying(fleet, 'silent');
    expect(await runWave({ ...fleet.deps, cloud }, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(refreshes(fleet)).toHaveLength(1);
  });
});
