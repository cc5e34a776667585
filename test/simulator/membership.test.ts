/** What a user asks of single instances of a group, through the SDK: several terminated at once, standby, attach, detach, protection. */
import {
  AttachInstancesCommand,
  DescribeAutoScalingInstancesCommand,
  DetachInstancesCommand,
  EnterStandbyCommand,
  ExitStandbyCommand,
  SetInstanceHealthCommand,
  SetInstanceProtectionCommand,
  SuspendProcessesCommand,
  TerminateInstanceInAutoScalingGroupCommand,
  type TerminateInstanceInAutoScalingGroupType,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  DescribeInstancesCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { eventually, type InMemory, inMemory } from './clients.ts';
import {
  activities,
  groupOf,
  ids,
  reaches,
  setDesired,
  settled,
  stateOf,
  terminate,
} from './scaling-group.ts';

const name = { AutoScalingGroupName: 'web-a' };

const terminateSeveral = (aws: InMemory, change: Partial<TerminateInstanceInAutoScalingGroupType>) =>
  aws.scaling.send(
    new TerminateInstanceInAutoScalingGroupCommand({
      ...name,
      ShouldDecrementDesiredCapacity: true,
      ...change,
    }),
  );

const enterStandby = (aws: InMemory, InstanceIds: string[], decrement: boolean) =>
  aws.scaling.send(
    new EnterStandbyCommand({ ...name, InstanceIds, ShouldDecrementDesiredCapacity: decrement }),
  );
const exitStandby = (aws: InMemory, InstanceIds: string[]) =>
  aws.scaling.send(new ExitStandbyCommand({ ...name, InstanceIds }));
const detach = (aws: InMemory, InstanceIds: string[], decrement: boolean) =>
  aws.scaling.send(
    new DetachInstancesCommand({ ...name, InstanceIds, ShouldDecrementDesiredCapacity: decrement }),
  );
const attach = (aws: InMemory, InstanceIds: string[]) =>
  aws.scaling.send(new AttachInstancesCommand({ ...name, InstanceIds }));

const minimum = (aws: InMemory, MinSize: number) =>
  aws.scaling.send(new UpdateAutoScalingGroupCommand({ ...name, MinSize }));

const isRegistered = async (aws: InMemory, id: string): Promise<boolean> => {
  const [arn] = (await groupOf(aws)).TargetGroupARNs!;
  aws.simulator.advance();
  return Object.hasOwn(aws.simulator.world.targetGroups[arn!]!.targets, id);
};

/** An instance of no group, in the zone of `like`. */
async function looseInstance(aws: InMemory, like: string): Promise<string> {
  const { Reservations } = await aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: [like] }));
  const { ImageId, SubnetId } = Reservations![0]!.Instances![0]!;
  const { Instances } = await aws.ec2.send(
    new RunInstancesCommand({ ImageId, SubnetId, MinCount: 1, MaxCount: 1 }),
  );
  await aws.clock.sleep(10_000);
  return Instances![0]!.InstanceId!;
}

test('several instances are terminated by one call, with an activity each', async () => {
  const aws = inMemory();
  const [first, second, third] = ids(await groupOf(aws));
  const { Activity, Activities } = await terminateSeveral(aws, { InstanceIds: [first!, second!, first!] });
  expect(Activity).toBeUndefined();
  expect(Activities!.map(({ Cause }) => Cause!.replace(/^At \S+ /, ''))).toEqual([
    `instance ${first} was taken out of service in response to a user request, shrinking the capacity from 3 to 2.`,
    `instance ${second} was taken out of service in response to a user request, shrinking the capacity from 2 to 1.`,
  ]);
  expect(ids(await settled(aws, 1))).toEqual([third]);
});

test('several instances terminated without decrement are all replaced', async () => {
  const aws = inMemory();
  const before = ids(await groupOf(aws));
  await terminateSeveral(aws, { InstanceIds: before, ShouldDecrementDesiredCapacity: false });
  const after = ids(await settled(aws, 3));
  expect(after.filter((id) => before.includes(id))).toEqual([]);
});

