import {
  CreateOrUpdateTagsCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeScalingActivitiesCommand,
  DescribeTagsCommand,
  ResumeProcessesCommand,
  SetDesiredCapacityCommand,
  SetInstanceHealthCommand,
  SetInstanceProtectionCommand,
  SuspendProcessesCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  CreateLaunchTemplateVersionCommand,
  DeregisterImageCommand,
  DescribeInstancesCommand,
  RegisterImageCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { eventually, exampleConfig, type InMemory, inMemory } from './clients.ts';
import { groupOf, ids, inService, settled, terminate } from './scaling-group.ts';

const suspend = (aws: InMemory, ...processes: string[]) =>
  aws.scaling.send(
    new SuspendProcessesCommand({ AutoScalingGroupName: 'web-a', ScalingProcesses: processes }),
  );
const resume = (aws: InMemory, ...processes: string[]) =>
  aws.scaling.send(
    new ResumeProcessesCommand({ AutoScalingGroupName: 'web-a', ScalingProcesses: processes }),
  );

test('the fleet of the configuration is in service, except a group nobody described', async () => {
  const { scaling } = inMemory();
  const { AutoScalingGroups } = await scaling.send(new DescribeAutoScalingGroupsCommand({}));
  expect(
    AutoScalingGroups!.map((group) => [
      group.AutoScalingGroupName,
      group.DesiredCapacity,
      inService(group).length,
    ]),
  ).toEqual([
    ['batch', 2, 2],
    ['web-a', 3, 3],
    ['web-staging', 2, 2],
  ]);
});

test('raising desired launches in the emptiest zones, from pending to in service', async () => {
  const aws = inMemory();
  await aws.scaling.send(
    new SetDesiredCapacityCommand({ AutoScalingGroupName: 'web-a', DesiredCapacity: 5 }),
  );
  await aws.clock.sleep(1_000);
  const pending = (await groupOf(aws)).Instances!.filter(
    ({ LifecycleState }) => LifecycleState === 'Pending',
  );
  expect(pending).toHaveLength(2);
  const group = await settled(aws, 5);
  const zones = Map.groupBy(group.Instances!, (instance) => instance.AvailabilityZone);
  expect([...zones.values()].map((members) => members.length).sort()).toEqual([1, 2, 2]);
});

test('desired outside the limits is refused in the words of the service', async () => {
  const { scaling } = inMemory();
  const set = (DesiredCapacity: number) =>
    scaling.send(new SetDesiredCapacityCommand({ AutoScalingGroupName: 'web-a', DesiredCapacity }));
  await expect(set(7)).rejects.toMatchObject({
    name: 'ValidationError',
    message: 'New SetDesiredCapacity value 7 is above max value 6 for the AutoScalingGroup.',
  });
  await expect(set(0)).rejects.toThrow('New SetDesiredCapacity value 0 is below min value 1');
  await expect(
    scaling.send(new UpdateAutoScalingGroupCommand({ AutoScalingGroupName: 'web-a', MinSize: 7 })),
  ).rejects.toThrow('Max bound, 6, must be greater than or equal to min bound, 7');
  await expect(
    scaling.send(new UpdateAutoScalingGroupCommand({ AutoScalingGroupName: 'absent', MinSize: 7 })),
  ).rejects.toThrow("AutoScalingGroup 'absent' not found");
});

test('a new minimum above desired raises desired with it', async () => {
  const aws = inMemory();
  await aws.scaling.send(new UpdateAutoScalingGroupCommand({ AutoScalingGroupName: 'web-a', MinSize: 4 }));
  expect((await settled(aws, 4)).DesiredCapacity).toBe(4);
});

test('a terminated instance is replaced when desired stays, and not when it is decremented', async () => {
  const aws = inMemory();
  const [first, second] = ids(await groupOf(aws));
  await terminate(aws, first!, false);
  const replaced = await settled(aws, 3);
  expect(ids(replaced)).not.toContain(first);
  await terminate(aws, second!, true);
  const shrunk = await settled(aws, 2);
  expect(shrunk.DesiredCapacity).toBe(2);
  await aws.clock.sleep(120_000);
  expect(ids(await groupOf(aws))).toEqual(ids(shrunk));
});

test('terminating the same instance twice returns the same activity and decrements once', async () => {
  const aws = inMemory();
  const [id] = ids(await groupOf(aws));
  const { Activity: first } = await terminate(aws, id!, true);
  const { Activity: second } = await terminate(aws, id!, true);
  expect(second!.ActivityId).toBe(first!.ActivityId);
  expect((await groupOf(aws)).DesiredCapacity).toBe(2);
});

test('decrementing below MinSize is refused and terminates nothing', async () => {
  const aws = inMemory();
  await aws.scaling.send(
    new UpdateAutoScalingGroupCommand({ AutoScalingGroupName: 'web-a', MinSize: 3, DesiredCapacity: 3 }),
  );
  const before = ids(await groupOf(aws));
  await expect(terminate(aws, before[0]!, true)).rejects.toThrow('Currently, desiredSize equals minSize (3)');
  await aws.clock.sleep(60_000);
  expect(ids(await groupOf(aws))).toEqual(before);
});

test('scale-in takes the oldest template version first, in the fullest zone', async () => {
  const aws = inMemory();
  const group = await groupOf(aws);
  const { ImageId } = await aws.ec2.send(new RegisterImageCommand({ Name: 'second' }));
  await aws.ec2.send(
    new CreateLaunchTemplateVersionCommand({
      LaunchTemplateId: group.LaunchTemplate!.LaunchTemplateId,
      SourceVersion: '1',
      LaunchTemplateData: { ImageId },
    }),
  );
  await aws.clock.sleep(5_000);
  await aws.scaling.send(
    new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: 'web-a',
      LaunchTemplate: { LaunchTemplateId: group.LaunchTemplate!.LaunchTemplateId, Version: '2' },
      DesiredCapacity: 6,
    }),
  );
  await settled(aws, 6);
  await aws.scaling.send(
    new SetDesiredCapacityCommand({ AutoScalingGroupName: 'web-a', DesiredCapacity: 3 }),
  );
  const after = await settled(aws, 3);
  expect(after.Instances!.map((instance) => instance.LaunchTemplate!.Version)).toEqual(['2', '2', '2']);
});

