import {
  CreateImageCommand,
  CreateLaunchTemplateCommand,
  CreateLaunchTemplateVersionCommand,
  CreateTagsCommand,
  DeleteLaunchTemplateVersionsCommand,
  DeleteSnapshotCommand,
  DeleteTagsCommand,
  DeregisterImageCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplateVersionsCommand,
  DescribeSnapshotsCommand,
  ModifyInstanceAttributeCommand,
  ModifyLaunchTemplateCommand,
  paginateDescribeLaunchTemplateVersions,
  RebootInstancesCommand,
  RegisterImageCommand,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { type InMemory, inMemory } from './clients.ts';

const debian = async ({ ec2 }: InMemory) =>
  (
    await ec2.send(
      new DescribeImagesCommand({
        Owners: ['136693071363'],
        Filters: [{ Name: 'name', Values: ['debian-12-amd64-*'] }],
      }),
    )
  ).Images![0]!.ImageId!;

const stateOf = async ({ ec2 }: InMemory, id: string) =>
  (await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))).Reservations![0]!.Instances![0]!
    .State!.Name;

test('a registered image is pending, then available, under a unique name', async () => {
  const { ec2, clock } = inMemory();
  const request = new RegisterImageCommand({
    Name: 'drover',
    TagSpecifications: [{ ResourceType: 'image', Tags: [{ Key: 'release', Value: 'r1' }] }],
  });
  const { ImageId } = await ec2.send(request);
  const read = async () => (await ec2.send(new DescribeImagesCommand({ ImageIds: [ImageId!] }))).Images![0]!;
  expect(await read()).toMatchObject({ State: 'pending', Tags: [{ Key: 'release', Value: 'r1' }] });
  await clock.sleep(1_000);
  expect(await read()).toMatchObject({ State: 'available', Name: 'drover' });
  await expect(ec2.send(request)).rejects.toMatchObject({
    name: 'InvalidAMIName.Duplicate',
    message: `AMI name drover is already in use by AMI ${ImageId}`,
  });
});

test('an image of a stopped instance has a snapshot that outlives it', async () => {
  const aws = inMemory();
  const { ec2, clock } = aws;
  const { Instances } = await ec2.send(
    new RunInstancesCommand({
      ImageId: await debian(aws),
      MinCount: 1,
      MaxCount: 1,
      InstanceType: 't3.small',
    }),
  );
  const id = Instances![0]!.InstanceId!;
  await clock.sleep(5_000);
  await ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
  expect(await stateOf(aws, id)).toBe('stopping');
  await clock.sleep(5_000);
  expect(await stateOf(aws, id)).toBe('stopped');
  const { ImageId } = await ec2.send(new CreateImageCommand({ InstanceId: id, Name: 'made' }));
  await clock.sleep(5_000);
  const image = (await ec2.send(new DescribeImagesCommand({ ImageIds: [ImageId!] }))).Images![0]!;
  const SnapshotId = image.BlockDeviceMappings![0]!.Ebs!.SnapshotId!;
  await expect(ec2.send(new DeleteSnapshotCommand({ SnapshotId }))).rejects.toMatchObject({
    name: 'InvalidSnapshot.InUse',
  });
  await ec2.send(new DeregisterImageCommand({ ImageId }));
  await expect(ec2.send(new DescribeImagesCommand({ ImageIds: [ImageId!] }))).rejects.toMatchObject({
    name: 'InvalidAMIID.NotFound',
  });
  const { Snapshots } = await ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [SnapshotId] }));
  expect(Snapshots![0]).toMatchObject({ State: 'completed', Progress: '100%' });
  await ec2.send(new DeleteSnapshotCommand({ SnapshotId }));
});

test('events of an earlier life do not reach an instance that was stopped and started', async () => {
  const aws = inMemory();
  const { ec2, clock } = aws;
  const { Instances } = await ec2.send(
    new RunInstancesCommand({ ImageId: await debian(aws), MinCount: 1, MaxCount: 1 }),
  );
  const id = Instances![0]!.InstanceId!;
  await clock.sleep(4_000);
  await ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
  await clock.sleep(2_500);
  await ec2.send(new StartInstancesCommand({ InstanceIds: [id] }));
  expect(await stateOf(aws, id)).toBe('pending');
  await clock.sleep(2_000);
  expect(await stateOf(aws, id)).toBe('pending');
  await clock.sleep(1_000);
  expect(await stateOf(aws, id)).toBe('running');
});

