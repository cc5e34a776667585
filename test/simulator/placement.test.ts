/** Where a group grows and who goes when it shrinks: termination policies, zones, markets. */
import {
  CreateAutoScalingGroupCommand,
  type CreateAutoScalingGroupType,
  type MixedInstancesPolicy,
  UpdateAutoScalingGroupCommand,
  type UpdateAutoScalingGroupType,
} from '@aws-sdk/client-auto-scaling';
import {
  CreateLaunchTemplateCommand,
  CreateLaunchTemplateVersionCommand,
  DescribeInstancesCommand,
  RegisterImageCommand,
} from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { eventually, exampleConfig, type InMemory, inMemory } from './clients.ts';
import { activities, groupOf, ids, inService, setDesired, settled } from './scaling-group.ts';

/** A production group of one zone, so that zones have no say in who goes. */
const oneZone = () =>
  inMemory(exampleConfig({ groups: { 'web-a': { desired: 1, min: 0, max: 12, zones: 1 } } }));

const update = (aws: InMemory, change: Partial<UpdateAutoScalingGroupType>) =>
  aws.scaling.send(new UpdateAutoScalingGroupCommand({ AutoScalingGroupName: 'web-a', ...change }));

const templateOf = async (aws: InMemory): Promise<string> =>
  (await groupOf(aws)).LaunchTemplate!.LaunchTemplateId!;

/** Launched one after the other, `everyMs` apart; ids in that order. */
async function launchedApart(aws: InMemory, count: number, everyMs: number): Promise<string[]> {
  const order = ids(await groupOf(aws));
  while (order.length < count) {
    await aws.clock.sleep(everyMs);
    await setDesired(aws, order.length + 1);
    order.push(ids(await settled(aws, order.length + 1)).find((id) => !order.includes(id))!);
  }
  return order;
}

async function left(aws: InMemory, count: number): Promise<string[]> {
  await setDesired(aws, count);
  return ids(await settled(aws, count));
}

test.each<[string, (order: string[]) => string[]]>([
  ['OldestInstance', (order) => order.slice(1)],
  ['NewestInstance', (order) => order.slice(0, -1)],
])('%s chooses by age', async (policy, expected) => {
  const aws = oneZone();
  const order = await launchedApart(aws, 4, 60_000);
  await update(aws, { TerminationPolicies: [policy] });
  expect((await left(aws, 3)).sort()).toEqual(expected(order).sort());
});

test('Default and ClosestToNextInstanceHour take whoever is closest to its next hour', async () => {
  for (const policy of ['Default', 'ClosestToNextInstanceHour']) {
    const aws = oneZone();
    const [first, second] = await launchedApart(aws, 2, 30 * 60_000);
    // The first is a few minutes into its second hour, the second almost through its first.
    await aws.clock.sleep(32 * 60_000 - 60_000);
    await update(aws, { TerminationPolicies: [policy] });
    const [survivor] = await left(aws, 1);
    const launchedAt = (id: string) => aws.simulator.world.instances[id]!.launchedAt;
    const toNextHour = (id: string) => 3_600_000 - ((aws.clock.now() - launchedAt(id)) % 3_600_000);
    const expected = toNextHour(first!) > toNextHour(second!) ? first : second;
    expect(survivor).toBe(expected);
  }
});

test('another launch template goes before an old version of the current one, and that before the newest', async () => {
  const aws = oneZone();
  const [fromOld] = ids(await groupOf(aws));
  const { ImageId } = await aws.ec2.send(new RegisterImageCommand({ Name: 'second' }));
  await aws.clock.sleep(5_000);
  const { LaunchTemplate } = await aws.ec2.send(
    new CreateLaunchTemplateCommand({ LaunchTemplateName: 'other', LaunchTemplateData: { ImageId } }),
  );
  const { LaunchTemplateId } = LaunchTemplate!;
  await aws.ec2.send(
    new CreateLaunchTemplateVersionCommand({
      LaunchTemplateId,
      SourceVersion: '1',
      LaunchTemplateData: { InstanceType: 't3.small' },
    }),
  );
  await update(aws, { LaunchTemplate: { LaunchTemplateId, Version: '1' }, DesiredCapacity: 2 });
  const first = ids(await settled(aws, 2)).find((id) => id !== fromOld)!;
  await update(aws, { LaunchTemplate: { LaunchTemplateId, Version: '2' }, DesiredCapacity: 3 });
  const second = ids(await settled(aws, 3)).find((id) => id !== fromOld && id !== first)!;
  await update(aws, { TerminationPolicies: ['OldestLaunchTemplate'] });
  expect((await left(aws, 2)).sort()).toEqual([first, second].sort());
  expect(await left(aws, 1)).toEqual([second]);
});

