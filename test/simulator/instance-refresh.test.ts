import {
  CancelInstanceRefreshCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeInstanceRefreshesCommand,
  type InstanceRefresh,
  PutWarmPoolCommand,
  type RefreshPreferences,
  ResumeProcessesCommand,
  RollbackInstanceRefreshCommand,
  SetDesiredCapacityCommand,
  SetInstanceProtectionCommand,
  StartInstanceRefreshCommand,
  type StartInstanceRefreshCommandInput,
  SuspendProcessesCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { PutMetricAlarmCommand, SetAlarmStateCommand, type StateValue } from '@aws-sdk/client-cloudwatch';
import { CreateLaunchTemplateVersionCommand, DeleteLaunchTemplateVersionsCommand } from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { addImage, becomeAvailable } from '../../pipeline/simulator/model/images.ts';
import { counts } from '../../pipeline/simulator/model/lifecycle.ts';
import { createSimulator } from '../../pipeline/simulator/simulator.ts';
import { virtualClock } from '../../pipeline/simulator/virtual-clock.ts';
import { worldFrom } from '../../pipeline/simulator/world.ts';
import { clientsOf, eventually, exampleConfig, type InMemory } from './clients.ts';
import { terminate } from './scaling-group.ts';

interface Refreshing extends InMemory {
  newVersion: string;
  /** How many members were present, over all that happened. */
  present: { lowest: number; highest: number };
}

/** A group `web` on template version 1, and a version 2 of the template with another image. */
async function groupOf(desired: number): Promise<Refreshing> {
  const clock = virtualClock();
  const config = exampleConfig({ groups: { 'web-a': { desired, min: 1, max: 2 * desired } } });
  const present = { lowest: desired, highest: desired };
  const simulator = createSimulator({
    world: worldFrom(config)(null, clock.now()),
    clock,
    observe(world) {
      const size = Object.values(world.groups['web-a']!.members).filter(counts).length;
      present.lowest = Math.min(present.lowest, size);
      present.highest = Math.max(present.highest, size);
    },
  });
  const image = addImage(simulator.world, { name: 'next' });
  becomeAvailable(simulator.world, image);
  const clients = clientsOf(simulator);
  const { LaunchTemplateVersion } = await clients.ec2.send(
    new CreateLaunchTemplateVersionCommand({
      LaunchTemplateName: 'web-a',
      SourceVersion: '1',
      LaunchTemplateData: { ImageId: image.id },
    }),
  );
  return { ...clients, simulator, clock, newVersion: String(LaunchTemplateVersion!.VersionNumber), present };
}

const target = (version: string): StartInstanceRefreshCommandInput['DesiredConfiguration'] => ({
  LaunchTemplate: { LaunchTemplateName: 'web-a', Version: version },
});

const start = (aws: Refreshing, preferences: RefreshPreferences = {}, version: string | null = '2') =>
  aws.scaling.send(
    new StartInstanceRefreshCommand({
      AutoScalingGroupName: 'web-a',
      ...(version !== null && { DesiredConfiguration: target(version) }),
      Preferences: { InstanceWarmup: 10, ...preferences },
    }),
  );

async function refreshNow({ scaling }: InMemory): Promise<InstanceRefresh> {
  const { InstanceRefreshes } = await scaling.send(
    new DescribeInstanceRefreshesCommand({ AutoScalingGroupName: 'web-a' }),
  );
  return InstanceRefreshes![0]!;
}

const reaches = (aws: InMemory, status: string, withinMs = 7_200_000): Promise<InstanceRefresh> =>
  eventually(
    aws.clock,
    `the refresh is ${status}`,
    async () => {
      const refresh = await refreshNow(aws);
      return refresh.Status === status && refresh;
    },
    { withinMs, everyMs: 5_000 },
  );

async function groupNow({ scaling }: InMemory) {
  const { AutoScalingGroups } = await scaling.send(
    new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['web-a'] }),
  );
  return AutoScalingGroups![0]!;
}

/** Template versions of the members that stay, sorted. */
const versions = async (aws: InMemory): Promise<string[]> =>
  (await groupNow(aws))
    .Instances!.filter(({ LifecycleState }) => LifecycleState !== 'Terminating')
    .map(({ LaunchTemplate }) => LaunchTemplate!.Version!)
    .sort();

/** An alarm on a metric nobody reports keeps the state it is given, if it is told to. */
async function setAlarm({ cloudWatch }: InMemory, AlarmName: string, StateValue: StateValue): Promise<void> {
  await cloudWatch.send(
    new PutMetricAlarmCommand({
      AlarmName,
      Namespace: 'Shop',
      MetricName: 'Errors',
      Statistic: 'Sum',
      Period: 60,
      EvaluationPeriods: 1,
      Threshold: 0,
      ComparisonOperator: 'GreaterThanThreshold',
      TreatMissingData: 'ignore',
    }),
  );
  await cloudWatch.send(new SetAlarmStateCommand({ AlarmName, StateValue, StateReason: 'the test says so' }));
}

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

test('bake time keeps the refresh open after the last instance', async () => {
  const aws = await groupOf(2);
  await start(aws, { BakeTime: 1_800 });
  await reaches(aws, 'Baking');
  const bakingSince = aws.clock.now();
  expect((await groupNow(aws)).LaunchTemplate!.Version).toBe('1');
  await reaches(aws, 'Successful');
  expect(aws.clock.now() - bakingSince).toBeGreaterThanOrEqual(1_790_000);
});

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