test.each<[string, (members: string[]) => Partial<TerminateInstanceInAutoScalingGroupType>, RegExp]>([
  [
    'one that is not in the group',
    (all) => ({ InstanceIds: [all[0]!, 'i-0123456789abcdef0'] }),
    /No managed instance found for instance ID: i-0123456789abcdef0/,
  ],
  ['more than MinSize lets go', (all) => ({ InstanceIds: all }), /violate group's min size constraint/],
  [
    'a hundred and one',
    () => ({ InstanceIds: Array.from({ length: 101 }, (_, index) => `i-${index}`) }),
    /must not exceed 100/,
  ],
  ['none', () => ({}), /Either InstanceId or InstanceIds/],
  [
    'one and several',
    (all) => ({ InstanceId: all[0], InstanceIds: all }),
    /Either InstanceId or InstanceIds/,
  ],
  [
    'several of no group',
    (all) => ({ AutoScalingGroupName: undefined, InstanceIds: all }),
    /AutoScalingGroupName is required/,
  ],
])('a call that terminates %s is refused and terminates none', async (_what, change, message) => {
  const aws = inMemory();
  const members = ids(await groupOf(aws));
  await expect(terminateSeveral(aws, change(members))).rejects.toMatchObject({
    name: 'ValidationError',
    message: expect.stringMatching(message),
  });
  await aws.clock.sleep(60_000);
  expect(ids(await groupOf(aws))).toEqual(members);
});

test('an instance on standby gets no traffic, is not replaced when desired falls with it, and comes back', async () => {
  const aws = inMemory();
  const [id] = ids(await groupOf(aws));
  const { Activities } = await enterStandby(aws, [id!], true);
  expect(Activities![0]).toMatchObject({
    Description: `Moving EC2 instance to Standby: ${id}`,
    Cause: expect.stringMatching(
      /was moved to standby in response to a user request, shrinking the capacity from 3 to 2\.$/,
    ),
    StatusCode: 'InProgress',
    Progress: 50,
  });
  expect(await stateOf(aws, id!)).toBe('EnteringStandby');
  await reaches(aws, id!, 'Standby');
  expect(await isRegistered(aws, id!)).toBe(false);
  await aws.clock.sleep(300_000);
  expect((await groupOf(aws)).Instances).toHaveLength(3);
  const exit = await exitStandby(aws, [id!]);
  expect(exit.Activities![0]).toMatchObject({
    Description: `Moving EC2 instance out of Standby: ${id}`,
    Cause: expect.stringMatching(
      /was moved out of standby in response to a user request, increasing the capacity from 2 to 3\.$/,
    ),
    StatusCode: 'PreInService',
    Progress: 30,
  });
  await settled(aws, 3);
  expect(await isRegistered(aws, id!)).toBe(true);
});

test('an instance on standby is replaced when desired stays, and its return raises desired', async () => {
  const aws = inMemory();
  const [id] = ids(await groupOf(aws));
  await enterStandby(aws, [id!], false);
  await eventually(aws.clock, 'a replacement', async () => ids(await groupOf(aws)).length === 3);
  await exitStandby(aws, [id!]);
  expect((await settled(aws, 4)).DesiredCapacity).toBe(4);
});

test('standby is refused below MinSize, above MaxSize, and from the wrong state', async () => {
  const aws = inMemory();
  const [first, second] = ids(await groupOf(aws));
  await enterStandby(aws, [first!], false);
  await expect(enterStandby(aws, [first!], false)).rejects.toThrow(
    `The instance ${first} is not in InService.`,
  );
  await expect(exitStandby(aws, [second!])).rejects.toThrow(`The instance ${second} is not in Standby.`);
  await expect(enterStandby(aws, ['i-0123456789abcdef0'], true)).rejects.toThrow(
    'The instance i-0123456789abcdef0 is not part of Auto Scaling group web-a.',
  );
  await reaches(aws, first!, 'Standby');
  await setDesired(aws, 6);
  await expect(exitStandby(aws, [first!])).rejects.toThrow(
    'AutoScalingGroup web-a has min-size=1, max-size=6, and desired-size=6. ' +
      'To place into service 1 instance, please update the AutoScalingGroup sizes appropriately.',
  );
  await minimum(aws, 6);
  await expect(enterStandby(aws, [second!], true)).rejects.toThrow('To place into standby 1 instance');
});

test('an instance on standby is not health-checked; one that died there is found out when it returns', async () => {
  const aws = inMemory();
  const [id] = ids(await groupOf(aws));
  await enterStandby(aws, [id!], true);
  await reaches(aws, id!, 'Standby');
  await aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id!] }));
  await aws.clock.sleep(300_000);
  const member = (await groupOf(aws)).Instances!.find(({ InstanceId }) => InstanceId === id);
  expect(member).toMatchObject({ LifecycleState: 'Standby', HealthStatus: 'Healthy' });
  await exitStandby(aws, [id!]);
  await reaches(aws, id!, null);
  await settled(aws, 3);
});

test('a detached instance is drained, leaves the group running, and can be attached again', async () => {
  const aws = inMemory();
  const [id] = ids(await groupOf(aws));
  const { Activities } = await detach(aws, [id!], true);
  expect(Activities![0]).toMatchObject({
    Description: `Detaching EC2 instance: ${id}`,
    StatusCode: 'InProgress',
  });
  expect(await stateOf(aws, id!)).toBe('Detaching');
  await reaches(aws, id!, null);
  expect(await isRegistered(aws, id!)).toBe(false);
  const { Reservations } = await aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id!] }));
  const instance = Reservations![0]!.Instances![0]!;
  expect(instance.State!.Name).toBe('running');
  expect(instance.Tags!.map(({ Key }) => Key)).not.toContain('aws:autoscaling:groupName');
  expect((await settled(aws, 2)).DesiredCapacity).toBe(2);
  await attach(aws, [id!]);
  const group = await settled(aws, 3);
  expect(group.DesiredCapacity).toBe(3);
  expect(ids(group)).toContain(id);
  expect(await isRegistered(aws, id!)).toBe(true);
  expect(group.Instances!.find(({ InstanceId }) => InstanceId === id)!.LaunchTemplate).toBeUndefined();
  expect((await activities(aws))[0]).toMatchObject({
    Description: `Attaching an existing EC2 instance: ${id}`,
    StatusCode: 'Successful',
  });
});

