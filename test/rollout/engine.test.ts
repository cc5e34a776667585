/** The engine through the real adapter against the simulator: healthy images, slow drains, others at work. */
import { describe, expect, test } from 'vitest';
import { Refused } from '../../pipeline/errors.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { setDesired, suspend, updateGroup } from '../../pipeline/simulator/model/groups.ts';
import { terminate } from '../../pipeline/simulator/model/instances.ts';
import { type Fleet, fleetOf, newImage, promotedFrom, recordsOf, rolledBack, waveOf } from './fleet.ts';

/** Runs the wave while `meddle` does things to the account at its own pace. */

async function rolledWhile(fleet: Fleet, meddle: () => Promise<void>) {
  const image = await newImage(fleet);
  const [outcome] = await Promise.all([runWave(fleet.deps, waveOf(fleet), image), meddle()]);
  return outcome;
}

describe('a wave on healthy images', () => {
  test('moves several groups onto the image without losing capacity and leaves nothing behind', async () => {
    const fleet = fleetOf(
      {
        'web-a': { desired: 4 },
        'web-b': { desired: 3, zones: 2 },
        worker: { desired: 4, load_balanced: false },
      },
      { specs: { worker: { surge: { fraction: 0.5 } } } },
    );
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(fleet.violations).toEqual([]);
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
    expect(recordsOf(fleet, 'group.finished').map(({ group, outcome }) => [group, outcome])).toEqual([
      ['web-a', 'promoted'],
      ['web-b', 'promoted'],
      ['worker', 'promoted'],
    ]);
    expect(recordsOf(fleet, 'wave.finished')).toMatchObject([{ outcome: 'promoted' }]);
  });

  test('writes the baseline of a group before its first intent, and an outcome for every intent', async () => {
    const fleet = fleetOf({ web: { desired: 2 } });
    await runWave(fleet.deps, waveOf(fleet), await newImage(fleet));
    const types = fleet.journal.records().map(({ type }) => type);
    expect(types.indexOf('group.baseline')).toBeLessThan(types.indexOf('intent'));
    expect(recordsOf(fleet, 'group.baseline')).toHaveLength(1);
    expect(recordsOf(fleet, 'outcome').map(({ key }) => key)).toEqual(
      recordsOf(fleet, 'intent').map(({ key }) => key),
    );
  });

  test('costs one termination per replaced instance and a handful of calls per group', async () => {
    const fleet = fleetOf({ web: { desired: 12 } }, { specs: { web: { surge: { instances: 3 } } } });
    await runWave(fleet.deps, waveOf(fleet), await newImage(fleet));
    const intents = recordsOf(fleet, 'intent');
    const terminated = intents.filter(({ action }) => action === 'terminate');
    expect(terminated.flatMap(({ arguments: given }) => given.instances)).toHaveLength(12);
    expect(intents.filter(({ action }) => !['terminate', 'drain'].includes(action))).toHaveLength(6);
    expect(fleet.violations).toEqual([]);
  });

  test.each([
    { name: 'in place, one at a time', surge: 0, unavailable: 1 },
    { name: 'in place, two at a time', surge: 0, unavailable: 2 },
    { name: 'with surge and unavailable together', surge: 2, unavailable: 1 },
    { name: 'with a surge larger than the group', surge: 9, unavailable: 0 },
  ])('keeps every limit $name', async ({ surge, unavailable }) => {
    const fleet = fleetOf(
      { web: { desired: 5, max: 20 } },
      { specs: { web: { surge: { instances: surge }, unavailable: { instances: unavailable } } } },
    );
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(fleet.violations).toEqual([]);
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
    expect(fleet.lowest.web).toBe(5 - unavailable);
    expect(fleet.highest.web).toBe(5 + Math.min(surge, 5));
  });

  test.each([1, 2])(
    'replaces %i at a time in place where neither MaxSize nor MinSize leaves room',
    async (many) => {
      const spec = { surge: { instances: 0 }, unavailable: { instances: many } };
      const fleet = fleetOf({ web: { desired: 4, min: 4, max: 4 } }, { specs: { web: spec } });
      const image = await newImage(fleet);
      const before = fleet.snapshot();
      expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
      expect(fleet.violations).toEqual([]);
      expect(fleet.snapshot()).toEqual(promotedFrom(before));
      expect([fleet.lowest.web, fleet.highest.web]).toEqual([4 - many, 4]);
      const updates = recordsOf(fleet, 'intent').filter(({ action }) => action === 'update');
      expect(updates.map(({ arguments: given }) => given.change)).toEqual([{ templateVersion: 2 }]);
    },
  );

  test('raises a MaxSize that leaves no room and restores it exactly', async () => {
    const fleet = fleetOf({ web: { desired: 3, min: 3, max: 3 } });
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(fleet.highest.web).toBe(4);
    expect(fleet.violations).toEqual([]);
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
  });

  test('leaves a process alone that an operator had suspended', async () => {
    const fleet = fleetOf({ web: { desired: 2 } });
    suspend(fleet.world, fleet.world.groups.web!, ['AZRebalance', 'AlarmNotification']);
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
    expect(fleet.calls).not.toContain('ResumeProcesses');
  });

  test('pins a group that follows $Latest before the new version exists', async () => {
    const fleet = fleetOf({ web: { desired: 2 } });
    const group = fleet.world.groups.web!;
    updateGroup(fleet.world, group, {}, { template: { ...group.template!, version: '$Latest' } });
    expect(await runWave(fleet.deps, waveOf(fleet), await newImage(fleet))).toEqual({ outcome: 'promoted' });
    const calls = fleet.calls.filter((call) => /^(Update|CreateLaunch)/.test(call));
    expect(calls.slice(0, 2)).toEqual(['UpdateAutoScalingGroup', 'CreateLaunchTemplateVersion']);
    expect(fleet.world.groups.web!.template!.version).toBe('2');
  });

  test('changes nothing on a group that runs the image already', async () => {
    const fleet = fleetOf({ web: { desired: 2 } });
    const [current] = Object.values(fleet.world.images).filter(({ name }) => name === 'drover-initial');
    const before = fleet.snapshot();
    const outcome = await runWave(fleet.deps, waveOf(fleet), { id: current!.id, name: current!.name });
    expect(outcome).toEqual({ outcome: 'promoted' });
    expect(fleet.snapshot()).toEqual(before);
    expect(recordsOf(fleet, 'intent')).toEqual([]);
    expect(recordsOf(fleet, 'group.finished')).toMatchObject([{ outcome: 'unchanged' }]);
  });

  test('rolls an empty group by pinning it', async () => {
    const fleet = fleetOf({ web: { desired: 0, min: 0, max: 4 } });
    expect(await runWave(fleet.deps, waveOf(fleet), await newImage(fleet))).toEqual({ outcome: 'promoted' });
    expect(fleet.world.groups.web!.template!.version).toBe('2');
  });

  test('leaves the zones even, so that AZRebalance has nothing to do afterwards', async () => {
    const fleet = fleetOf(
      { two: { desired: 2 }, four: { desired: 4 }, seven: { desired: 7 } },
      {
        specs: {
          two: { surge: { instances: 2 } },
          four: { surge: { instances: 1 } },
          seven: { surge: { instances: 3 } },
        },
      },
    );
    expect(await runWave(fleet.deps, waveOf(fleet), await newImage(fleet))).toEqual({ outcome: 'promoted' });
    await fleet.clock.sleep(600_000);
    fleet.simulator.advance();
    const rebalancing = Object.values(fleet.world.activities)
      .flat()
      .filter(({ cause }) => /rebalanc/i.test(cause));
    expect(rebalancing).toEqual([]);
    expect(fleet.violations).toEqual([]);
  });
});