test('an instance keeps the numbered version it was launched from while the group follows $Latest', async () => {
  const aws = inMemory();
  const { LaunchTemplate } = await groupOf(aws);
  await aws.scaling.send(
    new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: 'web-a',
      LaunchTemplate: { LaunchTemplateId: LaunchTemplate!.LaunchTemplateId, Version: '$Latest' },
    }),
  );
  const { ImageId } = await aws.ec2.send(new RegisterImageCommand({ Name: 'second' }));
  await aws.ec2.send(
    new CreateLaunchTemplateVersionCommand({
      LaunchTemplateId: LaunchTemplate!.LaunchTemplateId,
      LaunchTemplateData: { ImageId, InstanceType: 't3.small' },
    }),
  );
  await aws.clock.sleep(5_000);
  await aws.scaling.send(
    new SetDesiredCapacityCommand({ AutoScalingGroupName: 'web-a', DesiredCapacity: 4 }),
  );
  const group = await settled(aws, 4);
  expect(group.LaunchTemplate!.Version).toBe('$Latest');
  expect(group.Instances!.map((instance) => instance.LaunchTemplate!.Version).sort()).toEqual([
    '1',
    '1',
    '1',
    '2',
  ]);
});

test('protected instances survive scale-in, and the activity says why nothing happened', async () => {
  const aws = inMemory();
  const before = ids(await groupOf(aws));
  await aws.scaling.send(
    new SetInstanceProtectionCommand({
      AutoScalingGroupName: 'web-a',
      InstanceIds: before,
      ProtectedFromScaleIn: true,
    }),
  );
  await aws.scaling.send(
    new SetDesiredCapacityCommand({ AutoScalingGroupName: 'web-a', DesiredCapacity: 1 }),
  );
  await aws.clock.sleep(60_000);
  expect(ids(await groupOf(aws))).toEqual(before);
  const { Activities } = await aws.scaling.send(
    new DescribeScalingActivitiesCommand({ AutoScalingGroupName: 'web-a' }),
  );
  expect(Activities![0]).toMatchObject({
    StatusCode: 'Failed',
    StatusMessage: expect.stringContaining('protected from scale-in'),
  });
});

