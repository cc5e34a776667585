/** An instance refresh: what it replaces, by what, and what it leaves. */
import {
  CancelInstanceRefreshCommand,
  DescribeInstanceRefreshesCommand,
  PutWarmPoolCommand,
  type RefreshPreferences,
  RollbackInstanceRefreshCommand,
  SetDesiredCapacityCommand,
  SetInstanceProtectionCommand,
  StartInstanceRefreshCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { expect, test } from 'vitest';
import { groupNow, groupOf, reaches, refreshNow, start, target, versions } from './refreshing.ts';

test('a refresh replaces every instance and then makes the desired configuration the group’s own', async () => {
  const aws = await groupOf(4);
  await start(aws);
  expect(await refreshNow(aws)).toMatchObject({
    Status: 'Pending',
    PercentageComplete: 0,
    InstancesToUpdate: 4,
    Preferences: { MinHealthyPercentage: 90, SkipMatching: false, AutoRollback: false },
  });
  await reaches(aws, 'InProgress');
  expect((await groupNow(aws)).LaunchTemplate!.Version).toBe('1');
  const refresh = await reaches(aws, 'Successful');
  expect(refresh).toMatchObject({ PercentageComplete: 100, InstancesToUpdate: 0 });
  expect(refresh.EndTime!.getTime()).toBeGreaterThan(refresh.StartTime!.getTime());
  expect(await versions(aws)).toEqual(['2', '2', '2', '2']);
  expect((await groupNow(aws)).LaunchTemplate!.Version).toBe('2');
});

test('with skip matching an instance of the desired version stays', async () => {
  const aws = await groupOf(3);
  await start(aws, { CheckpointPercentages: [33] });
  await reaches(aws, 'Successful');
  const kept = (await groupNow(aws)).Instances!.find(
    ({ LaunchTemplate }) => LaunchTemplate!.Version === '2',
  )!;
  await start(aws, { SkipMatching: true });
  expect(await refreshNow(aws)).toMatchObject({ PercentageComplete: 33, InstancesToUpdate: 2 });
  await reaches(aws, 'Successful');
  expect(await versions(aws)).toEqual(['2', '2', '2']);
  expect((await groupNow(aws)).Instances!.map(({ InstanceId }) => InstanceId)).toContain(kept.InstanceId);
});

test('without a desired configuration instances are renewed from the group’s own', async () => {
  const aws = await groupOf(2);
  const before = (await groupNow(aws)).Instances!.map(({ InstanceId }) => InstanceId);
  await start(aws, {}, null);
  await reaches(aws, 'Successful');
  expect(await versions(aws)).toEqual(['1', '1']);
  for (const { InstanceId } of (await groupNow(aws)).Instances!) expect(before).not.toContain(InstanceId);
});

test('an instance launched meanwhile has the desired configuration, and the template cannot be changed', async () => {
  const aws = await groupOf(2);
  await start(aws, { CheckpointPercentages: [50, 100] });
  await aws.clock.sleep(600_000);
  await aws.scaling.send(
    new SetDesiredCapacityCommand({ AutoScalingGroupName: 'web-a', DesiredCapacity: 3 }),
  );
  await aws.clock.sleep(60_000);
  expect(await versions(aws)).toEqual(['1', '2', '2']);
  await expect(
    aws.scaling.send(
      new UpdateAutoScalingGroupCommand({
        AutoScalingGroupName: 'web-a',
        LaunchTemplate: target('1')!.LaunchTemplate,
      }),
    ),
  ).rejects.toThrow('An active instance refresh with a desired configuration exists.');
});

test('defaults come from the group: its warm-up and its maintenance policy', async () => {
  const aws = await groupOf(2);
  await aws.scaling.send(
    new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: 'web-a',
      DefaultInstanceWarmup: 30,
      InstanceMaintenancePolicy: { MinHealthyPercentage: 100, MaxHealthyPercentage: 150 },
    }),
  );
  await aws.scaling.send(new StartInstanceRefreshCommand({ AutoScalingGroupName: 'web-a' }));
  expect((await refreshNow(aws)).Preferences).toMatchObject({
    InstanceWarmup: 30,
    MinHealthyPercentage: 100,
    MaxHealthyPercentage: 150,
  });
});

test('the warm pool is renewed after the group, and its progress told apart', async () => {
  const aws = await groupOf(2);
  await aws.scaling.send(
    new PutWarmPoolCommand({ AutoScalingGroupName: 'web-a', MinSize: 2, MaxGroupPreparedCapacity: 4 }),
  );
  await aws.clock.sleep(120_000);
  await start(aws, { MinHealthyPercentage: 100, MaxHealthyPercentage: 150 });
  expect((await refreshNow(aws)).ProgressDetails).toEqual({
    LivePoolProgress: { PercentageComplete: 0, InstancesToUpdate: 2 },
    WarmPoolProgress: { PercentageComplete: 0, InstancesToUpdate: 2 },
  });
  expect((await reaches(aws, 'Successful')).ProgressDetails).toMatchObject({
    LivePoolProgress: { PercentageComplete: 100 },
    WarmPoolProgress: { PercentageComplete: 100, InstancesToUpdate: 0 },
  });
  const { members } = aws.simulator.world.groups['web-a']!.warmPool!;
  const prepared = Object.values(members).filter(({ lifecycle }) => lifecycle === 'Warmed:Stopped');
  expect(prepared.map(({ template }) => template!.version)).toEqual(['2', '2']);
  expect(await versions(aws)).toEqual(['2', '2']);
});

