/** A canary first: so many and no more, until they have soaked; then rolling, or back at once. */
import { describe, expect, test } from 'vitest';
import { runWave } from '../../pipeline/rollout/engine.ts';
import type { Allowance, GroupSpec } from '../../pipeline/rollout/spec.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { setDesired } from '../../pipeline/simulator/model/groups.ts';
import {
  type Fleet,
  fleetOf,
  newImage,
  promotedFrom,
  recordsOf,
  rolledBack,
  staying,
  waveOf,
} from './fleet.ts';
import { actionsOf, assignment, chosen, decideOn, desiredSet, group, previous, target } from './group.ts';

const canary = (size: Allowance, soakMs = 300_000) => ({ type: 'canary' as const, size, soakMs });
const of = (instances: number): Allowance => ({ instances });
const whole = (provenSince: number | null, isOver = false) => ({ canary: { provenSince, isOver } });

describe('one decision', () => {
  const two = (changes: Partial<GroupSpec> = {}) => assignment({ strategy: canary(of(2)), ...changes });

  test('raises desired by no more than the canary', () => {
    const seen = group(previous(6));
    expect(desiredSet(decideOn(two({ surge: of(4) }), seen))).toBe(8);
    expect(desiredSet(decideOn(two({ surge: of(4) }), seen, { memory: whole(null, true) }))).toBe(10);
  });

  test('takes no victim while as many as the canary are on the target version or coming', () => {
    const spec = { surge: of(1), unavailable: of(3) };
    expect(chosen(decideOn(two(spec), group([...previous(6), ...target(1)]), { wanted: 6 }))).toHaveLength(1);
    expect(chosen(decideOn(two(spec), group([...previous(5), ...target(2)]), { wanted: 6 }))).toEqual([]);
    const coming = group([...previous(6)], { desired: 8 });
    expect(chosen(decideOn(two(spec), coming, { wanted: 6, expected: 8 }))).toEqual([]);
  });

  test('a share of the group rounds up, and is at least one', () => {
    const spec = (fraction: number) =>
      assignment({ strategy: canary({ fraction }), surge: of(9), unavailable: of(0) });
    expect(desiredSet(decideOn(spec(0.25), group(previous(6))))).toBe(8);
    expect(desiredSet(decideOn(spec(0.01), group(previous(6))))).toBe(7);
  });

  test('what the surge is about to launch counts towards the canary', () => {
    const one = assignment({ strategy: canary(of(1)), surge: of(1), unavailable: of(1), drain: [] });
    const decision = decideOn(one, group(previous(3)));
    expect(desiredSet(decision)).toBe(4);
    expect(actionsOf(decision, 'terminate')).toEqual([]);
  });

  test('desired is not raised again for a canary that is whole, whatever a user has set it to meanwhile', () => {
    const one = assignment({ strategy: canary(of(1)), surge: of(2), unavailable: of(0) });
    expect(actionsOf(decideOn(one, group([...previous(4), ...target(1)])), 'update')).toEqual([]);
  });

  test('the soak begins when the whole canary serves, and begins anew when it does not', () => {
    const serving = group([...previous(6), ...target(2)]);
    const given = { wanted: 6, expected: 8, now: 5_000 };
    const spec = two({ surge: of(2) });
    expect(decideOn(spec, serving, given).memory.canary.provenSince).toBe(5_000);
    expect(decideOn(spec, serving, { ...given, memory: whole(1_000) }).memory.canary.provenSince).toBe(1_000);
    const partly = group([...previous(6), target(1)[0]!], { desired: 8 });
    expect(decideOn(spec, partly, { ...given, memory: whole(1_000) }).memory.canary.provenSince).toBe(null);
  });

  test('the limit is lifted when the soak is over, not before', () => {
    const seen = group([...previous(6), ...target(2)]);
    const at = (now: number) =>
      actionsOf(
        decideOn(two({ surge: of(2) }), seen, { wanted: 6, expected: 8, now, memory: whole(0) }),
        'widen',
      );
    expect(at(299_999)).toEqual([]);
    expect(at(300_000)).toEqual([{ type: 'widen', why: 'the canary of 2 has served for 300 s' }]);
  });

  test('a return knows no canary', () => {
    const back = {
      ...two({ surge: of(3) }),
      goal: { kind: 'return' as const, version: 1, abandoned: 2, follows: null },
    };
    const seen = group([...previous(1), ...target(4)], {
      template: { id: 'lt-1', name: 'web', version: '1' },
    });
    expect(desiredSet(decideOn(back, seen))).toBe(8);
  });
});