test.each<[string, string[], RegExp]>([
  ['unknown', ['Youngest'], /Invalid termination policy: Youngest/],
  ['by Lambda', ['arn:aws:lambda:eu-central-1:123456789012:function:choose:live'], /not simulated/],
  ['Default before others', ['Default', 'OldestInstance'], /must be the last/],
])('a termination policy %s is refused', async (_what, TerminationPolicies, message) => {
  await expect(update(inMemory(), { TerminationPolicies })).rejects.toThrow(message);
});

test('the fullest zone shrinks first, whatever the policy says', async () => {
  const aws = inMemory(exampleConfig({ groups: { 'web-a': { desired: 3, min: 0, max: 9, zones: 2 } } }));
  await update(aws, { TerminationPolicies: ['NewestInstance'] });
  const group = await groupOf(aws);
  const byZone = Map.groupBy(group.Instances!, ({ AvailabilityZone }) => AvailabilityZone);
  const full = [...byZone.values()].find((members) => members.length === 2)!;
  const remaining = await left(aws, 2);
  expect(full.filter(({ InstanceId }) => remaining.includes(InstanceId!))).toHaveLength(1);
});

test('a zone without capacity is made up for in the others, and evened out when it has some again', async () => {
  const aws = inMemory(exampleConfig({ groups: { 'web-a': { desired: 2, min: 1, max: 8, zones: 2 } } }));
  const [zone] = (await groupOf(aws)).AvailabilityZones!;
  injectFault(aws.simulator.world, { kind: 'no-capacity', zone, forMs: 300_000 });
  await setDesired(aws, 6);
  const group = await settled(aws, 6);
  const inZone = (instances: { AvailabilityZone?: string | undefined }[]) =>
    instances.filter(({ AvailabilityZone }) => AvailabilityZone === zone).length;
  expect(inZone(group.Instances!)).toBe(1);
  const failed = (await activities(aws)).filter(({ StatusCode }) => StatusCode === 'Failed');
  expect(failed[0]).toMatchObject({
    StatusMessage: expect.stringMatching(
      /^We currently do not have sufficient .* capacity .* Launching EC2 instance failed\.$/,
    ),
    Details: expect.stringContaining(zone!),
  });
  await eventually(
    aws.clock,
    'balance',
    async () => {
      const { Instances } = await groupOf(aws);
      return Instances!.length === 6 && inZone(Instances!) === 3;
    },
    { withinMs: 1_200_000, everyMs: 5_000 },
  );
});

test('a balanced-only group waits for the zone that has no capacity', async () => {
  const aws = inMemory(exampleConfig({ groups: { 'web-a': { desired: 2, min: 1, max: 8, zones: 2 } } }));
  const [zone] = (await groupOf(aws)).AvailabilityZones!;
  await update(aws, { AvailabilityZoneDistribution: { CapacityDistributionStrategy: 'balanced-only' } });
  injectFault(aws.simulator.world, { kind: 'no-capacity', zone, forMs: 300_000 });
  await setDesired(aws, 4);
  await aws.clock.sleep(240_000);
  expect(inService(await groupOf(aws))).toHaveLength(2);
  await settled(aws, 4);
});

test('instances in a zone taken from the group are replaced in the others before they go', async () => {
  const aws = inMemory(exampleConfig({ groups: { 'web-a': { desired: 4, min: 4, max: 4, zones: 2 } } }));
  const { VPCZoneIdentifier, AvailabilityZones } = await groupOf(aws);
  let fewest = 4;
  let most = 4;
  await update(aws, { VPCZoneIdentifier: VPCZoneIdentifier!.split(',')[1] });
  await eventually(
    aws.clock,
    'the move',
    async () => {
      const group = await groupOf(aws);
      fewest = Math.min(fewest, inService(group).length);
      most = Math.max(most, group.Instances!.filter((one) => !one.LifecycleState!.startsWith('Term')).length);
      return (
        inService(group).length === 4 &&
        group.Instances!.every(({ AvailabilityZone }) => AvailabilityZone === AvailabilityZones![1])
      );
    },
    { withinMs: 1_200_000 },
  );
  // "by a margin of 10 percent or one instance, whichever is greater"
  expect({ fewest, most }).toEqual({ fewest: 4, most: 5 });
});

/** The group under a mixed instances policy; its only instance so far is On-Demand. */
async function mixed(
  aws: InMemory,
  policy: Omit<MixedInstancesPolicy, 'LaunchTemplate'>,
  types: string[] = [],
) {
  const LaunchTemplateId = await templateOf(aws);
  await update(aws, {
    MixedInstancesPolicy: {
      ...policy,
      LaunchTemplate: {
        LaunchTemplateSpecification: { LaunchTemplateId, Version: '1' },
        Overrides: types.map((InstanceType) => ({ InstanceType })),
      },
    },
  });
}

async function markets({ ec2 }: InMemory, members: string[]): Promise<{ spot: number; onDemand: number }> {
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: members }));
  const instances = Reservations!.flatMap(({ Instances }) => Instances!);
  const spot = instances.filter(({ InstanceLifecycle }) => InstanceLifecycle === 'spot').length;
  return { spot, onDemand: instances.length - spot };
}

