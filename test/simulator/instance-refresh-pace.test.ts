/** An instance refresh: how many at a time, and what it waits for. */
import type { InstanceRefresh } from '@aws-sdk/client-auto-scaling';
import { expect, test } from 'vitest';
import { groupNow, groupOf, reaches, refreshNow, start, versions } from './refreshing.ts';
import { terminate } from './scaling-group.ts';

test('without a maximum instances are terminated and launched at the same time, down to the minimum', async () => {
  const aws = await groupOf(10);
  await start(aws, { MinHealthyPercentage: 80 });
  await reaches(aws, 'Successful');
  expect(aws.present).toEqual({ lowest: 8, highest: 10 });
});

test('even at a minimum of 100 percent one is terminated at a time when no maximum is given', async () => {
  const aws = await groupOf(3);
  await start(aws, { MinHealthyPercentage: 100 });
  await reaches(aws, 'Successful');
  expect(aws.present).toEqual({ lowest: 2, highest: 3 });
});

test('with minimum and maximum at 100 percent the replacement is launched first, one at a time', async () => {
  const aws = await groupOf(3);
  await start(aws, { MinHealthyPercentage: 100, MaxHealthyPercentage: 100 });
  await reaches(aws, 'Successful');
  expect(aws.present).toEqual({ lowest: 3, highest: 4 });
  expect(await versions(aws)).toEqual(['2', '2', '2']);
});

test('between minimum and maximum as many are replaced at once as the range allows', async () => {
  const aws = await groupOf(10);
  await start(aws, { MinHealthyPercentage: 100, MaxHealthyPercentage: 150 });
  await reaches(aws, 'Successful');
  expect(aws.present).toEqual({ lowest: 10, highest: 15 });
});

test('the next instance waits until the one before has warmed up', async () => {
  const slow = await groupOf(2);
  const quick = await groupOf(2);
  await start(slow, { InstanceWarmup: 600 });
  await start(quick, { InstanceWarmup: 0 });
  const lasted = ({ StartTime, EndTime }: InstanceRefresh) => EndTime!.getTime() - StartTime!.getTime();
  const [long, short] = [await reaches(slow, 'Successful'), await reaches(quick, 'Successful')];
  expect(lasted(long)).toBeGreaterThanOrEqual(1_200_000);
  expect(lasted(short)).toBeLessThan(600_000);
});

test('what is to be replaced serves already, however young it is: warming up is for its replacement', async () => {
  const aws = await groupOf(2);
  for (const id of Object.keys(aws.simulator.world.groups['web-a']!.members)) await terminate(aws, id, false);
  await aws.clock.sleep(60_000);
  aws.simulator.advance();
  aws.present.lowest = 2;
  await start(aws, { MinHealthyPercentage: 100, MaxHealthyPercentage: 150, InstanceWarmup: 300 });
  await aws.clock.sleep(60_000);
  await refreshNow(aws);
  expect(aws.present.lowest).toBe(2);
});

test('at a checkpoint it pauses, and after a last checkpoint below 100 percent it is over', async () => {
  const aws = await groupOf(10);
  await start(aws, { MinHealthyPercentage: 50, CheckpointPercentages: [20, 50], CheckpointDelay: 900 });
  await aws.clock.sleep(600_000);
  expect(await refreshNow(aws)).toMatchObject({ Status: 'InProgress', PercentageComplete: 20 });
  expect(await versions(aws)).toEqual([...Array(8).fill('1'), '2', '2']);
  const refresh = await reaches(aws, 'Successful');
  expect(refresh).toMatchObject({ PercentageComplete: 50, InstancesToUpdate: 5 });
  expect(refresh.EndTime!.getTime() - refresh.StartTime!.getTime()).toBeLessThan(2 * 900_000);
});

test('bake time keeps the refresh open after the last instance', async () => {
  const aws = await groupOf(2);
  await start(aws, { BakeTime: 1_800 });
  await reaches(aws, 'Baking');
  const bakingSince = aws.clock.now();
  expect((await groupNow(aws)).LaunchTemplate!.Version).toBe('1');
  await reaches(aws, 'Successful');
  expect(aws.clock.now() - bakingSince).toBeGreaterThanOrEqual(1_790_000);
});
