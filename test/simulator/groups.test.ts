/** Groups as a whole: limits and cooldown, what blocks a deletion, the record of activities, traffic sources. */
import {
  AttachTrafficSourcesCommand,
  CreateAutoScalingGroupCommand,
  type CreateAutoScalingGroupType,
  DeleteAutoScalingGroupCommand,
  DescribeLoadBalancerTargetGroupsCommand,
  DescribeScalingActivitiesCommand,
  type DescribeScalingActivitiesType,
  DescribeTrafficSourcesCommand,
  DetachTrafficSourcesCommand,
  PutLifecycleHookCommand,
  SetDesiredCapacityCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { CreateTargetGroupCommand } from '@aws-sdk/client-elastic-load-balancing-v2';
import { expect, test } from 'vitest';
import { eventually, type InMemory, inMemory } from './clients.ts';
import { activities, groupOf, ids, reaches, setDesired, settled, terminate } from './scaling-group.ts';

const name = { AutoScalingGroupName: 'web-a' };

const honoringCooldown = (aws: InMemory, DesiredCapacity: number) =>
  aws.scaling.send(new SetDesiredCapacityCommand({ ...name, DesiredCapacity, HonorCooldown: true }));

const remove = (aws: InMemory, ForceDelete = false) =>
  aws.scaling.send(new DeleteAutoScalingGroupCommand({ ...name, ForceDelete }));

const create = async (aws: InMemory, change: Partial<CreateAutoScalingGroupType> = {}) => {
  const { LaunchTemplate, VPCZoneIdentifier } = await groupOf(aws);
  return aws.scaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName: 'extra',
      MinSize: 0,
      MaxSize: 2,
      DesiredCapacity: 1,
      LaunchTemplate: { LaunchTemplateId: LaunchTemplate!.LaunchTemplateId, Version: '1' },
      VPCZoneIdentifier,
      ...change,
    }),
  );
};

const record = async ({ scaling }: InMemory, change: Partial<DescribeScalingActivitiesType>) =>
  scaling.send(new DescribeScalingActivitiesCommand(change));

test('SetDesiredCapacity that honors the cooldown is refused while an activity is under way and until it is over', async () => {
  const aws = inMemory();
  await honoringCooldown(aws, 4);
  await aws.clock.sleep(1_000);
  const [underWay] = await activities(aws);
  const refused = {
    name: 'ScalingActivityInProgressFault',
    message: `Scaling activity ${underWay!.ActivityId} is in progress and blocks this action`,
  };
  await expect(honoringCooldown(aws, 5)).rejects.toMatchObject(refused);
  await settled(aws, 4);
  await expect(honoringCooldown(aws, 5)).rejects.toMatchObject(refused);
  await setDesired(aws, 5);
  await settled(aws, 5);
  await aws.clock.sleep(300_000);
  await honoringCooldown(aws, 4);
  await settled(aws, 4);
});

test.each<[string, Partial<CreateAutoScalingGroupType>, RegExp]>([
  [
    'with a maximum below its minimum',
    { MinSize: 3 },
    /Max bound, 2, must be greater than or equal to min bound, 3/,
  ],
  [
    'with desired above its maximum',
    { DesiredCapacity: 3 },
    /Desired capacity:3 must be between .* size:0 and max size:2/,
  ],
  ['with a negative minimum', { MinSize: -1 }, /must be greater than or equal to 0/],
  ['with an unknown health check', { HealthCheckType: 'EC2,PULSE' }, /Invalid health check type: PULSE/],
  ['with a negative grace period', { HealthCheckGracePeriod: -1 }, /must be greater than or equal to 0/],
  ['without a template', { LaunchTemplate: undefined }, /Valid requests must contain either LaunchTemplate/],
  ['without a place', { VPCZoneIdentifier: undefined }, /At least one Availability Zone or VPC Subnet/],
  [
    'with a Classic Load Balancer as traffic source',
    { TrafficSources: [{ Identifier: 'classic', Type: 'elb' }] },
    /Traffic sources of type elb are not simulated/,
  ],
])('a group %s is refused', async (_what, change, message) => {
  const aws = inMemory();
  await expect(create(aws, change)).rejects.toMatchObject({
    name: 'ValidationError',
    message: expect.stringMatching(message),
  });
  expect(await groupOf(aws, 'extra')).toBeUndefined();
});

test('a maximum below desired takes desired down with it', async () => {
  const aws = inMemory();
  await aws.scaling.send(new UpdateAutoScalingGroupCommand({ ...name, MaxSize: 2 }));
  expect((await settled(aws, 2)).DesiredCapacity).toBe(2);
});

test('a group with instances is in use, one whose last instances are going is busy, and an empty one is deleted', async () => {
  const aws = inMemory();
  await expect(remove(aws)).rejects.toMatchObject({ name: 'ResourceInUseFault' });
  await aws.scaling.send(new UpdateAutoScalingGroupCommand({ ...name, MinSize: 0, DesiredCapacity: 0 }));
  await expect(remove(aws)).rejects.toMatchObject({ name: 'ResourceInUseFault' });
  await eventually(aws.clock, 'the last are going', async () => ids(await groupOf(aws)).length === 0);
  await expect(remove(aws)).rejects.toMatchObject({
    name: 'ScalingActivityInProgressFault',
    message:
      'You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.',
  });
  await settled(aws, 0);
  await remove(aws);
  expect(await groupOf(aws)).toBeUndefined();
});

test('a group being deleted takes no more orders', async () => {
  const aws = inMemory();
  await remove(aws, true);
  expect(await groupOf(aws)).toMatchObject({ Status: 'Delete in progress', DesiredCapacity: 0 });
  await expect(setDesired(aws, 0)).rejects.toThrow('pending delete');
  const update = aws.scaling.send(new UpdateAutoScalingGroupCommand({ ...name, MaxSize: 9 }));
  await expect(update).rejects.toThrow('pending delete');
});