describe('a wave', () => {
  const fleetWith = (size: Allowance, changes: Partial<GroupSpec> = {}, desired = 6): Fleet =>
    fleetOf({ web: { desired, max: 20 } }, { specs: { web: { strategy: canary(size), ...changes } } });
  /** When the most were on the target version, as the journal's progress tells it. */
  const mostBefore = (fleet: Fleet, widened: number) =>
    Math.max(
      ...fleet.journal
        .records()
        .slice(0, widened)
        .flatMap(({ type, data }) => (type === 'progress' ? [data.target] : [])),
    );
  const widening = (fleet: Fleet) =>
    fleet.journal.records().findIndex(({ type, data }) => type === 'intent' && data.action === 'widen');

  test.each([
    { name: 'with room for the whole canary', size: of(2), changes: { surge: of(2) } },
    { name: 'with less surge than canary', size: of(3), changes: { surge: of(1) } },
    { name: 'in place', size: of(2), changes: { surge: of(0), unavailable: of(1) } },
    { name: 'as a share of the group', size: { fraction: 0.3 }, changes: { surge: { fraction: 1 } } },
  ])('$name soaks its canary, then rolls the rest', async ({ size, changes }) => {
    const fleet = fleetWith(size, changes);
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(fleet.violations).toEqual([]);
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
    const records = fleet.journal.records();
    const widened = widening(fleet);
    expect(mostBefore(fleet, widened)).toBe('instances' in size ? size.instances : 2);
    const proven = records.findLast(({ type }, index) => type === 'answer' && index < widened)!;
    expect(Date.parse(records[widened]!.at) - Date.parse(proven.at)).toBeGreaterThanOrEqual(300_000);
  });

  test('a group no larger than its canary has nothing to wait for', async () => {
    const fleet = fleetWith(of(5), {}, 2);
    expect(await runWave(fleet.deps, waveOf(fleet), await newImage(fleet))).toEqual({ outcome: 'promoted' });
    expect(widening(fleet)).toBe(-1);
  });

  test('a canary that turns bad in its soak is taken back, and no other instance was ever touched', async () => {
    const fleet = fleetWith(of(2), { surge: of(2) });
    const image = await newImage(fleet);
    injectFault(fleet.world, { kind: 'unhealthy', failsAfterMs: 200_000, imageId: image.id });
    const before = fleet.snapshot();
    const ids = () =>
      Object.values(fleet.world.groups.web!.members)
        .filter(staying)
        .map((m) => m.instanceId);
    const earlier = ids();
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toMatchObject({
      outcome: 'failed',
      reason: expect.stringMatching(/turned bad after it had been serving|died/),
    });
    await rolledBack(fleet);
    expect(fleet.snapshot()).toEqual(before);
    expect(ids()).toEqual(earlier);
    expect(fleet.violations).toEqual([]);
    expect(fleet.lowest.web).toBe(6);
  });

  test('desired that grows while the canary soaks is met, and the rollout ends all the same', async () => {
    const fleet = fleetWith(of(1));
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    const meddle = async () => {
      await fleet.clock.sleep(150_000);
      fleet.simulator.advance();
      setDesired(fleet.world, fleet.world.groups.web!, 9);
      fleet.wanted.web = 9;
      fleet.settling.web = fleet.clock.now() + 120_000;
    };
    const [outcome] = await Promise.all([runWave(fleet.deps, waveOf(fleet), image), meddle()]);
    expect(outcome).toEqual({ outcome: 'promoted' });
    expect(fleet.violations).toEqual([]);
    expect(fleet.snapshot()).toEqual(promotedFrom(before, { web: { desired: 9 } }));
  });

  test('a process that dies after the canary’s end does not soak it again', async () => {
    const fleet = fleetWith(of(1));
    const image = await newImage(fleet);
    let isWidened = false;
    const journal = {
      ...fleet.journal,
      append: async (entry: Parameters<typeof fleet.journal.append>[0]) => {
        if (isWidened) throw new Error('dead');
        const record = await fleet.journal.append(entry);
        isWidened = entry.type === 'outcome' && entry.data.key.endsWith('widen');
        return record;
      },
    };
    await expect(runWave({ ...fleet.deps, journal }, waveOf(fleet), image)).rejects.toThrow('dead');
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(recordsOf(fleet, 'intent').filter(({ action }) => action === 'widen')).toHaveLength(1);
  });
});