test('a launch that cannot succeed is a failed activity, tried again until it can', async () => {
  const aws = inMemory();
  const { LaunchTemplate, DesiredCapacity } = await groupOf(aws);
  const { ImageId } = await aws.ec2.send(new RegisterImageCommand({ Name: 'doomed' }));
  await aws.ec2.send(
    new CreateLaunchTemplateVersionCommand({
      LaunchTemplateId: LaunchTemplate!.LaunchTemplateId,
      LaunchTemplateData: { ImageId },
    }),
  );
  await aws.scaling.send(
    new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: 'web-a',
      LaunchTemplate: { LaunchTemplateId: LaunchTemplate!.LaunchTemplateId, Version: '2' },
    }),
  );
  await aws.ec2.send(new DeregisterImageCommand({ ImageId }));
  await aws.scaling.send(
    new SetDesiredCapacityCommand({ AutoScalingGroupName: 'web-a', DesiredCapacity: DesiredCapacity! + 1 }),
  );
  await aws.clock.sleep(30_000);
  const { Activities } = await aws.scaling.send(
    new DescribeScalingActivitiesCommand({ AutoScalingGroupName: 'web-a', MaxRecords: 2 }),
  );
  for (const activity of Activities!) {
    expect(activity).toMatchObject({
      StatusCode: 'Failed',
      StatusMessage: `The image id '[${ImageId}]' does not exist. Launching EC2 instance failed.`,
    });
  }
  await aws.scaling.send(
    new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: 'web-a',
      LaunchTemplate: { LaunchTemplateId: LaunchTemplate!.LaunchTemplateId, Version: '1' },
    }),
  );
  await settled(aws, DesiredCapacity! + 1);
});

test('with Launch suspended nothing is launched until it is resumed', async () => {
  const aws = inMemory();
  await suspend(aws, 'Launch');
  const [id] = ids(await groupOf(aws));
  await terminate(aws, id!, false);
  await aws.clock.sleep(60_000);
  expect((await groupOf(aws)).Instances).toHaveLength(2);
  await resume(aws, 'Launch');
  await settled(aws, 3);
});

test('with Terminate suspended nothing scales in until it is resumed', async () => {
  const aws = inMemory();
  await suspend(aws, 'Terminate');
  await aws.scaling.send(
    new SetDesiredCapacityCommand({ AutoScalingGroupName: 'web-a', DesiredCapacity: 1 }),
  );
  await aws.clock.sleep(60_000);
  expect(inService(await groupOf(aws))).toHaveLength(3);
  await resume(aws, 'Terminate');
  await settled(aws, 1);
});

test('an instance terminated behind the back of its group is replaced by the health check', async () => {
  const aws = inMemory();
  const [id] = ids(await groupOf(aws));
  await aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id!] }));
  const group = await eventually(aws.clock, 'replacement', async () => {
    const now = await groupOf(aws);
    return inService(now).length === 3 && !ids(now).includes(id!) && now;
  });
  expect(group.DesiredCapacity).toBe(3);
});

test('with HealthCheck suspended a dead instance stays, and goes once it is resumed', async () => {
  const aws = inMemory();
  await suspend(aws, 'HealthCheck');
  const [id] = ids(await groupOf(aws));
  await aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id!] }));
  await aws.clock.sleep(600_000);
  expect(ids(await groupOf(aws))).toContain(id);
  await resume(aws, 'HealthCheck');
  await eventually(aws.clock, 'replacement', async () => !ids(await groupOf(aws)).includes(id!));
});

