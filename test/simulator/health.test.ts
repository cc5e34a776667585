import {
  PutNotificationConfigurationCommand,
  SuspendProcessesCommand,
  TerminateInstanceInAutoScalingGroupCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  CreateLaunchTemplateVersionCommand,
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  RegisterImageCommand,
} from '@aws-sdk/client-ec2';
import {
  DeregisterTargetsCommand,
  DescribeTargetHealthCommand,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { expect, test } from 'vitest';
import type { FaultOrder } from '../../pipeline/simulator/model/fault.ts';
import { clearFaults, injectFault } from '../../pipeline/simulator/model/faults.ts';
import { eventually, type InMemory, inMemory } from './clients.ts';
import { groupOf } from './scaling-group.ts';

const targetOf = async ({ balancing }: InMemory, arn: string, id: string) =>
  (await balancing.send(new DescribeTargetHealthCommand({ TargetGroupArn: arn, Targets: [{ Id: id }] })))
    .TargetHealthDescriptions![0]!.TargetHealth!;

const checksOf = async ({ ec2 }: InMemory, id: string) =>
  (await ec2.send(new DescribeInstanceStatusCommand({ InstanceIds: [id] }))).InstanceStatuses![0]!
    .InstanceStatus!.Status;

/** Puts the group on a new image and has one more instance launched from it; returns that instance. */
async function launchFromNewImage(aws: InMemory, name = 'web-a'): Promise<string> {
  const group = await groupOf(aws, name);
  const { LaunchTemplateId } = group.LaunchTemplate!;
  const { ImageId } = await aws.ec2.send(new RegisterImageCommand({ Name: `new for ${name}` }));
  const { LaunchTemplateVersion } = await aws.ec2.send(
    new CreateLaunchTemplateVersionCommand({
      LaunchTemplateId,
      SourceVersion: '1',
      LaunchTemplateData: { ImageId },
    }),
  );
  await aws.clock.sleep(2_000);
  await aws.scaling.send(
    new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: name,
      LaunchTemplate: { LaunchTemplateId, Version: String(LaunchTemplateVersion!.VersionNumber) },
      DesiredCapacity: group.DesiredCapacity! + 1,
    }),
  );
  const before = group.Instances!.map((instance) => instance.InstanceId);
  return eventually(aws.clock, 'launch', async () => {
    const { Instances } = await groupOf(aws, name);
    return Instances!.find(
      ({ InstanceId, LifecycleState }) => LifecycleState === 'InService' && !before.includes(InstanceId),
    )?.InstanceId;
  });
}

type BadImage = Extract<FaultOrder, { kind: 'unhealthy' | 'never-boots' }>;
const fault = (aws: InMemory, order: BadImage = { kind: 'unhealthy' }) =>
  injectFault(aws.simulator.world, { environment: 'production', ...order });

test('a healthy instance: checks initializing then ok, target initial then healthy', async () => {
  const aws = inMemory();
  const id = await launchFromNewImage(aws);
  const [arn] = (await groupOf(aws)).TargetGroupARNs!;
  expect(await checksOf(aws, id)).toBe('initializing');
  expect(await targetOf(aws, arn!, id)).toMatchObject({
    State: 'initial',
    Reason: 'Elb.RegistrationInProgress',
  });
  await aws.clock.sleep(5_000);
  expect(await checksOf(aws, id)).toBe('ok');
  expect(await targetOf(aws, arn!, id)).toMatchObject({ State: 'healthy' });
});

test('termination waits for the drain: draining, then unused, and only then shutting down', async () => {
  const aws = inMemory();
  const group = await groupOf(aws);
  const [arn] = group.TargetGroupARNs!;
  const id = group.Instances![0]!.InstanceId!;
  const { Activity } = await aws.scaling.send(
    new TerminateInstanceInAutoScalingGroupCommand({ InstanceId: id, ShouldDecrementDesiredCapacity: false }),
  );
  expect(Activity!.StatusCode).toBe('WaitingForELBConnectionDraining');
  const stateOf = async () =>
    (await aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))).Reservations![0]!.Instances![0]!
      .State!.Name;
  await aws.clock.sleep(1_000);
  expect([(await targetOf(aws, arn!, id)).State, await stateOf()]).toEqual(['draining', 'running']);
  await aws.clock.sleep(2_500);
  expect([(await targetOf(aws, arn!, id)).State, await stateOf()]).toEqual(['unused', 'shutting-down']);
  await aws.clock.sleep(2_000);
  expect(await stateOf()).toBe('terminated');
  expect((await groupOf(aws)).Instances!.map((instance) => instance.InstanceId)).not.toContain(id);
});

