/** Instance refreshes that somebody else has begun: never joined, never cancelled, waited for within bounds. */
import { expect, test } from 'vitest';
import { Refused, Stuck } from '../../pipeline/errors.ts';
import { requestOf } from '../../pipeline/rollout/decision/refresh-request.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import type { StrategySpec } from '../../pipeline/rollout/spec.ts';
import { refreshesOf } from '../../pipeline/simulator/model/refresh-state.ts';
import { type Fleet, fleetOf, newImage, promotedFrom, recordsOf, rolledBack, waveOf } from './fleet.ts';

const strategies: StrategySpec[] = [
  { type: 'rolling' },
  { type: 'canary', size: { instances: 1 }, soakMs: 1_000 },
  { type: 'instance-refresh', checkpoints: [], checkpointSoakMs: 0 },
];
const fleetWith = (strategy: StrategySpec = { type: 'rolling' }): Fleet =>
  fleetOf({ web: { desired: 4, max: 20 } }, { specs: { web: { strategy } } });

/** @returns its id */
async function theirs(fleet: Fleet): Promise<string> {
  const version = await fleet.cloud.createTemplateVersion({
    templateId: fleet.world.groups.web!.template!.id,
    sourceVersion: '1',
    imageId: Object.values(fleet.world.images)[0]!.id,
    description: 'theirs',
    token: 'theirs',
  });
  const sizes = { wanted: 4, desired: 4, surge: 1, unavailable: 0 };
  return await fleet.cloud.startRefresh('web', requestOf(fleet.specs.web!, version, sizes));
}
const statuses = (fleet: Fleet) => refreshesOf(fleet.world, 'web').map(({ status }) => status);

test.each(strategies)('under way is refused by $type before anything is changed', async (strategy) => {
  const fleet = fleetWith(strategy);
  const image = await newImage(fleet);
  const id = await theirs(fleet);
  const error = await runWave(fleet.deps, waveOf(fleet), image).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Refused);
  expect(error).toMatchObject({
    message: expect.stringContaining(`instances of group web already: instance refresh ${id} is`),
    remedy: expect.stringContaining('aws autoscaling cancel-instance-refresh --auto-scaling-group-name web'),
  });
  expect(fleet.journal.records()).toEqual([]);
  await fleet.clock.sleep(1_000);
  fleet.simulator.advance();
  expect(statuses(fleet)).toEqual(['InProgress']);
});

/** Begins theirs as soon as the first instance is being drained. */
const meddling = (fleet: Fleet, begun: (id: string) => void): Fleet['deps'] => {
  let isBegun = false;
  const { cloud } = fleet;
  return {
    ...fleet.deps,
    cloud: {
      ...cloud,
      async deregisterTargets(...given) {
        await cloud.deregisterTargets(...given);
        if (isBegun) return;
        isBegun = true;
        begun(await theirs(fleet));
      },
    },
  };
};

test('begun in mid-rollout pauses it with the reason, and it goes on when that has ended', async () => {
  const fleet = fleetWith();
  const image = await newImage(fleet);
  const before = fleet.snapshot();
  let id = '';
  const cancelling = (async () => {
    while (
      !fleet.journal
        .records()
        .some(({ type, data }) => type === 'answer' && data.source === 'instance-refresh')
    )
      await fleet.clock.sleep(1_000);
    await fleet.cloud.cancelRefresh('web', { id });
  })();
  // What theirs does to capacity is theirs.
  fleet.settling.web = Number.POSITIVE_INFINITY;
  const rolling = runWave(
    meddling(fleet, (begun) => {
      id = begun;
    }),
    waveOf(fleet),
    image,
  );
  expect(await rolling).toEqual({ outcome: 'promoted' });
  await cancelling;
  const answers = recordsOf(fleet, 'answer').filter(({ source }) => source === 'instance-refresh');
  expect(answers[0]!.reason).toContain(`somebody else's instance refresh ${id} is under way`);
  expect(fleet.snapshot()).toEqual(promotedFrom(before, {}, '2'));
});

test('begun in mid-rollout and not ended fails the wave, then the way back, and is never cancelled', async () => {
  const fleet = fleetWith();
  const image = await newImage(fleet);
  fleet.settling.web = Number.POSITIVE_INFINITY;
  // Theirs never gets anywhere.
  const deps = meddling(fleet, () => {
    fleet.world.groups.web!.suspended.InstanceRefresh = 'by them';
  });
  expect(await runWave(deps, waveOf(fleet), image)).toMatchObject({
    outcome: 'failed',
    reason: expect.stringMatching(
      /did not pass within 180 s: instance-refresh: somebody else's instance refresh/,
    ),
  });
  const error = await rolledBack(fleet).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Stuck);
  expect((error as Stuck).message).toMatch(
    /somebody else's instance refresh \S+ is under way: wait for its end/,
  );
  expect(statuses(fleet)).toEqual(['InProgress']);
});

test('a cancellation names the refresh it means, and another that is under way goes on', async () => {
  const fleet = fleetWith();
  await newImage(fleet);
  const id = await theirs(fleet);
  await fleet.cloud.cancelRefresh('web', { id: 'ours, which has ended' });
  await fleet.cloud.cancelRefresh('web', { version: 7 });
  await fleet.clock.sleep(1_000);
  fleet.simulator.advance();
  expect(statuses(fleet)).toEqual(['InProgress']);
  await fleet.cloud.cancelRefresh('web', { id });
  expect(statuses(fleet)).toEqual([expect.stringMatching(/^Cancell/)]);
});

test('after a lost lease the refresh is left to whoever holds the group now', async () => {
  const fleet = fleetWith(strategies[2]);
  const image = await newImage(fleet);
  const lost = new AbortController();
  const losing = fleet.clock.sleep(200_000).then(() => {
    lost.abort(new Stuck('the lease on web was taken over', 'Look who has it.'));
  });
  const [ended] = await Promise.allSettled([
    runWave({ ...fleet.deps, signal: lost.signal }, waveOf(fleet), image),
    losing,
  ]);
  expect(ended.status).toBe('rejected');
  expect(statuses(fleet)).toEqual(['InProgress']);
  expect(recordsOf(fleet, 'intent').map(({ action }) => action)).not.toContain('cancel-refresh');
});
