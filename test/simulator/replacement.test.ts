/** At what pace Auto Scaling replaces unhealthy instances, without and under an instance maintenance policy. */
import {
  EnterStandbyCommand,
  ExitStandbyCommand,
  ResumeProcessesCommand,
  SetInstanceHealthCommand,
  SuspendProcessesCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { failSoftware } from '../../pipeline/simulator/model/instances.ts';
import { recheckTargets } from '../../pipeline/simulator/model/target-checks.ts';
import { eventually, exampleConfig, type InMemory, inMemory } from './clients.ts';
import { activities, groupOf, ids, inService, reaches, stateOf } from './scaling-group.ts';

const groupWith = (desired: number) =>
  inMemory(exampleConfig({ groups: { 'web-a': { desired, min: 1, max: 2 * desired } } }));

const maintain = (aws: InMemory, MinHealthyPercentage: number, MaxHealthyPercentage: number) =>
  aws.scaling.send(
    new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: 'web-a',
      InstanceMaintenancePolicy: { MinHealthyPercentage, MaxHealthyPercentage },
    }),
  );

/** The software of the first `count` members fails for good, well after their grace period. */
async function sicken(aws: InMemory, count: number): Promise<string[]> {
  const sick = ids(await groupOf(aws)).slice(0, count);
  const { world } = aws.simulator;
  for (const id of sick) {
    failSoftware(world, world.instances[id]!);
    recheckTargets(world, id);
  }
  return sick;
}

/** Until none of `sick` is left and the group is whole: the fewest members in service, and the most that stay at once. */
async function replaced(aws: InMemory, sick: string[]): Promise<{ fewest: number; most: number }> {
  const { DesiredCapacity: desired } = await groupOf(aws);
  let fewest = desired!;
  let most = desired!;
  await eventually(
    aws.clock,
    'replacement',
    async () => {
      const group = await groupOf(aws);
      const present = group.Instances!.filter((one) => !one.LifecycleState!.startsWith('Terminating'));
      fewest = Math.min(fewest, inService(group).length);
      most = Math.max(most, present.length);
      return inService(group).length === desired && !ids(group).some((id) => sick.includes(id));
    },
    { withinMs: 1_200_000, everyMs: 250 },
  );
  return { fewest, most };
}

test('an unhealthy instance is terminated first and replaced after, and both activities say so', async () => {
  const aws = groupWith(3);
  const sick = await sicken(aws, 1);
  expect(await replaced(aws, sick)).toEqual({ fewest: 2, most: 3 });
  const causes = (await activities(aws)).map(({ Cause }) => Cause!.replace(/^At \S+ /, ''));
  expect(causes.slice(0, 2).sort()).toEqual([
    'an instance was launched in response to an unhealthy instance needing to be replaced.',
    expect.stringMatching(
      /^an instance was taken out of service in response to an (ELB system health check|EC2 instance status checks) failure\.$/,
    ),
  ]);
});

test('no more than a tenth of desired is replaced at a time, and at least one', async () => {
  const small = groupWith(4);
  expect(await replaced(small, await sicken(small, 3))).toEqual({ fewest: 3, most: 4 });
  const large = groupWith(20);
  expect(await replaced(large, await sicken(large, 7))).toEqual({ fewest: 18, most: 20 });
});

test('instances that no longer run, or that a user calls unhealthy, are replaced at once, however many', async () => {
  const dead = groupWith(4);
  const gone = ids(await groupOf(dead)).slice(0, 3);
  await dead.ec2.send(new TerminateInstancesCommand({ InstanceIds: gone }));
  expect((await replaced(dead, gone)).fewest).toBe(1);
  const called = groupWith(4);
  const named = ids(await groupOf(called)).slice(0, 3);
  for (const InstanceId of named) {
    await called.scaling.send(
      new SetInstanceHealthCommand({
        InstanceId,
        HealthStatus: 'Unhealthy',
        ShouldRespectGracePeriod: false,
      }),
    );
  }
  expect((await replaced(called, named)).fewest).toBe(1);
});

test.each<[string, number, number, number, { fewest: number; most: number }]>([
  ['launch before terminating', 100, 110, 10, { fewest: 10, most: 11 }],
  ['launch before terminating, in a group too small for ten percent', 100, 110, 3, { fewest: 3, most: 4 }],
  ['terminate and launch', 80, 100, 10, { fewest: 8, most: 10 }],
  ['a range of its own', 90, 120, 10, { fewest: 9, most: 12 }],
  ['no room at all, and still one at a time', 100, 100, 10, { fewest: 9, most: 10 }],
])('under a maintenance policy: %s', async (_what, min, max, desired, expected) => {
  const aws = groupWith(desired);
  await maintain(aws, min, max);
  const result = await replaced(aws, await sicken(aws, desired === 3 ? 2 : 5));
  expect(result.fewest).toBeGreaterThanOrEqual(expected.fewest);
  expect(result).toEqual(expected);
});