test('a target deregistered by hand drains, and comes back when it is registered again', async () => {
  const aws = inMemory();
  const group = await groupOf(aws);
  const [arn] = group.TargetGroupARNs!;
  const id = group.Instances![0]!.InstanceId!;
  const request = { TargetGroupArn: arn, Targets: [{ Id: id }] };
  await aws.balancing.send(new DeregisterTargetsCommand(request));
  expect((await targetOf(aws, arn!, id)).State).toBe('draining');
  await aws.clock.sleep(4_000);
  expect(await targetOf(aws, arn!, id)).toMatchObject({ State: 'unused', Reason: 'Target.NotRegistered' });
  await aws.balancing.send(new DeregisterTargetsCommand(request));
  await aws.balancing.send(new RegisterTargetsCommand(request));
  expect((await targetOf(aws, arn!, id)).State).toBe('initial');
  await aws.clock.sleep(4_000);
  expect((await targetOf(aws, arn!, id)).State).toBe('healthy');
});

test('with AddToLoadBalancer suspended a new instance is in service but in no target group', async () => {
  const aws = inMemory();
  await aws.scaling.send(
    new SuspendProcessesCommand({ AutoScalingGroupName: 'web-a', ScalingProcesses: ['AddToLoadBalancer'] }),
  );
  const id = await launchFromNewImage(aws);
  const [arn] = (await groupOf(aws)).TargetGroupARNs!;
  expect((await targetOf(aws, arn!, id)).State).toBe('unused');
});

test('an unhealthy image in production: in service, then checks impaired and target unhealthy', async () => {
  const aws = inMemory();
  fault(aws);
  const id = await launchFromNewImage(aws);
  const [arn] = (await groupOf(aws)).TargetGroupARNs!;
  await aws.clock.sleep(7_000);
  expect(await checksOf(aws, id)).toBe('impaired');
  expect(await targetOf(aws, arn!, id)).toMatchObject({
    State: 'unhealthy',
    Reason: 'Target.ResponseCodeMismatch',
  });
});

test('the group replaces an unhealthy instance only after its grace period', async () => {
  const aws = inMemory();
  fault(aws);
  const id = await launchFromNewImage(aws);
  const present = async () => (await groupOf(aws)).Instances!.some((instance) => instance.InstanceId === id);
  await aws.clock.sleep(250_000);
  expect(await present()).toBe(true);
  await aws.clock.sleep(120_000);
  expect(await present()).toBe(false);
});

test('a fault for production leaves the same image healthy in staging', async () => {
  const aws = inMemory();
  fault(aws);
  const id = await launchFromNewImage(aws, 'web-staging');
  await aws.clock.sleep(5_000);
  expect(await checksOf(aws, id)).toBe('ok');
});

test('a fault for new images stays with the first one', async () => {
  const aws = inMemory();
  fault(aws);
  await aws.ec2.send(new RegisterImageCommand({ Name: 'takes the fault' }));
  const id = await launchFromNewImage(aws);
  await aws.clock.sleep(5_000);
  expect(await checksOf(aws, id)).toBe('ok');
});

test('a fault taken back does no harm', async () => {
  const aws = inMemory();
  fault(aws);
  clearFaults(aws.simulator.world);
  const id = await launchFromNewImage(aws);
  await aws.clock.sleep(5_000);
  expect(await checksOf(aws, id)).toBe('ok');
});

test('an image that fails later passes its checks first', async () => {
  const aws = inMemory();
  fault(aws, { kind: 'unhealthy', failsAfterMs: 60_000 });
  const id = await launchFromNewImage(aws);
  const [arn] = (await groupOf(aws)).TargetGroupARNs!;
  await aws.clock.sleep(10_000);
  expect([await checksOf(aws, id), (await targetOf(aws, arn!, id)).State]).toEqual(['ok', 'healthy']);
  await aws.clock.sleep(60_000);
  expect([await checksOf(aws, id), (await targetOf(aws, arn!, id)).State]).toEqual(['impaired', 'unhealthy']);
});

test('an image that never boots stays initializing for minutes, then is impaired', async () => {
  const aws = inMemory();
  fault(aws, { kind: 'never-boots' });
  const id = await launchFromNewImage(aws);
  await aws.clock.sleep(240_000);
  expect(await checksOf(aws, id)).toBe('initializing');
  await aws.clock.sleep(61_000);
  expect(await checksOf(aws, id)).toBe('impaired');
});

test('what is not simulated says so, and is counted', async () => {
  const aws = inMemory();
  const put = new PutNotificationConfigurationCommand({
    AutoScalingGroupName: 'web-a',
    TopicARN: 'arn:aws:sns:eu-central-1:123456789012:topic',
    NotificationTypes: ['autoscaling:EC2_INSTANCE_LAUNCH'],
  });
  await expect(aws.scaling.send(put)).rejects.toMatchObject({ name: 'InvalidAction' });
  expect([...aws.simulator.gaps]).toEqual([['autoscaling:PutNotificationConfiguration', 1]]);
});