test('a new version inherits what it does not give, from the version it names', async () => {
  const { ec2 } = inMemory();
  const { LaunchTemplate } = await ec2.send(
    new CreateLaunchTemplateCommand({
      LaunchTemplateName: 'app',
      LaunchTemplateData: {
        ImageId: 'ami-00000000000000001',
        InstanceType: 't3.micro',
        SecurityGroupIds: ['sg-1', 'sg-2'],
        TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'a', Value: '' }] }],
      },
    }),
  );
  const { LaunchTemplateId } = LaunchTemplate!;
  const create = (SourceVersion?: string) =>
    ec2.send(
      new CreateLaunchTemplateVersionCommand({
        LaunchTemplateId,
        SourceVersion,
        VersionDescription: 'next',
        LaunchTemplateData: { ImageId: 'ami-00000000000000002' },
      }),
    );
  expect((await create('1')).LaunchTemplateVersion).toMatchObject({
    VersionNumber: 2,
    DefaultVersion: false,
    LaunchTemplateData: {
      ImageId: 'ami-00000000000000002',
      InstanceType: 't3.micro',
      SecurityGroupIds: ['sg-1', 'sg-2'],
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'a', Value: '' }] }],
    },
  });
  expect((await create()).LaunchTemplateVersion!.LaunchTemplateData).toEqual({
    ImageId: 'ami-00000000000000002',
  });
  await expect(create('9')).rejects.toMatchObject({ name: 'InvalidLaunchTemplateId.VersionNotFound' });

  const read = async (...Versions: string[]) =>
    (
      await ec2.send(new DescribeLaunchTemplateVersionsCommand({ LaunchTemplateId, Versions }))
    ).LaunchTemplateVersions!.map(({ VersionNumber }) => VersionNumber);
  expect(await read('$Latest', '$Default')).toEqual([3, 1]);
  await ec2.send(new ModifyLaunchTemplateCommand({ LaunchTemplateId, DefaultVersion: '2' }));
  expect(await read('$Default')).toEqual([2]);
  const deleted = await ec2.send(
    new DeleteLaunchTemplateVersionsCommand({ LaunchTemplateId, Versions: ['2', '3', '8'] }),
  );
  expect(
    deleted.SuccessfullyDeletedLaunchTemplateVersions!.map(({ VersionNumber }) => VersionNumber),
  ).toEqual([3]);
  expect(deleted.UnsuccessfullyDeletedLaunchTemplateVersions).toHaveLength(2);
  expect((await create('$Default')).LaunchTemplateVersion!.VersionNumber).toBe(4);
});

test('a repeat with the same client token makes nothing new; with other parameters it is refused', async () => {
  const { ec2 } = inMemory();
  await ec2.send(
    new CreateLaunchTemplateCommand({ LaunchTemplateName: 'app', LaunchTemplateData: { ImageId: 'ami-1' } }),
  );
  const create = (ImageId: string) =>
    ec2.send(
      new CreateLaunchTemplateVersionCommand({
        LaunchTemplateName: 'app',
        ClientToken: 'once',
        LaunchTemplateData: { ImageId },
      }),
    );
  const first = await create('ami-2');
  const second = await create('ami-2');
  expect(second.LaunchTemplateVersion).toEqual(first.LaunchTemplateVersion);
  expect(first.LaunchTemplateVersion!.VersionNumber).toBe(2);
  await expect(create('ami-3')).rejects.toMatchObject({ name: 'IdempotentParameterMismatch' });
});

test('tags are added, replaced and deleted; reserved keys are refused', async () => {
  const aws = inMemory();
  const { ec2 } = aws;
  const { ImageId } = await ec2.send(new RegisterImageCommand({ Name: 'tagged' }));
  const Resources = [ImageId!];
  const read = async () =>
    (
      await ec2.send(new DescribeImagesCommand({ Filters: [{ Name: 'tag:stage', Values: ['b?ke*'] }] }))
    ).Images!.map((image) => image.Tags);
  await ec2.send(new CreateTagsCommand({ Resources, Tags: [{ Key: 'stage', Value: 'build' }] }));
  expect(await read()).toEqual([]);
  await ec2.send(new CreateTagsCommand({ Resources, Tags: [{ Key: 'stage', Value: 'bakery' }] }));
  expect(await read()).toEqual([[{ Key: 'stage', Value: 'bakery' }]]);
  await ec2.send(new DeleteTagsCommand({ Resources, Tags: [{ Key: 'stage', Value: 'other' }] }));
  expect(await read()).toHaveLength(1);
  await ec2.send(new DeleteTagsCommand({ Resources, Tags: [{ Key: 'stage' }] }));
  expect(await read()).toEqual([]);
  await expect(
    ec2.send(new CreateTagsCommand({ Resources, Tags: [{ Key: 'aws:mine', Value: 'x' }] })),
  ).rejects.toMatchObject({ name: 'InvalidParameterValue' });
});

const runOne = async (aws: InMemory, change: object = {}): Promise<string> => {
  const { Instances } = await aws.ec2.send(
    new RunInstancesCommand({ ImageId: await debian(aws), MinCount: 1, MaxCount: 1, ...change }),
  );
  await aws.clock.sleep(10_000);
  return Instances![0]!.InstanceId!;
};

const describeOne = async ({ ec2 }: InMemory, id: string) =>
  (await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))).Reservations![0]!.Instances![0]!;

