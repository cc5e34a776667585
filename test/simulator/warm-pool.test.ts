/** Warm pools, through the SDK: size, preparation, warm starts, reuse, and the end of a pool. */
import {
  CompleteLifecycleActionCommand,
  DeleteAutoScalingGroupCommand,
  DeleteWarmPoolCommand,
  DescribeWarmPoolCommand,
  type Instance,
  PutLifecycleHookCommand,
  PutWarmPoolCommand,
  type PutWarmPoolType,
  ResumeProcessesCommand,
  SetInstanceHealthCommand,
  SetInstanceProtectionCommand,
  SuspendProcessesCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { DescribeInstancesCommand, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { eventually, type InMemory, inMemory } from './clients.ts';
import {
  activities,
  groupOf,
  ids,
  inService,
  reaches,
  setDesired,
  settled,
  stateOf,
  terminate,
} from './scaling-group.ts';

const name = { AutoScalingGroupName: 'web-a' };

const putPool = (aws: InMemory, change: Partial<PutWarmPoolType> = {}) =>
  aws.scaling.send(new PutWarmPoolCommand({ ...name, ...change }));
const poolOf = async ({ scaling }: InMemory) => scaling.send(new DescribeWarmPoolCommand(name));
const putHook = (aws: InMemory, LifecycleTransition: string) =>
  aws.scaling.send(new PutLifecycleHookCommand({ ...name, LifecycleHookName: 'hook', LifecycleTransition }));
const complete = (aws: InMemory, InstanceId: string) =>
  aws.scaling.send(
    new CompleteLifecycleActionCommand({
      ...name,
      LifecycleHookName: 'hook',
      LifecycleActionResult: 'CONTINUE',
      InstanceId,
    }),
  );

/** Waits until the pool has exactly `count` instances, all in that state. */
const prepared = (aws: InMemory, count: number, state = 'Warmed:Stopped'): Promise<Instance[]> =>
  eventually(aws.clock, `${count} instances ${state}`, async () => {
    const { Instances } = await poolOf(aws);
    const ready = Instances!.filter(({ LifecycleState }) => LifecycleState === state);
    return ready.length === count && Instances!.length === count && Instances;
  });

const ec2State = async ({ ec2 }: InMemory, id: string) =>
  (await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))).Reservations![0]!.Instances![0]!
    .State!.Name;

test('a pool is filled up to the maximum of the group with stopped instances, beside the group', async () => {
  const aws = inMemory();
  await putPool(aws);
  const pool = await prepared(aws, 3);
  for (const { InstanceId } of pool) expect(await ec2State(aws, InstanceId!)).toBe('stopped');
  expect(new Set(pool.map(({ AvailabilityZone }) => AvailabilityZone)).size).toBe(3);
  const group = await groupOf(aws);
  expect(group.Instances).toHaveLength(3);
  expect(group).toMatchObject({
    WarmPoolSize: 3,
    WarmPoolConfiguration: {
      MinSize: 0,
      PoolState: 'Stopped',
      InstanceReusePolicy: { ReuseOnScaleIn: false },
    },
  });
  expect((await activities(aws))[0]!.Description).toMatch(/^Launching a new EC2 instance into warm pool: i-/);
});

test('the prepared capacity bounds the pool, its minimum holds, and -1 takes the bound away', async () => {
  const aws = inMemory();
  await putPool(aws, { MaxGroupPreparedCapacity: 4 });
  await prepared(aws, 1);
  await putPool(aws, { MaxGroupPreparedCapacity: 2, MinSize: 2 });
  await prepared(aws, 2);
  await putPool(aws, { MaxGroupPreparedCapacity: -1, MinSize: 0 });
  await prepared(aws, 3);
  await putPool(aws, { MaxGroupPreparedCapacity: 3 });
  await prepared(aws, 0);
});