test('activities say who wanted what, in the words of the service', async () => {
  const aws = inMemory();
  await setDesired(aws, 4);
  await settled(aws, 4);
  await aws.scaling.send(new UpdateAutoScalingGroupCommand({ ...name, DesiredCapacity: 3 }));
  await settled(aws, 3);
  const [shrunk, grown] = await activities(aws);
  const at = String.raw`At \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`;
  expect(grown!.Description).toMatch(/^Launching a new EC2 instance: i-[0-9a-f]{17}$/);
  expect(grown!.Cause).toMatch(
    new RegExp(
      `^${at} a user request explicitly set group desired capacity changing the desired capacity from 3 to 4\\.  ` +
        `${at} an instance was started in response to a difference between desired and actual capacity, increasing the capacity from 3 to 4\\.$`,
    ),
  );
  expect(shrunk!.Cause).toMatch(
    new RegExp(
      `^${at} a user request update of AutoScalingGroup constraints to min: 1, max: 6, desired: 3 changing the desired capacity from 4 to 3\\.  ` +
        `${at} an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from 4 to 3\\.  ` +
        `${at} instance i-[0-9a-f]+ was selected for termination\\.$`,
    ),
  );
  expect(JSON.parse(grown!.Details!)).toEqual({
    'Subnet ID': expect.stringMatching(/^subnet-/),
    'Availability Zone': expect.stringMatching(/^eu-central-1/),
  });
});

test('activities come page by page, those in progress first, by id where ids are given', async () => {
  const aws = inMemory();
  await setDesired(aws, 6);
  await settled(aws, 6);
  await aws.scaling.send(
    new PutLifecycleHookCommand({
      ...name,
      LifecycleHookName: 'hook',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
    }),
  );
  const [first] = ids(await groupOf(aws));
  await terminate(aws, first!, true);
  await reaches(aws, first!, 'Terminating:Wait');
  await setDesired(aws, 6);
  await eventually(aws.clock, 'the replacement', async () => ids(await groupOf(aws)).length === 6);
  const [newest] = await activities(aws);
  expect(newest).toMatchObject({ StatusCode: 'MidLifecycleAction' });
  const seen: string[] = [];
  let token: string | undefined;
  do {
    const page = await record(aws, { ...name, MaxRecords: 2, NextToken: token });
    seen.push(...page.Activities!.map(({ ActivityId }) => ActivityId!));
    token = page.NextToken;
  } while (token);
  expect(seen).toEqual((await activities(aws)).map(({ ActivityId }) => ActivityId));
  const { Activities } = await record(aws, { ActivityIds: [seen[1]!, 'unknown'] });
  expect(Activities!.map(({ ActivityId }) => ActivityId)).toEqual([seen[1]]);
});

test('the record of a deleted group is given to whoever asks for deleted groups', async () => {
  const aws = inMemory();
  await remove(aws, true);
  await eventually(aws.clock, 'the end of the group', async () => !(await groupOf(aws)));
  await expect(record(aws, name)).rejects.toThrow("AutoScalingGroup 'web-a' not found");
  const all = await record(aws, {});
  expect(all.Activities!.filter(({ AutoScalingGroupName }) => AutoScalingGroupName === 'web-a')).toEqual([]);
  const { Activities } = await record(aws, { ...name, IncludeDeletedGroups: true });
  expect(Activities!.length).toBeGreaterThan(0);
  expect(new Set(Activities!.map(({ AutoScalingGroupState }) => AutoScalingGroupState))).toEqual(
    new Set(['Deleted']),
  );
});

test('traffic sources are target groups by another name: attached, described with their state, detached', async () => {
  const aws = inMemory();
  const { TargetGroups } = await aws.balancing.send(
    new CreateTargetGroupCommand({ Name: 'second', Protocol: 'HTTP', Port: 80 }),
  );
  const arn = TargetGroups![0]!.TargetGroupArn!;
  const TrafficSources = [{ Identifier: arn, Type: 'elbv2' }];
  const states = async () => {
    const answer = await aws.scaling.send(new DescribeTrafficSourcesCommand(name));
    return Object.fromEntries(answer.TrafficSources!.map(({ Identifier, State }) => [Identifier, State]));
  };
  await aws.scaling.send(new AttachTrafficSourcesCommand({ ...name, TrafficSources }));
  expect((await states())[arn]).toBe('Added');
  await eventually(aws.clock, 'a healthy target', async () => (await states())[arn] === 'InService');
  const byTargetGroup = await aws.scaling.send(new DescribeLoadBalancerTargetGroupsCommand(name));
  expect(byTargetGroup.LoadBalancerTargetGroups).toContainEqual({
    LoadBalancerTargetGroupARN: arn,
    State: 'InService',
  });
  await aws.scaling.send(new DetachTrafficSourcesCommand({ ...name, TrafficSources }));
  expect(Object.keys(await states())).not.toContain(arn);
  const again = aws.scaling.send(new DetachTrafficSourcesCommand({ ...name, TrafficSources }));
  await expect(again).rejects.toThrow('not part of the group');
});

test('a group created with traffic sources registers its instances there', async () => {
  const aws = inMemory();
  const [arn] = (await groupOf(aws)).TargetGroupARNs!;
  await create(aws, { TrafficSources: [{ Identifier: arn!, Type: 'elbv2' }] });
  const [id] = ids(await settled(aws, 1, 'extra'));
  expect(aws.simulator.world.targetGroups[arn!]!.targets).toHaveProperty(id!);
});
