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
  ModifyLaunchTemplateCommand,
  RegisterImageCommand,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
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