test('imaging a running instance reboots it, unless that is declined', async () => {
  const aws = inMemory();
  const id = await runOne(aws);
  const checks = () => aws.simulator.world.instances[id]!.checks;
  await aws.ec2.send(new CreateImageCommand({ InstanceId: id, Name: 'calm', NoReboot: true }));
  await stateOf(aws, id);
  expect(checks()).toBe('ok');
  await aws.ec2.send(new CreateImageCommand({ InstanceId: id, Name: 'rebooted' }));
  expect(await stateOf(aws, id)).toBe('running');
  expect(checks()).toBe('initializing');
});

test('an instance protected against termination is terminated only once it is no more', async () => {
  const aws = inMemory();
  const id = await runOne(aws, { DisableApiTermination: true });
  const terminate = () => aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  await expect(terminate()).rejects.toMatchObject({ name: 'OperationNotPermitted' });
  await aws.ec2.send(
    new ModifyInstanceAttributeCommand({ InstanceId: id, DisableApiTermination: { Value: false } }),
  );
  await terminate();
  expect(await stateOf(aws, id)).toBe('shutting-down');
});

test('why an instance was stopped or ended is said with the time, and no more once it runs', async () => {
  const aws = inMemory();
  const id = await runOne(aws);
  expect((await describeOne(aws, id)).StateTransitionReason).toBe('');
  await aws.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
  expect(await describeOne(aws, id)).toMatchObject({
    StateTransitionReason: 'User initiated (2026-01-01 00:00:10 GMT)',
    StateReason: { Code: 'Client.UserInitiatedShutdown' },
  });
  await aws.clock.sleep(5_000);
  await aws.ec2.send(new StartInstancesCommand({ InstanceIds: [id] }));
  await aws.clock.sleep(5_000);
  expect(await describeOne(aws, id)).toMatchObject({ StateTransitionReason: '', State: { Name: 'running' } });
  await aws.ec2.send(new RebootInstancesCommand({ InstanceIds: [id] }));
  expect((await describeOne(aws, id)).State!.Name).toBe('running');
});

test.each([
  ['stopped', (ids: string[]) => new StopInstancesCommand({ InstanceIds: ids }), 'running'],
  ['started', (ids: string[]) => new StartInstancesCommand({ InstanceIds: ids }), 'stopped'],
  ['rebooted', (ids: string[]) => new RebootInstancesCommand({ InstanceIds: ids }), 'running'],
] as const)('no instance is %s when another of the same call cannot be', async (_verb, command, before) => {
  const aws = inMemory();
  const [good, ended] = [await runOne(aws), await runOne(aws)];
  await aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [ended] }));
  if (before === 'stopped') await aws.ec2.send(new StopInstancesCommand({ InstanceIds: [good] }));
  await aws.clock.sleep(10_000);
  const instance = () => aws.simulator.world.instances[good]!;
  const lives = instance().life;
  const order = (id: string) => aws.ec2.send(command([good, id]) as StopInstancesCommand);
  await expect(order(ended)).rejects.toMatchObject({ name: 'IncorrectInstanceState' });
  await expect(order('i-00000000000000000')).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound' });
  expect(instance()).toMatchObject({ state: before, life: lives });
});

test('versions of a template come newest first, in pages, between bounds', async () => {
  const { ec2 } = inMemory();
  const template = { LaunchTemplateName: 'many' };
  const data = { ...template, LaunchTemplateData: { ImageId: 'ami-1' } };
  await ec2.send(new CreateLaunchTemplateCommand(data));
  for (let n = 2; n <= 7; n += 1) await ec2.send(new CreateLaunchTemplateVersionCommand(data));
  const pages: number[][] = [];
  const bounds = { MinVersion: '2', MaxVersion: '6' };
  for await (const page of paginateDescribeLaunchTemplateVersions(
    { client: ec2, pageSize: 2 },
    { ...template, ...bounds },
  )) {
    pages.push(page.LaunchTemplateVersions!.map(({ VersionNumber }) => VersionNumber!));
  }
  expect(pages).toEqual([[6, 5], [4, 3], [2]]);
});

test('deleting versions reports each that could not be deleted, and why', async () => {
  const { ec2 } = inMemory();
  const data = { LaunchTemplateName: 'few', LaunchTemplateData: { ImageId: 'ami-1' } };
  await ec2.send(new CreateLaunchTemplateCommand(data));
  await ec2.send(new CreateLaunchTemplateVersionCommand(data));
  const deleted = await ec2.send(
    new DeleteLaunchTemplateVersionsCommand({ LaunchTemplateName: 'few', Versions: ['1', '2', '9'] }),
  );
  expect(deleted.SuccessfullyDeletedLaunchTemplateVersions).toMatchObject([{ VersionNumber: 2 }]);
  expect(
    deleted.UnsuccessfullyDeletedLaunchTemplateVersions!.map(({ VersionNumber, ResponseError }) => [
      VersionNumber,
      ResponseError!.Code,
    ]),
  ).toEqual([
    [1, 'unexpectedError'],
    [9, 'launchTemplateVersionDoesNotExist'],
  ]);
});