describe('drains that take too long', () => {
  const slow = (on_deadline: 'fail' | 'skip' | 'force') =>
    fleetOf(
      { web: { desired: 2 } },
      {
        simulator: { drain: '5m' },
        specs: { web: { drain: [{ type: 'target-group', deadlineMs: 30_000, on_deadline }] } },
      },
    );

  test('fail the wave under the policy fail, and the victim serves again after the rollback', async () => {
    const fleet = slow('fail');
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    const outcome = await runWave(fleet.deps, waveOf(fleet), image);
    expect(outcome).toMatchObject({
      outcome: 'failed',
      reason: expect.stringMatching(/drain target-group did not end within 30 s: still draining/),
    });
    await rolledBack({ ...fleet, specs: slow('skip').specs });
    expect(fleet.violations).toEqual([]);
    expect(fleet.snapshot()).toEqual(before);
    const { targets } = Object.values(fleet.world.targetGroups)[0]!;
    expect(Object.values(targets).filter(({ state }) => state === 'healthy')).toHaveLength(2);
  });

  test.each(['skip', 'force'] as const)('do not hold the wave up under the policy %s', async (policy) => {
    const fleet = slow(policy);
    const outcome = await runWave(fleet.deps, waveOf(fleet), await newImage(fleet));
    expect(outcome).toEqual({ outcome: 'promoted' });
    expect(fleet.violations).toEqual([]);
  });
});