test('the base is On-Demand, the rest by percentage, and a fraction goes to On-Demand; shrinking keeps the shares', async () => {
  const aws = oneZone();
  await mixed(aws, {
    InstancesDistribution: { OnDemandBaseCapacity: 2, OnDemandPercentageAboveBaseCapacity: 25 },
  });
  const sharesAt = async (count: number) => {
    await setDesired(aws, count);
    return markets(aws, ids(await settled(aws, count)));
  };
  expect(await sharesAt(2)).toEqual({ onDemand: 2, spot: 0 });
  expect(await sharesAt(7)).toEqual({ onDemand: 4, spot: 3 });
  expect(await sharesAt(10)).toEqual({ onDemand: 4, spot: 6 });
  expect(await sharesAt(6)).toEqual({ onDemand: 3, spot: 3 });
  expect(await sharesAt(2)).toEqual({ onDemand: 2, spot: 0 });
});

test('a type without capacity is made up for by the next one, and types of low preference go first', async () => {
  const aws = oneZone();
  await mixed(aws, {}, ['c5.large', 'm5.large']);
  injectFault(aws.simulator.world, { kind: 'no-capacity', instanceType: 'c5.large', forMs: 60_000 });
  await setDesired(aws, 3);
  const types = async (count: number) =>
    (await settled(aws, count)).Instances!.map(({ InstanceType }) => InstanceType).sort();
  expect(await types(3)).toEqual(['m5.large', 'm5.large', 't3.micro']);
  await aws.clock.sleep(60_000);
  await setDesired(aws, 5);
  expect(await types(5)).toEqual(['c5.large', 'c5.large', 'm5.large', 'm5.large', 't3.micro']);
  await setDesired(aws, 2);
  expect(await types(2)).toEqual(['c5.large', 'c5.large']);
});

test('an override launches from the template of its own', async () => {
  const aws = oneZone();
  const LaunchTemplateId = await templateOf(aws);
  const { ImageId } = await aws.ec2.send(new RegisterImageCommand({ Name: 'arm' }));
  await aws.clock.sleep(5_000);
  const { LaunchTemplate } = await aws.ec2.send(
    new CreateLaunchTemplateCommand({ LaunchTemplateName: 'arm', LaunchTemplateData: { ImageId } }),
  );
  const own = { LaunchTemplateId: LaunchTemplate!.LaunchTemplateId, Version: '1' };
  await update(aws, {
    MixedInstancesPolicy: {
      LaunchTemplate: {
        LaunchTemplateSpecification: { LaunchTemplateId, Version: '1' },
        Overrides: [{ InstanceType: 'm6g.large', LaunchTemplateSpecification: own }],
      },
    },
    DesiredCapacity: 2,
  });
  const launched = (await settled(aws, 2)).Instances!.find(
    ({ InstanceType }) => InstanceType === 'm6g.large',
  );
  expect(launched!.LaunchTemplate).toMatchObject(own);
});

test('what this account cannot weigh or choose is refused rather than launched wrongly', async () => {
  const aws = inMemory();
  const LaunchTemplateId = await templateOf(aws);
  const create = (policy: Partial<MixedInstancesPolicy>, change: Partial<CreateAutoScalingGroupType> = {}) =>
    aws.scaling.send(
      new CreateAutoScalingGroupCommand({
        AutoScalingGroupName: 'mixed',
        MinSize: 0,
        MaxSize: 1,
        AvailabilityZones: ['eu-central-1a'],
        MixedInstancesPolicy: {
          LaunchTemplate: { LaunchTemplateSpecification: { LaunchTemplateId }, Overrides: [] },
          ...policy,
        },
        ...change,
      }),
    );
  const overridden = (override: object) => ({
    LaunchTemplate: { LaunchTemplateSpecification: { LaunchTemplateId }, Overrides: [override] },
  });
  await expect(create(overridden({ WeightedCapacity: '2' }))).rejects.toThrow(
    'WeightedCapacity is not simulated',
  );
  await expect(
    create(overridden({ InstanceRequirements: { VCpuCount: { Min: 1 }, MemoryMiB: { Min: 1 } } })),
  ).rejects.toThrow('InstanceRequirements are not simulated');
  const distribution = (InstancesDistribution: object) => create({ InstancesDistribution });
  await expect(distribution({ OnDemandPercentageAboveBaseCapacity: 101 })).rejects.toThrow(
    'between 0 and 100',
  );
  await expect(distribution({ OnDemandBaseCapacity: -1 })).rejects.toThrow('greater than or equal to 0');
  await expect(
    create(
      {},
      { AvailabilityZoneDistribution: { CapacityDistributionStrategy: 'reservations-then-balanced' } },
    ),
  ).rejects.toThrow('not simulated');
});
