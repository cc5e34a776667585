/**
 * What happens to single instances of a group, as AWS has it, against any endpoint: lifecycle hooks, standby, protection,
 * detaching and attaching. As in session.ts, an endpoint that is known to differ is not asked where it does.
 */
import {
  AttachInstancesCommand,
  CompleteLifecycleActionCommand,
  CreateAutoScalingGroupCommand,
  DeleteAutoScalingGroupCommand,
  DeleteLifecycleHookCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeLifecycleHooksCommand,
  DetachInstancesCommand,
  EnterStandbyCommand,
  ExitStandbyCommand,
  PutLifecycleHookCommand,
  SetDesiredCapacityCommand,
  SetInstanceProtectionCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  CreateLaunchTemplateCommand,
  DescribeInstancesCommand,
  RegisterImageCommand,
} from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { type Clients, clientsAt, eventually } from '../simulator/clients.ts';
import type { Endpoint } from './session.ts';

export type MemberDifference = 'hooks hold instances up' | 'refusals of members';

const patience = { withinMs: 30_000, everyMs: 50 };
const group = { AutoScalingGroupName: 'members' };

export function membersConformToAws(
  connect: () => Promise<Endpoint>,
  known: readonly MemberDifference[] = [],
): void {
  let connection: Endpoint;
  let aws: Clients;
  beforeAll(async () => {
    connection = await connect();
    aws = clientsAt(connection.endpoint);
    const { ImageId } = await aws.ec2.send(
      new RegisterImageCommand({ Name: 'members', Architecture: 'x86_64', RootDeviceName: '/dev/xvda' }),
    );
    const { LaunchTemplate } = await aws.ec2.send(
      new CreateLaunchTemplateCommand({
        LaunchTemplateName: 'members',
        LaunchTemplateData: { ImageId, InstanceType: 't3.micro' },
      }),
    );
    await aws.scaling.send(
      new CreateAutoScalingGroupCommand({
        ...group,
        MinSize: 1,
        MaxSize: 4,
        DesiredCapacity: 2,
        AvailabilityZones: ['eu-central-1a'],
        LaunchTemplate: { LaunchTemplateId: LaunchTemplate!.LaunchTemplateId, Version: '1' },
      }),
    );
    await inState('InService', 2);
  });
  afterAll(() => connection?.close());

  const now = async () =>
    (
      await aws.scaling.send(
        new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [group.AutoScalingGroupName] }),
      )
    ).AutoScalingGroups![0]!;
  const inState = (state: string, count: number): Promise<string[]> =>
    eventually(
      wallClock,
      `${count} instances ${state}`,
      async () => {
        const found = (await now()).Instances!.filter(({ LifecycleState }) => LifecycleState === state);
        return found.length === count && found.map(({ InstanceId }) => InstanceId!);
      },
      patience,
    );

  test('an instance in standby does not count, and counts again when it is back', async () => {
    const [first] = await inState('InService', 2);
    const { Activities } = await aws.scaling.send(
      new EnterStandbyCommand({ ...group, InstanceIds: [first!], ShouldDecrementDesiredCapacity: true }),
    );
    expect(Activities![0]!.Description).toContain(first);
    expect(await inState('Standby', 1)).toEqual([first]);
    expect((await now()).DesiredCapacity).toBe(1);
    await aws.scaling.send(new ExitStandbyCommand({ ...group, InstanceIds: [first!] }));
    await inState('InService', 2);
    expect((await now()).DesiredCapacity).toBe(2);
  });

  test('protection is set on single instances and shown with them', async () => {
    const [first] = await inState('InService', 2);
    await aws.scaling.send(
      new SetInstanceProtectionCommand({ ...group, InstanceIds: [first!], ProtectedFromScaleIn: true }),
    );
    await aws.scaling.send(new SetDesiredCapacityCommand({ ...group, DesiredCapacity: 1 }));
    expect(await inState('InService', 1)).toEqual([first]);
    const { AutoScalingInstances } = await aws.scaling.send(
      new DescribeAutoScalingInstancesCommand({ InstanceIds: [first!] }),
    );
    expect(AutoScalingInstances).toMatchObject([{ InstanceId: first, ProtectedFromScaleIn: true }]);
  });

  test('a detached instance runs on outside the group, and is attached again above desired', async () => {
    const [first] = await inState('InService', 1);
    await aws.scaling.send(new SetDesiredCapacityCommand({ ...group, DesiredCapacity: 2 }));
    await inState('InService', 2);
    await aws.scaling.send(
      new DetachInstancesCommand({ ...group, InstanceIds: [first!], ShouldDecrementDesiredCapacity: true }),
    );
    const left = await inState('InService', 1);
    expect(left).not.toContain(first);
    const { Reservations } = await aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: [first!] }));
    expect(Reservations![0]!.Instances![0]!.State!.Name).toBe('running');
    await aws.scaling.send(new AttachInstancesCommand({ ...group, InstanceIds: [first!] }));
    expect((await inState('InService', 2)).toSorted()).toEqual([...left, first!].toSorted());
    expect((await now()).DesiredCapacity).toBe(2);
  });

  test('hooks are put, listed by name and deleted', async () => {
    const hook = { ...group, LifecycleHookName: 'drain' };
    await aws.scaling.send(
      new PutLifecycleHookCommand({
        ...hook,
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
        HeartbeatTimeout: 300,
      }),
    );
    const list = async () =>
      (await aws.scaling.send(new DescribeLifecycleHooksCommand(group))).LifecycleHooks!;
    expect(await list()).toMatchObject([
      {
        LifecycleHookName: 'drain',
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
        HeartbeatTimeout: 300,
        DefaultResult: 'ABANDON',
      },
    ]);
    await aws.scaling.send(new DeleteLifecycleHookCommand(hook));
    expect(await list()).toEqual([]);
  });

  test.skipIf(known.includes('hooks hold instances up'))(
    'a launching hook holds an instance up until it is told to continue',
    async () => {
      await aws.scaling.send(
        new PutLifecycleHookCommand({
          ...group,
          LifecycleHookName: 'prepare',
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
          HeartbeatTimeout: 300,
        }),
      );
      await aws.scaling.send(new SetDesiredCapacityCommand({ ...group, DesiredCapacity: 3 }));
      const [InstanceId] = await inState('Pending:Wait', 1);
      await aws.scaling.send(
        new CompleteLifecycleActionCommand({
          ...group,
          LifecycleHookName: 'prepare',
          LifecycleActionResult: 'CONTINUE',
          InstanceId,
        }),
      );
      expect(await inState('InService', 3)).toContain(InstanceId);
    },
  );

  test.skipIf(known.includes('refusals of members'))(
    'what the service would not do to a member is a ValidationError',
    async () => {
      const [first] = (await now()).Instances!.map(({ InstanceId }) => InstanceId);
      const absent = 'i-0123456789abcdef0';
      const refused = { name: 'ValidationError' };
      const standby = { ...group, ShouldDecrementDesiredCapacity: true };
      await expect(
        aws.scaling.send(new EnterStandbyCommand({ ...standby, InstanceIds: [absent] })),
      ).rejects.toMatchObject(refused);
      await expect(
        aws.scaling.send(new ExitStandbyCommand({ ...group, InstanceIds: [first!] })),
      ).rejects.toMatchObject(refused);
      await expect(
        aws.scaling.send(new DetachInstancesCommand({ ...standby, InstanceIds: [absent] })),
      ).rejects.toMatchObject(refused);
      await expect(
        aws.scaling.send(new DeleteLifecycleHookCommand({ ...group, LifecycleHookName: 'absent' })),
      ).rejects.toMatchObject(refused);
    },
  );

  test('the group goes with all its members', async () => {
    await aws.scaling.send(new DeleteAutoScalingGroupCommand({ ...group, ForceDelete: true }));
    await eventually(wallClock, 'group gone', async () => (await now()) === undefined, patience);
  });
}