test('a maintenance policy is described, cleared by -1, and refused when it makes no sense', async () => {
  const aws = groupWith(3);
  await maintain(aws, 90, 120);
  expect((await groupOf(aws)).InstanceMaintenancePolicy).toEqual({
    MinHealthyPercentage: 90,
    MaxHealthyPercentage: 120,
  });
  for (const [min, max] of [
    [101, 120],
    [90, 99],
    [90, 201],
    [0, 150],
    [-1, 120],
  ] as const) {
    await expect(maintain(aws, min, max)).rejects.toMatchObject({ name: 'ValidationError' });
  }
  await maintain(aws, -1, -1);
  expect((await groupOf(aws)).InstanceMaintenancePolicy).toBeUndefined();
});

test('with Terminate suspended unhealthy instances stay, and go once it is resumed', async () => {
  const aws = groupWith(3);
  const name = { AutoScalingGroupName: 'web-a' };
  await aws.scaling.send(new SuspendProcessesCommand({ ...name, ScalingProcesses: ['Terminate'] }));
  const sick = await sicken(aws, 1);
  await aws.clock.sleep(300_000);
  const member = (await groupOf(aws)).Instances!.find(({ InstanceId }) => InstanceId === sick[0]);
  expect(member).toMatchObject({ LifecycleState: 'InService', HealthStatus: 'Unhealthy' });
  await aws.scaling.send(new ResumeProcessesCommand({ ...name, ScalingProcesses: ['Terminate'] }));
  await replaced(aws, sick);
});

test('replacement waits for the default instance warmup of the one before', async () => {
  const aws = groupWith(4);
  await aws.scaling.send(
    new UpdateAutoScalingGroupCommand({ AutoScalingGroupName: 'web-a', DefaultInstanceWarmup: 300 }),
  );
  const sick = await sicken(aws, 2);
  await eventually(aws.clock, 'the first replacement', async () => {
    const serving = ids(await groupOf(aws));
    return serving.length === 4 && serving.filter((id) => sick.includes(id)).length === 1;
  });
  await aws.clock.sleep(270_000);
  expect(ids(await groupOf(aws)).filter((id) => sick.includes(id))).toHaveLength(1);
  await replaced(aws, sick);
});

test('an instance called unhealthy on standby is replaced when it returns to service', async () => {
  const aws = groupWith(3);
  const [id] = ids(await groupOf(aws));
  const named = { AutoScalingGroupName: 'web-a', InstanceIds: [id!] };
  await aws.scaling.send(new EnterStandbyCommand({ ...named, ShouldDecrementDesiredCapacity: true }));
  await reaches(aws, id!, 'Standby');
  await aws.scaling.send(
    new SetInstanceHealthCommand({
      InstanceId: id!,
      HealthStatus: 'Unhealthy',
      ShouldRespectGracePeriod: false,
    }),
  );
  await aws.clock.sleep(60_000);
  expect(await stateOf(aws, id!)).toBe('Standby');
  await aws.scaling.send(new ExitStandbyCommand(named));
  await reaches(aws, id!, null);
});

const interruptWith = async (aws: InMemory, CapacityRebalance: boolean): Promise<string> => {
  await aws.scaling.send(
    new UpdateAutoScalingGroupCommand({ AutoScalingGroupName: 'web-a', CapacityRebalance }),
  );
  const { world } = aws.simulator;
  injectFault(world, { kind: 'spot-interruption', group: 'web-a', recommendedMs: 600_000 });
  return Object.values(world.instances).find(({ interruption }) => interruption)!.id;
};

test('with Capacity Rebalancing an instance at risk goes once its replacement serves, without it when it is taken', async () => {
  const listening = groupWith(3);
  const atRisk = await interruptWith(listening, true);
  expect(await replaced(listening, [atRisk])).toEqual({ fewest: 3, most: 4 });
  expect((await activities(listening)).map(({ Cause }) => Cause)).toContainEqual(
    expect.stringContaining('in response to an EC2 instance rebalance recommendation'),
  );
  const deaf = groupWith(3);
  const taken = await interruptWith(deaf, false);
  expect((await replaced(deaf, [taken])).fewest).toBe(2);
});