test('with ReplaceUnhealthy suspended an unhealthy instance is marked but kept', async () => {
  const aws = inMemory();
  await suspend(aws, 'ReplaceUnhealthy');
  const [id] = ids(await groupOf(aws));
  await aws.scaling.send(
    new SetInstanceHealthCommand({
      InstanceId: id,
      HealthStatus: 'Unhealthy',
      ShouldRespectGracePeriod: false,
    }),
  );
  await aws.clock.sleep(60_000);
  const marked = (await groupOf(aws)).Instances!.find((instance) => instance.InstanceId === id);
  expect(marked).toMatchObject({ HealthStatus: 'Unhealthy', LifecycleState: 'InService' });
  await resume(aws, 'ReplaceUnhealthy');
  await eventually(aws.clock, 'replacement', async () => !ids(await groupOf(aws)).includes(id!));
});

test('AZRebalance launches in the starved zone before it terminates in the full one', async () => {
  const aws = inMemory(exampleConfig({ groups: { 'web-a': { desired: 4, min: 1, max: 4, zones: 2 } } }));
  const group = await groupOf(aws);
  const zones = Map.groupBy(group.Instances!, (instance) => instance.AvailabilityZone!);
  const [starved] = [...zones.values()];
  for (const { InstanceId } of starved!) await terminate(aws, InstanceId!, true);
  await settled(aws, 2);
  const grown = await eventually(aws.clock, 'rebalancing launch', async () => {
    const now = await groupOf(aws);
    return now.Instances!.length === 3 && now;
  });
  expect(grown.DesiredCapacity).toBe(2);
  // One above desired for now: whatever makes Auto Scaling look again must not undo it.
  await aws.scaling.send(
    new SetDesiredCapacityCommand({ AutoScalingGroupName: 'web-a', DesiredCapacity: 2 }),
  );
  await aws.clock.sleep(1_000);
  expect((await groupOf(aws)).Instances!.map(({ LifecycleState }) => LifecycleState)).toEqual([
    'InService',
    'InService',
    'Pending',
  ]);
  const balanced = await settled(aws, 2);
  expect(new Set(balanced.Instances!.map((instance) => instance.AvailabilityZone)).size).toBe(2);
});

test('with AZRebalance suspended an uneven group stays as it is', async () => {
  const aws = inMemory(exampleConfig({ groups: { 'web-a': { desired: 4, min: 1, max: 4, zones: 2 } } }));
  await suspend(aws, 'AZRebalance');
  const zones = Map.groupBy((await groupOf(aws)).Instances!, (instance) => instance.AvailabilityZone!);
  const [starved] = [...zones.values()];
  for (const { InstanceId } of starved!) await terminate(aws, InstanceId!, true);
  const before = ids(await settled(aws, 2));
  await aws.clock.sleep(600_000);
  expect(ids(await groupOf(aws))).toEqual(before);
});

test('a process that does not exist cannot be suspended', async () => {
  await expect(suspend(inMemory(), 'Lunch')).rejects.toThrow('Invalid Process Type: Lunch');
});

test('tags of a group reach the instances it launches when they propagate', async () => {
  const aws = inMemory();
  const tag = (Key: string, PropagateAtLaunch: boolean) => ({
    ResourceId: 'web-a',
    ResourceType: 'auto-scaling-group',
    Key,
    Value: 'x',
    PropagateAtLaunch,
  });
  await aws.scaling.send(new CreateOrUpdateTagsCommand({ Tags: [tag('with', true), tag('without', false)] }));
  const before = ids(await groupOf(aws));
  await aws.scaling.send(
    new SetDesiredCapacityCommand({ AutoScalingGroupName: 'web-a', DesiredCapacity: 4 }),
  );
  const launched = ids(await settled(aws, 4)).filter((id) => !before.includes(id));
  const { Reservations } = await aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: launched }));
  const keys = Reservations![0]!.Instances![0]!.Tags!.map(({ Key }) => Key);
  expect(keys).toContain('with');
  expect(keys).not.toContain('without');
  const { Tags } = await aws.scaling.send(
    new DescribeTagsCommand({ Filters: [{ Name: 'auto-scaling-group', Values: ['web-a'] }] }),
  );
  expect(Tags!.map(({ Key }) => Key)).toEqual(['drover', 'environment', 'with', 'without']);
});
