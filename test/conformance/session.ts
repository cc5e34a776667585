/**
 * A session as Drover and its users have it with AWS, through the AWS SDK over HTTP, against any endpoint. What is
 * asked here is true of AWS; an endpoint that is known to differ says where, and is not asked that.
 */
import {
  CreateAutoScalingGroupCommand,
  CreateOrUpdateTagsCommand,
  DeleteAutoScalingGroupCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeTagsCommand,
  ResumeProcessesCommand,
  SetDesiredCapacityCommand,
  SetInstanceProtectionCommand,
  SuspendProcessesCommand,
  TerminateInstanceInAutoScalingGroupCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  CreateLaunchTemplateCommand,
  CreateLaunchTemplateVersionCommand,
  CreateTagsCommand,
  DeleteLaunchTemplateCommand,
  DeregisterImageCommand,
  DescribeImagesCommand,
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeLaunchTemplateVersionsCommand,
  DescribeSubnetsCommand,
  RegisterImageCommand,
} from '@aws-sdk/client-ec2';
import {
  CreateTargetGroupCommand,
  DeleteTargetGroupCommand,
  DeregisterTargetsCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { type Clients, clientsAt, eventually } from '../simulator/clients.ts';

export interface Endpoint {
  endpoint: string;
  close(): Promise<void>;
}

/** Where an endpoint may be known to differ from AWS. The refusals are the titles of the tests of error codes. */
export type Difference = 'inheritance from a source version' | 'spread over zones' | `refusal: ${string}`;

/** Long enough for a slow machine; the simulator of the suite needs fractions of a second. */
const patience = { withinMs: 30_000, everyMs: 50 };

export function conformsToAws(connect: () => Promise<Endpoint>, known: readonly Difference[] = []): void {
  let connection: Endpoint;
  let aws: Clients;
  let templateId: string;
  let firstImage: string;
  let secondImage: string;
  let targetGroup: string;
  beforeAll(async () => {
    connection = await connect();
    aws = clientsAt(connection.endpoint);
  });
  afterAll(() => connection?.close());

  const groupNow = async () =>
    (await aws.scaling.send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['app'] })))
      .AutoScalingGroups![0]!;
  const inService = (count: number) =>
    eventually(
      wallClock,
      `${count} instances in service`,
      async () => {
        const group = await groupNow();
        const serving = group.Instances!.filter((instance) => instance.LifecycleState === 'InService');
        return serving.length === count && group.Instances!.length === count && group;
      },
      patience,
    );

  test('an image is registered, found by id and by name, and carries its tags', async () => {
    const register = async (Name: string) => {
      const { ImageId } = await aws.ec2.send(
        new RegisterImageCommand({ Name, Architecture: 'x86_64', RootDeviceName: '/dev/xvda' }),
      );
      await aws.ec2.send(
        new CreateTagsCommand({ Resources: [ImageId!], Tags: [{ Key: 'release', Value: Name }] }),
      );
      await eventually(
        wallClock,
        `${Name} available`,
        async () =>
          (await aws.ec2.send(new DescribeImagesCommand({ ImageIds: [ImageId!] }))).Images![0]!.State ===
          'available',
        patience,
      );
      return ImageId!;
    };
    firstImage = await register('drover-first');
    secondImage = await register('drover-second');
    const { Images } = await aws.ec2.send(
      new DescribeImagesCommand({
        Owners: ['self'],
        Filters: [{ Name: 'name', Values: ['drover-sec*'] }],
      }),
    );
    expect(Images!.map((image) => image.ImageId)).toEqual([secondImage]);
    expect(Images![0]!.Tags).toContainEqual({ Key: 'release', Value: 'drover-second' });
  });

  test('a launch template gains a version that inherits from its source', async () => {
    const { LaunchTemplate } = await aws.ec2.send(
      new CreateLaunchTemplateCommand({
        LaunchTemplateName: 'app',
        LaunchTemplateData: { ImageId: firstImage, InstanceType: 't3.micro' },
      }),
    );
    templateId = LaunchTemplate!.LaunchTemplateId!;
    const { LaunchTemplateVersion } = await aws.ec2.send(
      new CreateLaunchTemplateVersionCommand({
        LaunchTemplateId: templateId,
        SourceVersion: '1',
        LaunchTemplateData: { ImageId: secondImage },
      }),
    );
    expect(LaunchTemplateVersion).toMatchObject({
      VersionNumber: 2,
      LaunchTemplateData: {
        ImageId: secondImage,
        ...(!known.includes('inheritance from a source version') && { InstanceType: 't3.micro' }),
      },
    });
    const { LaunchTemplates } = await aws.ec2.send(
      new DescribeLaunchTemplatesCommand({ LaunchTemplateNames: ['app'] }),
    );
    expect(LaunchTemplates![0]).toMatchObject({ DefaultVersionNumber: 1, LatestVersionNumber: 2 });
    const { LaunchTemplateVersions } = await aws.ec2.send(
      new DescribeLaunchTemplateVersionsCommand({ LaunchTemplateId: templateId, Versions: ['$Latest'] }),
    );
    expect(LaunchTemplateVersions!.map((version) => version.VersionNumber)).toEqual([2]);
  });

  test('a group launches its instances, spread over zones, into its target group', async () => {
    const { Subnets } = await aws.ec2.send(new DescribeSubnetsCommand({}));
    const zones = ['eu-central-1a', 'eu-central-1b'];
    const subnets = zones.map((zone) => Subnets!.find((subnet) => subnet.AvailabilityZone === zone)!);
    const { TargetGroups } = await aws.balancing.send(
      new CreateTargetGroupCommand({ Name: 'app', Protocol: 'HTTP', Port: 80, VpcId: subnets[0]!.VpcId }),
    );
    targetGroup = TargetGroups![0]!.TargetGroupArn!;
    await aws.scaling.send(
      new CreateAutoScalingGroupCommand({
        AutoScalingGroupName: 'app',
        MinSize: 1,
        MaxSize: 4,
        DesiredCapacity: 2,
        LaunchTemplate: { LaunchTemplateId: templateId, Version: '1' },
        VPCZoneIdentifier: subnets.map((subnet) => subnet.SubnetId).join(','),
        TargetGroupARNs: [targetGroup],
        Tags: [{ Key: 'environment', Value: 'production', PropagateAtLaunch: true }],
      }),
    );
    const group = await inService(2);
    const used = new Set(group.Instances!.map((instance) => instance.AvailabilityZone));
    if (!known.includes('spread over zones')) expect(used).toEqual(new Set(zones));
    expect(group).toMatchObject({
      MinSize: 1,
      MaxSize: 4,
      DesiredCapacity: 2,
      TargetGroupARNs: [targetGroup],
    });
    const ids = group.Instances!.map((instance) => instance.InstanceId!);
    const { Reservations } = await aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: ids }));
    const instances = Reservations!.flatMap((reservation) => reservation.Instances!);
    expect(instances.map((instance) => instance.ImageId)).toEqual([firstImage, firstImage]);
    for (const instance of instances) {
      expect(instance.State!.Name).toBe('running');
      expect(instance.Tags).toContainEqual({ Key: 'environment', Value: 'production' });
      expect(instance.Tags).toContainEqual({ Key: 'aws:autoscaling:groupName', Value: 'app' });
    }
    await eventually(
      wallClock,
      'status checks ok',
      async () => {
        const { InstanceStatuses } = await aws.ec2.send(
          new DescribeInstanceStatusCommand({ InstanceIds: ids }),
        );
        return (
          InstanceStatuses!.length === 2 &&
          InstanceStatuses!.every((one) => one.InstanceStatus!.Status === 'ok')
        );
      },
      patience,
    );
    await eventually(
      wallClock,
      'targets healthy',
      async () => {
        const { TargetHealthDescriptions } = await aws.balancing.send(
          new DescribeTargetHealthCommand({ TargetGroupArn: targetGroup }),
        );
        return (
          TargetHealthDescriptions!.length === 2 &&
          TargetHealthDescriptions!.every((one) => one.TargetHealth!.State === 'healthy')
        );
      },
      patience,
    );
  });

  test('processes are suspended and resumed, tags set, instances protected', async () => {
    const name = { AutoScalingGroupName: 'app' };
    await aws.scaling.send(
      new SuspendProcessesCommand({ ...name, ScalingProcesses: ['AZRebalance', 'Launch'] }),
    );
    await aws.scaling.send(new ResumeProcessesCommand({ ...name, ScalingProcesses: ['Launch'] }));
    await aws.scaling.send(
      new CreateOrUpdateTagsCommand({
        Tags: [
          {
            ResourceId: 'app',
            ResourceType: 'auto-scaling-group',
            Key: 'drover:release',
            Value: 'r1',
            PropagateAtLaunch: false,
          },
        ],
      }),
    );
    const InstanceIds = (await groupNow()).Instances!.map((instance) => instance.InstanceId!);
    await aws.scaling.send(
      new SetInstanceProtectionCommand({ ...name, InstanceIds, ProtectedFromScaleIn: true }),
    );
    const group = await groupNow();
    expect(group.SuspendedProcesses!.map((process) => process.ProcessName)).toEqual(['AZRebalance']);
    expect(group.Tags!.find((tag) => tag.Key === 'drover:release')).toMatchObject({ Value: 'r1' });
    expect(group.Instances!.every((instance) => instance.ProtectedFromScaleIn)).toBe(true);
    await aws.scaling.send(
      new SetInstanceProtectionCommand({ ...name, InstanceIds, ProtectedFromScaleIn: false }),
    );
    await aws.scaling.send(new ResumeProcessesCommand(name));
    const { Tags } = await aws.scaling.send(
      new DescribeTagsCommand({ Filters: [{ Name: 'auto-scaling-group', Values: ['app'] }] }),
    );
    expect(Tags!.map((tag) => tag.Key).sort()).toEqual(['drover:release', 'environment']);
  });

  test('the group scales out, and a termination that decrements is not replaced', async () => {
    await aws.scaling.send(
      new UpdateAutoScalingGroupCommand({
        AutoScalingGroupName: 'app',
        LaunchTemplate: { LaunchTemplateId: templateId, Version: '2' },
      }),
    );
    await aws.scaling.send(
      new SetDesiredCapacityCommand({ AutoScalingGroupName: 'app', DesiredCapacity: 3 }),
    );
    const grown = await inService(3);
    const InstanceId = grown.Instances![0]!.InstanceId!;
    const { Activity } = await aws.scaling.send(
      new TerminateInstanceInAutoScalingGroupCommand({ InstanceId, ShouldDecrementDesiredCapacity: true }),
    );
    expect(Activity!.ActivityId).toBeTruthy();
    const group = await inService(2);
    expect(group.DesiredCapacity).toBe(2);
    expect(group.Instances!.map((instance) => instance.InstanceId)).not.toContain(InstanceId);
  });

  test('a deregistered target is no longer healthy', async () => {
    const [instance] = (await groupNow()).Instances!;
    const Targets = [{ Id: instance!.InstanceId! }];
    await aws.balancing.send(new DeregisterTargetsCommand({ TargetGroupArn: targetGroup, Targets }));
    await eventually(
      wallClock,
      'target unused',
      async () => {
        const { TargetHealthDescriptions } = await aws.balancing.send(
          new DescribeTargetHealthCommand({ TargetGroupArn: targetGroup, Targets }),
        );
        return TargetHealthDescriptions![0]!.TargetHealth!.State === 'unused';
      },
      patience,
    );
  });

  /** What is refused, and with which code; the SDK gives the code as the error's name. */
  const refusals: [string, () => Promise<unknown>, string][] = [
    [
      'an instance that does not exist',
      () => aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: ['i-0123456789abcdef0'] })),
      'InvalidInstanceID.NotFound',
    ],
    [
      'an instance id that is none',
      () => aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: ['nonsense'] })),
      'InvalidInstanceID.Malformed',
    ],
    [
      'an image that does not exist',
      () => aws.ec2.send(new DescribeImagesCommand({ ImageIds: ['ami-0123456789abcdef0'] })),
      'InvalidAMIID.NotFound',
    ],
    [
      'a template name in use',
      () =>
        aws.ec2.send(
          new CreateLaunchTemplateCommand({
            LaunchTemplateName: 'app',
            LaunchTemplateData: { InstanceType: 't3.micro' },
          }),
        ),
      'InvalidLaunchTemplateName.AlreadyExistsException',
    ],
    [
      'a template that does not exist, by id',
      () =>
        aws.ec2.send(
          new CreateLaunchTemplateVersionCommand({
            LaunchTemplateId: 'lt-0123456789abcdef0',
            LaunchTemplateData: { InstanceType: 't3.micro' },
          }),
        ),
      'InvalidLaunchTemplateId.NotFound',
    ],
    [
      'a template that does not exist, by name',
      () => aws.ec2.send(new DescribeLaunchTemplatesCommand({ LaunchTemplateNames: ['absent'] })),
      'InvalidLaunchTemplateName.NotFoundException',
    ],
    [
      'a group that does not exist',
      () =>
        aws.scaling.send(new UpdateAutoScalingGroupCommand({ AutoScalingGroupName: 'absent', MinSize: 1 })),
      'ValidationError',
    ],
    [
      'a group name in use',
      () =>
        aws.scaling.send(
          new CreateAutoScalingGroupCommand({
            AutoScalingGroupName: 'app',
            MinSize: 0,
            MaxSize: 0,
            LaunchTemplate: { LaunchTemplateId: templateId },
            AvailabilityZones: ['eu-central-1a'],
          }),
        ),
      'AlreadyExistsFault',
    ],
    [
      'terminating an instance of no group',
      () =>
        aws.scaling.send(
          new TerminateInstanceInAutoScalingGroupCommand({
            InstanceId: 'i-0123456789abcdef0',
            ShouldDecrementDesiredCapacity: false,
          }),
        ),
      'ValidationError',
    ],
    [
      'a target group that does not exist',
      () => aws.balancing.send(new DescribeTargetGroupsCommand({ Names: ['absent'] })),
      'TargetGroupNotFoundException',
    ],
  ];
  const asked = refusals.filter(([what]) => !known.includes(`refusal: ${what}`));
  test.each(asked)('%s is refused with the code of AWS', async (_what, call, code) => {
    const error = await call().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: code });
  });

  test('everything is taken down again', async () => {
    await aws.scaling.send(
      new DeleteAutoScalingGroupCommand({ AutoScalingGroupName: 'app', ForceDelete: true }),
    );
    await eventually(
      wallClock,
      'group gone',
      async () => {
        const { AutoScalingGroups } = await aws.scaling.send(
          new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['app'] }),
        );
        return AutoScalingGroups!.length === 0;
      },
      patience,
    );
    await aws.balancing.send(new DeleteTargetGroupCommand({ TargetGroupArn: targetGroup }));
    await aws.ec2.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId: templateId }));
    await aws.ec2.send(new DeregisterImageCommand({ ImageId: secondImage }));
    const { Images } = await aws.ec2.send(new DescribeImagesCommand({ Owners: ['self'] }));
    expect(Images!.map((image) => image.ImageId)).not.toContain(secondImage);
  });
}