test('a group that grows starts prepared instances instead of launching, and the pool shrinks with it', async () => {
  const aws = inMemory();
  await putPool(aws);
  const pool = (await prepared(aws, 3)).map(({ InstanceId }) => InstanceId!);
  await setDesired(aws, 5);
  const grown = ids(await settled(aws, 5));
  expect(grown.filter((id) => pool.includes(id))).toHaveLength(2);
  await prepared(aws, 1);
  const warm = (await activities(aws)).filter(({ Description }) => Description!.includes('from warm pool'));
  expect(warm.map(({ StatusCode }) => StatusCode)).toEqual(['Successful', 'Successful']);
});

test('a group that outgrows its pool starts cold', async () => {
  const aws = inMemory();
  await putPool(aws, { MaxGroupPreparedCapacity: 4 });
  const [warm] = await prepared(aws, 1);
  await setDesired(aws, 6);
  expect(ids(await settled(aws, 6))).toContain(warm!.InstanceId);
});

test('instances of a running pool serve without a start', async () => {
  const aws = inMemory();
  await putPool(aws, { PoolState: 'Running' });
  const pool = await prepared(aws, 3, 'Warmed:Running');
  for (const { InstanceId } of pool) expect(await ec2State(aws, InstanceId!)).toBe('running');
  await setDesired(aws, 4);
  await eventually(aws.clock, 'a warm start', async () => inService(await groupOf(aws)).length === 4, {
    withinMs: 2_000,
  });
});

test('launch hooks hold an instance up on its way into the pool and again on its way into the group', async () => {
  const aws = inMemory();
  await putHook(aws, 'autoscaling:EC2_INSTANCE_LAUNCHING');
  await putPool(aws, { MaxGroupPreparedCapacity: 4 });
  const [member] = await prepared(aws, 1, 'Warmed:Pending:Wait');
  const id = member!.InstanceId!;
  await complete(aws, id);
  expect(await stateOf(aws, id)).toBe('Warmed:Pending:Proceed');
  await prepared(aws, 1);
  await setDesired(aws, 4);
  await reaches(aws, id, 'Pending:Wait');
  await complete(aws, id);
  expect(ids(await settled(aws, 4))).toContain(id);
});

test('a pool that reuses takes instances back on scale-in, after their termination hook', async () => {
  const aws = inMemory();
  await putHook(aws, 'autoscaling:EC2_INSTANCE_TERMINATING');
  await putPool(aws, { InstanceReusePolicy: { ReuseOnScaleIn: true } });
  await prepared(aws, 3);
  const before = ids(await groupOf(aws));
  await setDesired(aws, 2);
  const returning = await eventually(aws.clock, 'a return', async () => {
    const { Instances } = await poolOf(aws);
    return Instances!.find(({ LifecycleState }) => LifecycleState === 'Warmed:Pending:Wait')?.InstanceId;
  });
  expect(before).toContain(returning);
  await complete(aws, returning);
  await prepared(aws, 4);
  expect(await ec2State(aws, returning)).toBe('stopped');
});

test('without reuse scale-in terminates, and the pool is filled from new instances', async () => {
  const aws = inMemory();
  await putPool(aws);
  const before = (await prepared(aws, 3)).map(({ InstanceId }) => InstanceId);
  const members = ids(await groupOf(aws));
  await setDesired(aws, 2);
  const added = (await prepared(aws, 4)).filter(({ InstanceId }) => !before.includes(InstanceId));
  expect(members).not.toContain(added[0]!.InstanceId);
});

test('an instance lost from the pool is replaced there', async () => {
  const aws = inMemory();
  await putPool(aws);
  const [lost] = await prepared(aws, 3);
  await aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [lost!.InstanceId!] }));
  await reaches(aws, lost!.InstanceId!, null);
  await prepared(aws, 3);
});

test('one that a user calls unhealthy is replaced, without a grace period, unless that is suspended', async () => {
  const aws = inMemory();
  await putPool(aws);
  const [first, second] = await prepared(aws, 3);
  const callUnhealthy = (InstanceId: string) =>
    aws.scaling.send(new SetInstanceHealthCommand({ InstanceId, HealthStatus: 'Unhealthy' }));
  await callUnhealthy(first!.InstanceId!);
  await reaches(aws, first!.InstanceId!, null);
  await prepared(aws, 3);
  await aws.scaling.send(new SuspendProcessesCommand({ ...name, ScalingProcesses: ['ReplaceUnhealthy'] }));
  await callUnhealthy(second!.InstanceId!);
  await aws.clock.sleep(600_000);
  expect(await stateOf(aws, second!.InstanceId!)).toBe('Warmed:Stopped');
  await aws.scaling.send(new ResumeProcessesCommand({ ...name, ScalingProcesses: ['ReplaceUnhealthy'] }));
  await reaches(aws, second!.InstanceId!, null);
});

