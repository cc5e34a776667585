/** A copy answers as the fleet it was made of answered, but for the ids of its instances. */
import { expect, test } from 'vitest';
import { createAwsCloud } from '../../pipeline/cloud/aws/cloud.ts';
import type { GroupObservation } from '../../pipeline/cloud/cloud.ts';
import { type GroupCopy, worldFromFleet } from '../../pipeline/simulator/from-fleet.ts';
import { suspend, updateGroup } from '../../pipeline/simulator/model/groups.ts';
import { putPool } from '../../pipeline/simulator/model/warm-pool.ts';
import { createSimulator } from '../../pipeline/simulator/simulator.ts';
import { virtualClock } from '../../pipeline/simulator/virtual-clock.ts';
import { type Fleet, fleetOf, newImage } from '../rollout/fleet.ts';

const pace = { launchMs: 30_000, readyMs: 20_000, drainMs: 15_000 };
const region = 'eu-central-1';

async function observed(fleet: Fleet, names: string[]): Promise<GroupObservation[]> {
  return fleet.cloud.observe(names, 0);
}

async function copyOf(fleet: Fleet, names: string[]): Promise<GroupObservation[]> {
  const copies: GroupCopy[] = (await observed(fleet, names)).map((group) => ({
    observed: group,
    environment: 'production',
    version: 1,
    imageId: group.instances[0]!.imageId,
    ...pace,
  }));
  const clock = virtualClock();
  const world = worldFromFleet(copies, { region, nowMs: clock.now(), faults: [] });
  const simulator = createSimulator({ world, clock });
  const cloud = createAwsCloud({ provider: 'simulator', region, inProcess: { account: simulator, clock } });
  return cloud.observe(names, 0);
}

/** All that a rollout looks at; who an instance is and when it was launched differ. */
const comparable = (groups: GroupObservation[]) =>
  groups.map(({ instances, warmPool, ...group }) => ({
    ...group,
    warmPool: warmPool?.map(({ lifecycle, templateVersion }) => `${lifecycle} on ${templateVersion}`).sort(),
    tags: { ...group.tags, environment: '' },
    instances: instances
      .map(({ id: _, launchedAt: __, privateAddress: ___, ...instance }) => JSON.stringify(instance))
      .sort(),
  }));

test('a fleet in several zones, with shared templates, is copied as it is', async () => {
  const fleet = fleetOf({
    web: { desired: 5, min: 2, max: 9, zones: 3 },
    worker: { desired: 2, load_balanced: false },
  });
  const group = fleet.world.groups.web!;
  suspend(fleet.world, group, ['AZRebalance']);
  updateGroup(fleet.world, group, {}, { template: { ...group.template!, version: '$Latest' } });
  const [first, second, third] = Object.values(group.members);
  first!.protectedFromScaleIn = true;
  // As EnterStandby does it: desired goes down with it.
  second!.lifecycle = 'Standby';
  group.desired -= 1;
  const image = await newImage(fleet);
  fleet.world.instances[third!.instanceId]!.imageId = image.id;
  putPool(fleet.world, group, { minSize: 2, maxPrepared: 0 });
  await fleet.clock.sleep(600_000);
  fleet.simulator.advance();
  const [warm] = Object.values(group.warmPool!.members);
  warm!.template!.version = '7';
  const names = ['web', 'worker'];
  expect(comparable(await copyOf(fleet, names))).toEqual(comparable(await observed(fleet, names)));
});

test('what fails there fails in the copy', async () => {
  const fleet = fleetOf({ web: { desired: 2 } });
  const [group] = await observed(fleet, ['web']);
  group!.instances[0]!.statusChecks = 'impaired';
  const clock = virtualClock();
  const copy = { observed: group!, environment: 'production', version: 1, imageId: 'ami-00000001', ...pace };
  const world = worldFromFleet([copy], { region, nowMs: clock.now(), faults: [] });
  expect(
    Object.values(world.instances)
      .map(({ checks }) => checks)
      .sort(),
  ).toEqual(['impaired', 'ok']);
});

test('each group boots and drains at its own pace', async () => {
  const fleet = fleetOf({ quick: { desired: 1 }, slow: { desired: 1 } });
  const groups = await observed(fleet, ['quick', 'slow']);
  const copies = groups.map((group, index) => ({
    observed: group,
    environment: 'production',
    version: 1,
    imageId: group.instances[0]!.imageId,
    launchMs: index === 0 ? 10_000 : 50_000,
    readyMs: 5_000,
    drainMs: index === 0 ? 1_000 : 9_000,
  }));
  const world = worldFromFleet(copies, { region, nowMs: Date.UTC(2026, 0, 1), faults: [] });
  expect(world.timing.bootMs).toBe(10_000);
  expect(world.faults.map(({ fault }) => fault)).toMatchObject([
    { group: 'quick', ready: { fromMs: 5_000, toMs: 5_000 } },
    { group: 'slow', ready: { fromMs: 45_000, toMs: 45_000 } },
  ]);
  const delays = groups.map(
    ({ targetGroups }) => world.targetGroups[targetGroups[0]!]!.deregistrationDelayMs,
  );
  expect(delays).toEqual([1_000, 9_000]);
});
