/** A group with a warm pool: no image that was left behind waits there for the next scale-out. */
import { expect, test } from 'vitest';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { preflight } from '../../pipeline/rollout/preflight.ts';
import type { StrategySpec } from '../../pipeline/rollout/spec.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { setDesired } from '../../pipeline/simulator/model/groups.ts';
import { putPool } from '../../pipeline/simulator/model/warm-pool.ts';
import { type Fleet, fleetOf, newImage, rolledBack, versionsOf, waveOf } from './fleet.ts';

const preparedMs = 300_000;

async function pooledFleet(strategy: StrategySpec = { type: 'rolling' }): Promise<Fleet> {
  const fleet = fleetOf(
    { web: { desired: 3, min: 3, max: 8 } },
    { specs: { web: { strategy, soakMs: 1_000 } } },
  );
  putPool(fleet.world, fleet.world.groups.web!, { minSize: 4, maxPrepared: 0 });
  fleet.world.groups.web!.warmUpMs = 5_000;
  await settledAfter(fleet, preparedMs);
  return fleet;
}

async function settledAfter(fleet: Fleet, ms: number): Promise<void> {
  await fleet.clock.sleep(ms);
  fleet.simulator.advance();
}

const pooled = (fleet: Fleet): (string | undefined)[] =>
  Object.values(fleet.world.groups.web!.warmPool!.members).map(({ template }) => template?.version);

/** What a scale-out brings into service. */
async function grown(fleet: Fleet): Promise<string[]> {
  fleet.wanted.web = 5;
  fleet.settling.web = Number.POSITIVE_INFINITY;
  setDesired(fleet.world, fleet.world.groups.web!, 5);
  await settledAfter(fleet, preparedMs);
  return versionsOf(fleet, 'web');
}

const strategies: StrategySpec[] = [
  { type: 'rolling' },
  { type: 'canary', size: { instances: 1 }, soakMs: 30_000 },
  { type: 'instance-refresh', checkpoints: [], checkpointSoakMs: 0 },
];

test.each(strategies)('$type: after a rollout a scale-out brings the new image', async (strategy) => {
  const fleet = await pooledFleet(strategy);
  expect(await runWave(fleet.deps, waveOf(fleet), await newImage(fleet))).toEqual({ outcome: 'promoted' });
  await settledAfter(fleet, preparedMs);
  expect(pooled(fleet)).toEqual(['2', '2', '2', '2']);
  expect(await grown(fleet)).toEqual(['2', '2', '2', '2', '2']);
  expect(fleet.violations).toEqual([]);
});

test.each(strategies)('$type: after a rollback a scale-out brings the previous image', async (strategy) => {
  const fleet = await pooledFleet(strategy);
  await runWave(fleet.deps, waveOf(fleet), await newImage(fleet));
  await settledAfter(fleet, preparedMs);
  expect(await rolledBack(fleet)).toMatchObject({ outcome: 'rolled-back', exceptions: [] });
  await settledAfter(fleet, preparedMs);
  expect(pooled(fleet)).toEqual(['1', '1', '1', '1']);
  expect(await grown(fleet)).toEqual(['1', '1', '1', '1', '1']);
  expect(fleet.violations).toEqual([]);
});

test('a bad image that has come into the pool is gone from there when the rollback says that everything is back', async () => {
  const fleet = await pooledFleet();
  const image = await newImage(fleet);
  injectFault(fleet.world, { kind: 'unhealthy', imageId: image.id });
  expect(await runWave(fleet.deps, waveOf(fleet), image)).toMatchObject({ outcome: 'failed' });
  await rolledBack(fleet);
  expect(pooled(fleet)).not.toContain('2');
});

test('where ReplaceUnhealthy is suspended, the plan says that the pool keeps its image', async () => {
  const fleet = await pooledFleet();
  await fleet.cloud.suspendProcesses('web', ['ReplaceUnhealthy']);
  const [plan] = await preflight(fleet.deps, [waveOf(fleet)]);
  expect(plan!.notices).toContainEqual(
    expect.stringMatching(/^the 4 instances of the warm pool keep their image, because ReplaceUnhealthy/),
  );
});

test('the plan says what becomes of the pool', async () => {
  const fleet = await pooledFleet();
  const [plan] = await preflight(fleet.deps, [waveOf(fleet)]);
  expect(plan!.notices).toContainEqual(
    expect.stringMatching(/^the 4 instances of the warm pool are replaced too, half of them at a time/),
  );
});