describe('what others do meanwhile', () => {
  test.each([
    { change: 'raises', to: 7 },
    { change: 'lowers', to: 3 },
  ])('desired that an autoscaler $change mid-rollout stands at the end', async ({ to }) => {
    const fleet = fleetOf({ web: { desired: 5, min: 1, max: 10 } });
    const before = fleet.snapshot();
    const outcome = await rolledWhile(fleet, async () => {
      await fleet.clock.sleep(150_000);
      fleet.simulator.advance();
      setDesired(fleet.world, fleet.world.groups.web!, to);
      fleet.wanted.web = to;
      fleet.settling.web = fleet.clock.now() + 120_000;
    });
    expect(outcome).toEqual({ outcome: 'promoted' });
    expect(fleet.violations).toEqual([]);
    expect(fleet.snapshot()).toEqual(promotedFrom(before, { web: { desired: to } }));
  });

  test('an instance that dies, new or previous, is replaced and the rollout goes on', async () => {
    const fleet = fleetOf({ web: { desired: 4 } });
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    const killAt = async (atMs: number, version: string): Promise<void> => {
      await fleet.clock.sleep(atMs);
      fleet.simulator.advance();
      const members = Object.values(fleet.world.groups.web!.members);
      const victim = members.find((m) => m.template!.version === version && m.lifecycle === 'InService')!;
      fleet.settling.web = fleet.clock.now() + 180_000;
      terminate(fleet.world, fleet.world.instances[victim.instanceId]!);
    };
    const [outcome] = await Promise.all([
      runWave(fleet.deps, waveOf(fleet), image),
      killAt(75_000, '1'),
      killAt(260_000, '2'),
    ]);
    expect(outcome).toEqual({ outcome: 'promoted' });
    expect(fleet.violations).toEqual([]);
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
  });

  test('a MaxSize that a person changes mid-rollout is theirs to keep', async () => {
    const fleet = fleetOf({ web: { desired: 3, min: 3, max: 3 } });
    const before = fleet.snapshot();
    const outcome = await rolledWhile(fleet, async () => {
      await fleet.clock.sleep(100_000);
      updateGroup(fleet.world, fleet.world.groups.web!, { max: 9 }, {});
    });
    expect(outcome).toEqual({ outcome: 'promoted' });
    expect(fleet.snapshot()).toEqual(promotedFrom(before, { web: { max: 9 } }));
  });

  test('a template version set by somebody else fails the wave with their number', async () => {
    const fleet = fleetOf({ web: { desired: 3 } });
    const outcome = await rolledWhile(fleet, async () => {
      await fleet.clock.sleep(100_000);
      const group = fleet.world.groups.web!;
      group.template = { ...group.template!, version: '$Default' };
    });
    expect(outcome).toMatchObject({
      outcome: 'failed',
      reason: 'web: somebody else set the template version to $Default',
    });
  });

  test('a group that another release has marked is refused before anything is changed', async () => {
    const fleet = fleetOf({ web: { desired: 2 } });
    await fleet.cloud.setGroupTags('web', { 'drover:release': 'r-0' });
    const before = fleet.snapshot();
    await expect(runWave(fleet.deps, waveOf(fleet), await newImage(fleet))).rejects.toThrow(/release r-0/);
    expect(fleet.snapshot()).toEqual(before);
    expect(fleet.journal.records()).toEqual([]);
  });

  test('a rollback leaves every group alone while one of them carries the marks of another release', async () => {
    const fleet = fleetOf({ 'web-a': { desired: 2 }, 'web-b': { desired: 2 } });
    await runWave(fleet.deps, waveOf(fleet), await newImage(fleet));
    await fleet.cloud.setGroupTags('web-b', { 'drover:release': 'r-2' });
    const before = fleet.snapshot();
    const records = fleet.journal.records().length;
    const refusal = await rolledBack(fleet).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(Refused);
    expect(refusal).toMatchObject({
      kind: 'busy',
      message: expect.stringContaining('group web-b carries the marks of release r-2'),
      remedy: expect.stringMatching(/drover resume r-2.*drover rollback r-2/),
    });
    expect(fleet.snapshot()).toEqual(before);
    expect(fleet.journal.records()).toHaveLength(records);
  });

  test('a group that does not exist is refused with the key that names it', async () => {
    const fleet = fleetOf({ web: { desired: 2 } });
    const wave = waveOf(fleet);
    wave.groups.push({ ...fleet.specs.web!, group: 'absent' });
    const refusal = await runWave(fleet.deps, wave, await newImage(fleet)).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(Refused);
    expect(refusal).toMatchObject({
      kind: 'invalid',
      remedy: expect.stringContaining('fleet.production.waves'),
    });
  });
});