test('an instance detached without decrement is replaced; one on standby can be detached, too', async () => {
  const aws = inMemory();
  const [first, second] = ids(await groupOf(aws));
  await detach(aws, [first!], false);
  await reaches(aws, first!, null);
  await settled(aws, 3);
  await enterStandby(aws, [second!], true);
  await reaches(aws, second!, 'Standby');
  await detach(aws, [second!], true);
  await reaches(aws, second!, null);
  expect((await groupOf(aws)).DesiredCapacity).toBe(2);
  await minimum(aws, 2);
  await expect(detach(aws, ids(await groupOf(aws)), true)).rejects.toThrow('To detach 2 instances');
});

test('only a running instance of a zone of the group, of no group, and with room for it is attached', async () => {
  const aws = inMemory();
  const [member] = ids(await groupOf(aws));
  await expect(attach(aws, [member!])).rejects.toThrow('already a member of web-a');
  const loose = await looseInstance(aws, member!);
  await setDesired(aws, 6);
  await expect(attach(aws, [loose])).rejects.toThrow('To attach 1 instance,');
  await setDesired(aws, 5);
  await settled(aws, 5);
  const { VPCZoneIdentifier } = await groupOf(aws);
  const subnets = VPCZoneIdentifier!.split(',');
  const place = (list: string[]) =>
    aws.scaling.send(new UpdateAutoScalingGroupCommand({ ...name, VPCZoneIdentifier: list.join(',') }));
  const { Reservations } = await aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: [loose] }));
  await place(subnets.filter((subnet) => subnet !== Reservations![0]!.Instances![0]!.SubnetId));
  await expect(attach(aws, [loose])).rejects.toThrow('not an Availability Zone of the group');
  await place(subnets);
  await aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [loose] }));
  await expect(attach(aws, [loose])).rejects.toThrow('not in correct state: shutting-down');
  await expect(attach(aws, [])).rejects.toThrow('At least one instance ID');
});

test('protection is set on instances in service and on standby, and on no others', async () => {
  const aws = inMemory();
  const protect = (InstanceIds: string[]) =>
    aws.scaling.send(new SetInstanceProtectionCommand({ ...name, InstanceIds, ProtectedFromScaleIn: true }));
  const [first, second] = ids(await groupOf(aws));
  await enterStandby(aws, [first!], true);
  await protect([first!]);
  await reaches(aws, first!, 'Standby');
  await protect([first!]);
  await terminate(aws, second!, false);
  await expect(protect([second!])).rejects.toThrow(
    `The instance ${second} is not in InService or EnteringStandby or Standby.`,
  );
  await expect(protect(['i-0123456789abcdef0'])).rejects.toThrow('is not part of Auto Scaling group web-a');
});

test('the health of a terminating instance cannot be set, and health can be set back while it is kept', async () => {
  const aws = inMemory();
  const setHealth = (InstanceId: string, HealthStatus: string) =>
    aws.scaling.send(
      new SetInstanceHealthCommand({ InstanceId, HealthStatus, ShouldRespectGracePeriod: false }),
    );
  const [first, second] = ids(await groupOf(aws));
  await terminate(aws, first!, true);
  await expect(setHealth(first!, 'Healthy')).rejects.toMatchObject({ name: 'ValidationError' });
  await aws.scaling.send(new SuspendProcessesCommand({ ...name, ScalingProcesses: ['ReplaceUnhealthy'] }));
  await setHealth(second!, 'Unhealthy');
  await setHealth(second!, 'Healthy');
  await aws.clock.sleep(120_000);
  const member = (await groupOf(aws)).Instances!.find(({ InstanceId }) => InstanceId === second);
  expect(member).toMatchObject({ LifecycleState: 'InService', HealthStatus: 'Healthy' });
});

test('instances of all groups are listed page by page, at most fifty at a time', async () => {
  const aws = inMemory();
  const read = (change: object) =>
    aws.scaling.send(new DescribeAutoScalingInstancesCommand({ MaxRecords: 3, ...change }));
  const seen: string[] = [];
  let token: string | undefined;
  do {
    const answer = await read({ NextToken: token });
    expect(answer.AutoScalingInstances!.length).toBeLessThanOrEqual(3);
    seen.push(...answer.AutoScalingInstances!.map(({ InstanceId }) => InstanceId!));
    token = answer.NextToken;
  } while (token);
  expect(new Set(seen).size).toBe(7);
  await expect(read({ MaxRecords: 51 })).rejects.toThrow('between 1 and 50');
  const [first] = ids(await groupOf(aws));
  const { AutoScalingInstances } = await read({ InstanceIds: [first!, 'i-0123456789abcdef0'] });
  expect(AutoScalingInstances).toMatchObject([
    {
      InstanceId: first,
      AutoScalingGroupName: 'web-a',
      HealthStatus: 'HEALTHY',
      LifecycleState: 'InService',
    },
  ]);
});