test('protected instances are waited for, ignored or replaced as the preferences say', async () => {
  const protectOne = async () => {
    const aws = await groupOf(3);
    const [first] = (await groupNow(aws)).Instances!;
    const protect = (ProtectedFromScaleIn: boolean) =>
      aws.scaling.send(
        new SetInstanceProtectionCommand({
          AutoScalingGroupName: 'web-a',
          InstanceIds: [first!.InstanceId!],
          ProtectedFromScaleIn,
        }),
      );
    await protect(true);
    return { aws, protect };
  };
  const waiting = await protectOne();
  await start(waiting.aws);
  await waiting.aws.clock.sleep(600_000);
  expect(await refreshNow(waiting.aws)).toMatchObject({
    Status: 'InProgress',
    StatusReason: expect.stringContaining('is protected. Remove instance scale-in protection to continue.'),
  });
  await waiting.protect(false);
  await reaches(waiting.aws, 'Successful');

  const forgotten = await protectOne();
  await start(forgotten.aws);
  await reaches(forgotten.aws, 'Failed');

  const ignored = await protectOne();
  await start(ignored.aws, { ScaleInProtectedInstances: 'Ignore' });
  await reaches(ignored.aws, 'Successful');
  expect(await versions(ignored.aws)).toEqual(['1', '2', '2']);

  const replaced = await protectOne();
  await start(replaced.aws, { ScaleInProtectedInstances: 'Refresh' });
  await reaches(replaced.aws, 'Successful');
  expect(await versions(replaced.aws)).toEqual(['2', '2', '2']);
});

test('one refresh at a time; without one there is nothing to cancel or to roll back', async () => {
  const aws = await groupOf(2);
  const name = { AutoScalingGroupName: 'web-a' };
  const noneActive = { name: 'ActiveInstanceRefreshNotFoundFault' };
  await expect(aws.scaling.send(new CancelInstanceRefreshCommand(name))).rejects.toMatchObject(noneActive);
  await expect(aws.scaling.send(new RollbackInstanceRefreshCommand(name))).rejects.toMatchObject(noneActive);
  await start(aws);
  await expect(start(aws)).rejects.toMatchObject({ name: 'InstanceRefreshInProgressFault' });
  await reaches(aws, 'Successful');
  await expect(aws.scaling.send(new RollbackInstanceRefreshCommand(name))).rejects.toMatchObject(noneActive);
});

test('refreshes are listed newest first, in pages, or by id', async () => {
  const aws = await groupOf(1);
  const ids: string[] = [];
  for (let count = 0; count < 3; count += 1) {
    ids.unshift((await start(aws, { SkipMatching: true })).InstanceRefreshId!);
    await reaches(aws, 'Successful');
  }
  const list = async (request: object) => {
    const answer = await aws.scaling.send(
      new DescribeInstanceRefreshesCommand({ AutoScalingGroupName: 'web-a', ...request }),
    );
    return {
      ids: answer.InstanceRefreshes!.map(({ InstanceRefreshId }) => InstanceRefreshId!),
      next: answer.NextToken,
    };
  };
  const first = await list({ MaxRecords: 2 });
  const second = await list({ MaxRecords: 2, NextToken: first.next });
  expect([...first.ids, ...second.ids]).toEqual(ids);
  expect(second.next).toBeUndefined();
  expect((await list({ InstanceRefreshIds: [ids[1]] })).ids).toEqual([ids[1]]);
});

test('preferences that contradict each other are refused', async () => {
  const aws = await groupOf(2);
  const refusals: [RefreshPreferences, string][] = [
    [{ MaxHealthyPercentage: 110 }, 'together with MinHealthyPercentage'],
    [{ MinHealthyPercentage: 50, MaxHealthyPercentage: 160 }, 'must not exceed 100'],
    [{ MinHealthyPercentage: 101 }, 'between 0 and 100'],
    [{ CheckpointPercentages: [50, 20] }, 'ascending order'],
    [{ CheckpointDelay: 60 }, 'together with CheckpointPercentages'],
    [{ StandbyInstances: 'Refresh' as never }, 'Terminate, Ignore, Wait'],
  ];
  for (const [preferences, reason] of refusals) {
    await expect(start(aws, preferences), reason).rejects.toThrow(reason);
  }
});
