import { expect, test } from 'vitest';
import { preflight } from '../../pipeline/rollout/preflight.ts';
import { suspend, updateGroup } from '../../pipeline/simulator/model/groups.ts';
import { type Fleet, fleetOf, newImage, waveOf } from './fleet.ts';

const planOf = async (fleet: Fleet) => {
  const before = JSON.stringify(fleet.world.groups);
  const plans = await preflight(fleet, [waveOf(fleet)]);
  expect(JSON.stringify(fleet.world.groups)).toBe(before);
  return plans;
};

test('a group in order has nothing in its way', async () => {
  const fleet = fleetOf({ web: { desired: 4 } }, { specs: { web: { surge: { fraction: 0.25 } } } });
  expect(await planOf(fleet)).toEqual([
    {
      environment: 'production',
      wave: 'all',
      group: 'web',
      desired: 4,
      toReplace: 4,
      surge: 1,
      unavailable: 0,
      notices: [],
    },
  ]);
});

test('everything that would block or be worked around is named before anything is changed', async () => {
  const fleet = fleetOf(
    { web: { desired: 3, min: 3, max: 3 }, still: { desired: 2 } },
    { specs: { still: { surge: { instances: 0 } } } },
  );
  const group = fleet.world.groups.web!;
  updateGroup(fleet.world, group, {}, { template: { ...group.template!, version: '$Latest' } });
  suspend(fleet.world, group, ['AZRebalance', 'Launch']);
  const [first, second] = Object.values(group.members);
  first!.protectedFromScaleIn = true;
  second!.lifecycle = 'Standby';
  await fleet.cloud.setGroupTags('web', { 'drover:release': 'r-0' });
  const [web, still] = await planOf(fleet);
  expect(web!.notices).toEqual([
    expect.stringMatching(/marks of release r-0/),
    expect.stringMatching(/suspended processes a rollout needs: Launch/),
    expect.stringMatching(/1 protected from scale-in: the rollout waits/),
    expect.stringMatching(/1 in Standby: the rollout waits/),
    expect.stringMatching(/follows \$Latest/),
    expect.stringMatching(/MaxSize 3 is raised to 4/),
    expect.stringMatching(/AZRebalance is suspended already/),
  ]);
  expect(still!.notices).toContain('surge and unavailable are both 0: no instance can be replaced');
});

test('instances that run the image already are not counted', async () => {
  const fleet = fleetOf({ web: { desired: 2 } });
  const image = await newImage(fleet);
  const [running] = Object.values(fleet.world.instances);
  running!.imageId = image.id;
  expect(await preflight(fleet, [waveOf(fleet)], image)).toMatchObject([{ toReplace: 1 }]);
});

test('a group without a launch template, and one that does not exist, are refused', async () => {
  const fleet = fleetOf({ web: { desired: 1 } });
  const wave = waveOf(fleet);
  await expect(
    preflight(fleet, [{ ...wave, groups: [{ ...fleet.specs.web!, group: 'absent' }] }]),
  ).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining("'absent'") });
  fleet.world.groups.web!.template = null;
  await expect(preflight(fleet, [wave])).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining('no launch template'),
  });
});
