/** Whole rollouts of a group whose instances are nodes: the engine, the simulated account and a cluster on loopback. */
import { afterEach, expect, test } from 'vitest';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import type { Journal } from '../../pipeline/journal/records.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { recoverGroup } from '../../pipeline/rollout/recover.ts';
import { restorationOf } from '../../pipeline/rollout/restoration.ts';
import { rollbackGroups } from '../../pipeline/rollout/rollback.ts';
import type { DrainSpec, GroupSpec } from '../../pipeline/rollout/spec.ts';
import { type Cluster, clusterOn } from './cluster.ts';
import { type Fleet, fleetOf, newImage, waveOf } from './fleet.ts';

const open: Cluster[] = [];
afterEach(async () => {
  for (const { server } of open.splice(0)) await server.close();
});

/**
 * The cluster answers in real time while the fleet's clock leaps: deadlines far beyond what a rollout takes, so that
 * only those end it that are meant to.
 */
const unhurried = { gateDeadlineMs: 24 * 3_600_000, deadlineMs: 240 * 3_600_000 };

async function nodesOf(changes: { deadlineMs?: number } = {}): Promise<{ fleet: Fleet; cluster: Cluster }> {
  const fleet = fleetOf({ web: { desired: 3 } }, { specs: { web: unhurried } });
  const cluster = await clusterOn(fleet, 4);
  open.push(cluster);
  const drain: DrainSpec = {
    type: 'kubernetes',
    cluster: cluster.server.cluster,
    bare_pods: 'fail',
    local_data: 'fail',
    deadlineMs: 24 * 3_600_000,
    on_deadline: 'fail',
    ...changes,
  };
  const spec: GroupSpec = fleet.specs.web!;
  spec.drain = [...spec.drain, drain];
  spec.gates = [...spec.gates, { type: 'kubernetes', cluster: cluster.server.cluster }];
  return { fleet, cluster };
}

test('nodes are replaced without a pod lost or the budget broken, and none stays cordoned', async () => {
  const { fleet, cluster } = await nodesOf();
  const image = await newImage(fleet);
  expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
  expect(cluster.violations).toEqual([]);
  expect(fleet.violations).toEqual([]);
  expect(cluster.server.strangers).toEqual([]);
  expect(cluster.evictions).toBeGreaterThan(2);
  expect(cluster.cordoned()).toEqual([]);
});

test('a budget that never allows anything fails the rollout by name, and going back uncordons the node', async () => {
  const { fleet, cluster } = await nodesOf({ deadlineMs: 600_000 });
  cluster.minAvailable = 4;
  const image = await newImage(fleet);
  expect(await runWave(fleet.deps, waveOf(fleet), image)).toMatchObject({
    outcome: 'failed',
    reason: expect.stringMatching(
      /drain kubernetes did not end within 600 s: .*disruption budget web needs 2/,
    ),
  });
  expect(cluster.cordoned()).toHaveLength(1);
  await rollbackGroups(fleet.deps, { groups: Object.values(fleet.specs), reason: 'budget', actor: 'test' });
  expect(cluster.cordoned()).toEqual([]);
  expect(cluster.violations).toEqual([]);
});

test('a group recovered from its marks alone gets its cordoned nodes back', async () => {
  const { fleet, cluster } = await nodesOf();
  // Nothing but the node itself says that it was being drained.
  const spec = fleet.specs.web!;
  spec.drain = spec.drain.filter(({ type }) => type === 'kubernetes');
  cluster.minAvailable = 4;
  const image = await newImage(fleet);
  const dying: Journal = {
    ...fleet.journal,
    async append(entry) {
      if (cluster.cordoned().length > 0) throw new Error('killed while it drained');
      return await fleet.journal.append(entry);
    },
  };
  const rolled = runWave({ ...fleet.deps, journal: dying }, waveOf(fleet), image);
  await expect(rolled).rejects.toThrow('killed while it drained');

  const [group] = await fleet.cloud.observe(['web'], 0);
  const restoration = restorationOf(group!, spec.drain)!;
  expect(restoration.undone).toContain('given back where a release has drained it: kubernetes');
  const journal = createMemoryJournal('r-recovery', fleet.clock);
  cluster.minAvailable = 3;
  await recoverGroup({ ...fleet.deps, journal }, spec, group!, restoration, {
    reason: 'lost',
    actor: 'test',
  });
  expect(cluster.cordoned()).toEqual([]);
  expect(cluster.violations).toEqual([]);
});
