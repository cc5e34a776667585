/** An instance refresh that is stopped, fails or goes back. */
import {
  CancelInstanceRefreshCommand,
  PutLifecycleHookCommand,
  ResumeProcessesCommand,
  RollbackInstanceRefreshCommand,
  SuspendProcessesCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { DeleteLaunchTemplateVersionsCommand } from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import {
  groupNow,
  groupOf,
  type Refreshing,
  reaches,
  refreshNow,
  setAlarm,
  start,
  target,
  versions,
} from './refreshing.ts';
import { ids, terminate } from './scaling-group.ts';

test('cancelling stops it where it is and leaves the group’s configuration alone', async () => {
  const aws = await groupOf(4);
  await start(aws, { CheckpointPercentages: [50, 100] });
  await aws.clock.sleep(600_000);
  await aws.scaling.send(new CancelInstanceRefreshCommand({ AutoScalingGroupName: 'web-a' }));
  expect((await refreshNow(aws)).Status).toBe('Cancelling');
  expect((await reaches(aws, 'Cancelled')).StatusReason).toBe('Cancelled due to user request.');
  expect(await versions(aws)).toEqual(['1', '1', '2', '2']);
  expect((await groupNow(aws)).LaunchTemplate!.Version).toBe('1');
});

test('cancelling waits for instances on their way out, unless it is told not to', async () => {
  const aws = await groupOf(4);
  await aws.scaling.send(
    new PutLifecycleHookCommand({
      AutoScalingGroupName: 'web-a',
      LifecycleHookName: 'work',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      HeartbeatTimeout: 600,
      DefaultResult: 'CONTINUE',
    }),
  );
  await start(aws, { CheckpointPercentages: [25, 100] });
  await terminate(aws, ids(await groupNow(aws))[0]!, false);
  const cancel = (WaitForTransitioningInstances: boolean) =>
    aws.scaling.send(
      new CancelInstanceRefreshCommand({ AutoScalingGroupName: 'web-a', WaitForTransitioningInstances }),
    );
  await cancel(true);
  await aws.clock.sleep(300_000);
  expect((await refreshNow(aws)).Status).toBe('Cancelling');
  await reaches(aws, 'Cancelled');
  await start(aws, { CheckpointPercentages: [25, 100] });
  await terminate(aws, ids(await groupNow(aws))[0]!, false);
  await cancel(false);
  await aws.clock.sleep(60_000);
  expect((await refreshNow(aws)).Status).toBe('Cancelled');
});

test('a replacement launched ahead leaves again when the refresh is cancelled', async () => {
  const aws = await groupOf(4);
  await start(aws, { MinHealthyPercentage: 100, MaxHealthyPercentage: 200, InstanceWarmup: 600 });
  await aws.clock.sleep(60_000);
  expect(await versions(aws)).toHaveLength(8);
  await aws.scaling.send(new CancelInstanceRefreshCommand({ AutoScalingGroupName: 'web-a' }));
  await reaches(aws, 'Cancelled');
  await aws.clock.sleep(60_000);
  expect(await versions(aws)).toHaveLength(4);
});

test('a replacement launched ahead leaves again when the instance it was to replace goes by other means', async () => {
  const aws = await groupOf(4);
  await start(aws, { MinHealthyPercentage: 100, MaxHealthyPercentage: 200, InstanceWarmup: 600 });
  await aws.clock.sleep(60_000);
  const previous = (await groupNow(aws)).Instances!.filter(
    ({ LaunchTemplate }) => LaunchTemplate!.Version === '1',
  );
  expect(previous).toHaveLength(4);
  for (const { InstanceId } of previous) await terminate(aws, InstanceId!, false);
  await reaches(aws, 'Successful');
  await aws.clock.sleep(60_000);
  expect(await versions(aws)).toEqual(['2', '2', '2', '2']);
});

test('a refresh to a template version that is deleted meanwhile fails and says so', async () => {
  const aws = await groupOf(4);
  await start(aws, { CheckpointPercentages: [50, 100] });
  await aws.clock.sleep(600_000);
  await aws.ec2.send(
    new DeleteLaunchTemplateVersionsCommand({ LaunchTemplateName: 'web-a', Versions: [aws.newVersion] }),
  );
  expect((await reaches(aws, 'Failed')).StatusReason).toContain(
    `Could not find launch template version ${aws.newVersion}`,
  );
});

test('rolling back by hand replaces what was deployed, and the percentage goes back to zero', async () => {
  const aws = await groupOf(4);
  await start(aws, { CheckpointPercentages: [50, 100] });
  await aws.clock.sleep(600_000);
  const untouched = (await groupNow(aws))
    .Instances!.filter(({ LaunchTemplate }) => LaunchTemplate!.Version === '1')
    .map(({ InstanceId }) => InstanceId);
  await aws.scaling.send(new RollbackInstanceRefreshCommand({ AutoScalingGroupName: 'web-a' }));
  expect((await refreshNow(aws)).Status).toBe('RollbackInProgress');
  expect(await reaches(aws, 'RollbackSuccessful')).toMatchObject({
    PercentageComplete: 0,
    InstancesToUpdate: 4,
    RollbackDetails: { PercentageCompleteOnRollback: 50, InstancesToUpdateOnRollback: 2 },
  });
  expect(await versions(aws)).toEqual(['1', '1', '1', '1']);
  expect((await groupNow(aws)).Instances!.map(({ InstanceId }) => InstanceId)).toEqual(
    expect.arrayContaining(untouched),
  );
});

test('a refresh whose instances never become healthy fails after an hour, or rolls back by itself', async () => {
  for (const [AutoRollback, ending] of [
    [false, 'Failed'],
    [true, 'RollbackSuccessful'],
  ] as const) {
    const aws = await groupOf(4);
    const { id } = Object.values(aws.simulator.world.images).find(({ name }) => name === 'next')!;
    injectFault(aws.simulator.world, { kind: 'never-boots', imageId: id });
    await start(aws, { AutoRollback, MinHealthyPercentage: 75 });
    const refresh = await reaches(aws, ending);
    const reason = AutoRollback ? refresh.RollbackDetails!.RollbackReason : refresh.StatusReason;
    expect(reason).toContain('Nothing could be replaced for one hour.');
    expect(reason).toContain('Waiting for remaining instances to be available. For example: i-');
    expect((await versions(aws)).filter((version) => version === '1')).toHaveLength(AutoRollback ? 4 : 3);
    expect(aws.present.lowest).toBe(3);
  }
});

test('an alarm fails the refresh, or has it rolled back, also while it bakes', async () => {
  const failing = await groupOf(2);
  await setAlarm(failing, 'errors', 'OK');
  await start(failing, { AlarmSpecification: { Alarms: ['errors'] }, CheckpointPercentages: [50, 100] });
  await failing.clock.sleep(600_000);
  await setAlarm(failing, 'errors', 'ALARM');
  expect((await reaches(failing, 'Failed')).StatusReason).toContain('errors is in ALARM state');
  expect(await versions(failing)).toEqual(['1', '2']);

  const baking = await groupOf(2);
  await setAlarm(baking, 'errors', 'OK');
  await start(baking, {
    AlarmSpecification: { Alarms: ['errors'] },
    AutoRollback: true,
    BakeTime: 3_600,
  });
  await reaches(baking, 'Baking');
  await setAlarm(baking, 'errors', 'ALARM');
  await reaches(baking, 'RollbackSuccessful');
  expect(await versions(baking)).toEqual(['1', '1']);
});

test('an alarm without data holds replacements up, and one that is not OK refuses the start', async () => {
  const aws = await groupOf(2);
  await expect(start(aws, { AlarmSpecification: { Alarms: ['absent'] } })).rejects.toThrow('does not exist');
  await setAlarm(aws, 'errors', 'INSUFFICIENT_DATA');
  await expect(start(aws, { AlarmSpecification: { Alarms: ['errors'] } })).rejects.toThrow('in OK state');
  await setAlarm(aws, 'errors', 'OK');
  await start(aws, { AlarmSpecification: { Alarms: ['errors'] } });
  await setAlarm(aws, 'errors', 'INSUFFICIENT_DATA');
  await aws.clock.sleep(600_000);
  expect(await versions(aws)).toEqual(['1', '1']);
  await setAlarm(aws, 'errors', 'OK');
  await reaches(aws, 'Successful');
});

test('suspending InstanceRefresh pauses it for as long as it lasts, without failing it', async () => {
  const aws = await groupOf(2);
  const processes = { AutoScalingGroupName: 'web-a', ScalingProcesses: ['InstanceRefresh'] };
  await aws.scaling.send(new SuspendProcessesCommand(processes));
  await start(aws);
  await aws.clock.sleep(2 * 3_600_000);
  expect(await refreshNow(aws)).toMatchObject({ Status: 'InProgress', PercentageComplete: 0 });
  await aws.scaling.send(new ResumeProcessesCommand(processes));
  await reaches(aws, 'Successful');
});

test('with Launch or Terminate suspended nothing is replaced, and after an hour the refresh fails', async () => {
  for (const process of ['Launch', 'Terminate']) {
    const aws = await groupOf(2);
    await aws.scaling.send(
      new SuspendProcessesCommand({ AutoScalingGroupName: 'web-a', ScalingProcesses: [process] }),
    );
    await start(aws, { MinHealthyPercentage: 100, MaxHealthyPercentage: 200 });
    await reaches(aws, 'Failed');
    expect((await versions(aws)).filter((version) => version === '1')).toHaveLength(2);
  }
});

test('there is no way back without a desired configuration, or from $Latest', async () => {
  const rollback = (aws: Refreshing) =>
    aws.scaling.send(new RollbackInstanceRefreshCommand({ AutoScalingGroupName: 'web-a' }));
  const renewing = await groupOf(2);
  await start(renewing, {}, null);
  await expect(rollback(renewing)).rejects.toMatchObject({ name: 'IrreversibleInstanceRefreshFault' });

  const following = await groupOf(2);
  await following.scaling.send(
    new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: 'web-a',
      LaunchTemplate: target('$Latest')!.LaunchTemplate,
    }),
  );
  await expect(start(following, { AutoRollback: true })).rejects.toThrow('$Latest or $Default');
  await start(following);
  await expect(rollback(following)).rejects.toMatchObject({ name: 'IrreversibleInstanceRefreshFault' });
});