test('with Launch suspended no pool is filled', async () => {
  const aws = inMemory();
  await aws.scaling.send(new SuspendProcessesCommand({ ...name, ScalingProcesses: ['Launch'] }));
  await putPool(aws);
  await aws.clock.sleep(120_000);
  expect((await poolOf(aws)).Instances).toEqual([]);
});

test('what cannot be asked of pools and of their instances is refused', async () => {
  const aws = inMemory();
  const refused = { name: 'ValidationError' };
  await expect(putPool(aws, { PoolState: 'Hibernated' })).rejects.toMatchObject(refused);
  await expect(putPool(aws, { MinSize: -1 })).rejects.toMatchObject(refused);
  await expect(putPool(aws, { MaxGroupPreparedCapacity: -2 })).rejects.toMatchObject(refused);
  await expect(aws.scaling.send(new DeleteWarmPoolCommand(name))).rejects.toThrow('No warm pool found');
  await putPool(aws);
  const [{ InstanceId }] = (await prepared(aws, 3)) as [Instance];
  await expect(terminate(aws, InstanceId!, false)).rejects.toThrow('is in the warm pool of web-a');
  const protect = { ...name, InstanceIds: [InstanceId!], ProtectedFromScaleIn: true };
  await expect(aws.scaling.send(new SetInstanceProtectionCommand(protect))).rejects.toThrow(
    'is not in InService',
  );
});

test('a group that launches on the spot market can have no pool', async () => {
  const aws = inMemory();
  const { LaunchTemplate } = await groupOf(aws);
  const { LaunchTemplateId } = LaunchTemplate!;
  await aws.scaling.send(
    new UpdateAutoScalingGroupCommand({
      ...name,
      MixedInstancesPolicy: {
        LaunchTemplate: { LaunchTemplateSpecification: { LaunchTemplateId, Version: '1' } },
        InstancesDistribution: { OnDemandPercentageAboveBaseCapacity: 50 },
      },
    }),
  );
  await expect(putPool(aws)).rejects.toThrow('requests Spot Instances');
});

test('a deleted pool is pending deletion until its instances are gone; by force no hook is asked', async () => {
  const aws = inMemory();
  await putPool(aws);
  await prepared(aws, 3);
  await aws.scaling.send(new DeleteWarmPoolCommand(name));
  expect((await poolOf(aws)).WarmPoolConfiguration).toMatchObject({ Status: 'PendingDelete' });
  await expect(putPool(aws)).rejects.toThrow('is being deleted');
  await eventually(aws.clock, 'the end of the pool', async () => !(await groupOf(aws)).WarmPoolConfiguration);
  await putHook(aws, 'autoscaling:EC2_INSTANCE_TERMINATING');
  await putPool(aws);
  await prepared(aws, 3);
  await aws.scaling.send(new DeleteWarmPoolCommand({ ...name, ForceDelete: true }));
  await eventually(
    aws.clock,
    'the end of the pool',
    async () => !(await groupOf(aws)).WarmPoolConfiguration,
    {
      withinMs: 60_000,
    },
  );
  await settled(aws, 3);
});

test('a group deleted by force takes its pool along', async () => {
  const aws = inMemory();
  await putPool(aws);
  await prepared(aws, 3);
  const remove = (ForceDelete: boolean) =>
    aws.scaling.send(new DeleteAutoScalingGroupCommand({ ...name, ForceDelete }));
  await expect(remove(false)).rejects.toMatchObject({ name: 'ResourceInUseFault' });
  await remove(true);
  await eventually(aws.clock, 'the end of the group', async () => !(await groupOf(aws)));
});
