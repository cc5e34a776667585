import { DescribeAutoScalingGroupsCommand, SetDesiredCapacityCommand } from '@aws-sdk/client-auto-scaling';
import { DescribeInstancesCommand, RegisterImageCommand } from '@aws-sdk/client-ec2';
import { describe, expect, test } from 'vitest';
import { Refused } from '../../pipeline/errors.ts';
import { activitiesOf } from '../../pipeline/simulator/model/activities.ts';
import { type FaultOrder, readFault } from '../../pipeline/simulator/model/fault.ts';
import { clearFaults, injectFault } from '../../pipeline/simulator/model/faults.ts';
import { setDesired } from '../../pipeline/simulator/model/groups.ts';
import { reboot, start, stop } from '../../pipeline/simulator/model/instances.ts';
import type { Instance } from '../../pipeline/simulator/model/state.ts';
import { type InMemory, inMemory } from './clients.ts';

const inject = (aws: InMemory, order: FaultOrder) => injectFault(aws.simulator.world, order);
const groupIn = (aws: InMemory, name = 'web-a') => aws.simulator.world.groups[name]!;
const instancesOf = (aws: InMemory, name = 'web-a'): Instance[] =>
  Object.keys(groupIn(aws, name).members).map((id) => aws.simulator.world.instances[id]!);

/** Lets time pass, event by event. */
function pass(aws: InMemory, ms: number): void {
  aws.clock.skip(ms);
  aws.simulator.advance();
}

const describeGroup = (aws: InMemory) =>
  aws.scaling.send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['web-a'] }));

describe('the vocabulary', () => {
  test.each([
    [{ kind: 'unhealty' }, /kind/],
    [{ kind: 'leaks', fails: { fromMs: 2, toMs: 1 } }, /fromMs must not be greater than toMs/],
    [{ kind: 'serves-errors', rate: 2 }, /rate/],
    [{ kind: 'unhealthy', imageId: 'my image' }, /imageId/],
    [{ kind: 'denied' }, /operation/],
    [{ kind: 'throttled', colour: 'red' }, /colour/],
    ['unhealthy', /expected object/],
  ])('%j is refused, and the refusal says why', (order, reason) => {
    expect(() => readFault(order)).toThrow(Refused);
    expect(() => readFault(order)).toThrow(reason);
  });

  test('a world with faults of every state survives being saved', () => {
    const aws = inMemory();
    inject(aws, { kind: 'throttled', when: { calls: 2 } });
    inject(aws, { kind: 'unhealthy' });
    inject(aws, { kind: 'clock-jump', byMs: 5 });
    const { world } = aws.simulator;
    expect(JSON.parse(JSON.stringify(world))).toEqual(world);
  });
});

describe('when a fault comes into force', () => {
  const stateOf = (aws: InMemory) => aws.simulator.world.faults[0]!.state;

  test('at a time', () => {
    const aws = inMemory();
    inject(aws, { kind: 'throttled', when: { atMs: aws.clock.now() + 60_000 } });
    pass(aws, 59_999);
    expect(stateOf(aws)).toBe('waiting');
    pass(aws, 1);
    expect(stateOf(aws)).toBe('in force');
  });

  test('after a delay, and for as long as it says', async () => {
    const aws = inMemory();
    inject(aws, { kind: 'throttled', when: { afterMs: 1_000 }, forMs: 5_000 });
    await expect(describeGroup(aws)).resolves.toBeDefined();
    pass(aws, 1_000);
    await expect(describeGroup(aws)).rejects.toMatchObject({ name: 'Throttling' });
    pass(aws, 5_000);
    await expect(describeGroup(aws)).resolves.toBeDefined();
  });

  test('with the nth matching call, which is hit itself', async () => {
    const aws = inMemory();
    const operation = 'autoscaling:Describe*';
    inject(aws, { kind: 'server-error', operation, when: { calls: 2, operation } });
    await aws.ec2.send(new DescribeInstancesCommand({}));
    await expect(describeGroup(aws)).resolves.toBeDefined();
    await expect(describeGroup(aws)).rejects.toMatchObject({ name: 'InternalFailure' });
  });

  test('after the nth event of a kind', () => {
    const aws = inMemory();
    inject(aws, { kind: 'throttled', when: { events: 2, event: 'instance.running' } });
    setDesired(aws.simulator.world, groupIn(aws), 4);
    pass(aws, 30_000);
    expect(stateOf(aws)).toBe('waiting');
    setDesired(aws.simulator.world, groupIn(aws), 5);
    pass(aws, 30_000);
    expect(stateOf(aws)).toBe('in force');
  });
});

describe('faults of the API', () => {
  test.each([
    { kind: 'throttled', ec2: 'RequestLimitExceeded', scaling: 'Throttling' },
    { kind: 'server-error', ec2: 'InternalError', scaling: 'InternalFailure' },
    { kind: 'denied', ec2: 'UnauthorizedOperation', scaling: 'AccessDenied' },
  ] as const)(
    '$kind is said in the words of each service, and nothing is done',
    async ({ kind, ...words }) => {
      const aws = inMemory();
      inject(aws, { kind, operation: '*' });
      const before = Object.keys(aws.simulator.world.images);
      await expect(aws.ec2.send(new RegisterImageCommand({ Name: 'x' }))).rejects.toMatchObject({
        name: words.ec2,
      });
      expect(Object.keys(aws.simulator.world.images)).toEqual(before);
      await expect(describeGroup(aws)).rejects.toMatchObject({ name: words.scaling });
    },
  );

  test('a count bounds how often it happens', async () => {
    const aws = inMemory();
    inject(aws, { kind: 'throttled', count: 2 });
    await expect(describeGroup(aws)).rejects.toThrow();
    await expect(describeGroup(aws)).rejects.toThrow();
    await expect(describeGroup(aws)).resolves.toBeDefined();
    expect(aws.simulator.world.faults[0]).toMatchObject({ state: 'over', happened: 2 });
  });

  test('a rate hits that share of the calls, and the same ones for the same seed', async () => {
    const hits = async (seed: number): Promise<boolean[]> => {
      const aws = inMemory();
      aws.simulator.world.seed = seed;
      inject(aws, { kind: 'throttled', rate: 0.3 });
      const results: boolean[] = [];
      for (let call = 0; call < 200; call += 1) {
        results.push(
          await describeGroup(aws).then(
            () => false,
            () => true,
          ),
        );
      }
      return results;
    };
    const first = await hits(7);
    expect(first.filter(Boolean).length).toBeGreaterThan(35);
    expect(first.filter(Boolean).length).toBeLessThan(85);
    expect(await hits(7)).toEqual(first);
    expect(await hits(8)).not.toEqual(first);
  });

  test.each(['lost-response', 'timeout'] as const)(
    'after a %s the client knows nothing, but the call was carried out',
    async (kind) => {
      const aws = inMemory();
      inject(aws, { kind, operation: 'autoscaling:SetDesiredCapacity' });
      await expect(
        aws.scaling.send(
          new SetDesiredCapacityCommand({ AutoScalingGroupName: 'web-a', DesiredCapacity: 5 }),
        ),
      ).rejects.toMatchObject(kind === 'timeout' ? { name: 'TimeoutError' } : { code: 'ECONNRESET' });
      expect(groupIn(aws).desired).toBe(5);
    },
  );
});

describe('faults of the cloud', () => {
  test('without capacity in a zone launches fail there with AWS’s words, until as many were refused as it says', () => {
    const aws = inMemory();
    const { world } = aws.simulator;
    inject(aws, { kind: 'no-capacity', count: 2 });
    setDesired(world, groupIn(aws), 4);
    pass(aws, 60_000);
    const failed = activitiesOf(world, 'web-a').filter(({ status }) => status === 'Failed');
    expect(failed.map(({ message }) => message)).toEqual([
      expect.stringContaining('do not have sufficient'),
      expect.stringContaining('do not have sufficient'),
    ]);
    expect(instancesOf(aws)).toHaveLength(4);
  });

  test('a spot interruption is recommended, announced two minutes before, and replaced by the group', () => {
    const aws = inMemory();
    const { world } = aws.simulator;
    inject(aws, { kind: 'spot-interruption', group: 'web-a', recommendedMs: 60_000 });
    const victim = instancesOf(aws).find(({ interruption }) => interruption)!;
    expect(instancesOf(aws).filter(({ interruption }) => interruption)).toEqual([victim]);
    expect(victim.interruption!.endsAt).toBeNull();
    pass(aws, 60_000);
    expect(victim.interruption!.endsAt).toBe(world.now + 120_000);
    pass(aws, 119_000);
    expect(victim.state).toBe('running');
    pass(aws, 1_000);
    expect(victim.state).toBe('shutting-down');
    expect(victim.stateReason!.code).toBe('Server.SpotInstanceTermination');
    pass(aws, 120_000);
    expect(instancesOf(aws)).toHaveLength(3);
    expect(instancesOf(aws)).not.toContain(victim);
  });

  test('of a group with spot instances only those are interrupted', () => {
    const aws = inMemory();
    const [, bought] = instancesOf(aws);
    bought!.spot = true;
    groupIn(aws).members[bought!.id]!.spot = true;
    inject(aws, { kind: 'spot-interruption', group: 'web-a', count: 3 });
    expect(instancesOf(aws).filter(({ interruption }) => interruption)).toEqual([bought]);
  });

  test('an instance dies some time after its checks passed: the software at first, the machine if so ordered', () => {
    const aws = inMemory();
    groupIn(aws).suspended.ReplaceUnhealthy = 'so that it can be looked at';
    inject(aws, { kind: 'death', group: 'web-a', afterMs: 10_000 });
    inject(aws, { kind: 'death', group: 'batch', of: 'machine' });
    pass(aws, 9_999);
    expect(instancesOf(aws).map(({ checks }) => checks)).toEqual(['ok', 'ok', 'ok']);
    pass(aws, 1);
    expect(
      instancesOf(aws)
        .map(({ checks }) => checks)
        .sort(),
    ).toEqual(['impaired', 'ok', 'ok']);
    const targets = Object.values(
      aws.simulator.world.targetGroups[groupIn(aws).targetGroupArns[0]!]!.targets,
    );
    pass(aws, 6_000);
    expect(targets.filter(({ state }) => state === 'unhealthy')).toHaveLength(1);
    expect(
      Object.values(aws.simulator.world.instances).map(({ stateReason }) => stateReason?.code),
    ).toContain('Server.InternalError');
  });

  test.each([
    ['software', 'a minute after its reboot', 60_000],
    ['software', 'before it is ready again', 100],
    ['machine', 'a minute after its reboot', 60_000],
  ] as const)('a reboot does not save an instance whose %s was ordered to fail, %s', (of, _when, afterMs) => {
    const aws = inMemory();
    const { world } = aws.simulator;
    const [instance] = instancesOf(aws);
    groupIn(aws).suspended.ReplaceUnhealthy = 'so that it can be looked at';
    inject(aws, { kind: 'death', group: 'web-a', count: 3, afterMs: 1_000 + afterMs, of });
    pass(aws, 1_000);
    reboot(world, instance!);
    pass(aws, afterMs - 1);
    expect(instance!.state).toBe('running');
    pass(aws, 90_000);
    const { checks, state } = instance!;
    expect(of === 'machine' ? state : checks).toBe(of === 'machine' ? 'terminated' : 'impaired');
  });
  test('another machine, after a stop and a start, does not fail in the place of the first', () => {
    const aws = inMemory();
    const { world } = aws.simulator;
    const instance = instancesOf(aws)[0]!;
    groupIn(aws).suspended.ReplaceUnhealthy = 'so that it can be looked at';
    inject(aws, { kind: 'death', group: 'web-a', count: 3, afterMs: 60_000, of: 'machine' });
    stop(world, instance);
    pass(aws, 30_000);
    start(world, instance);
    pass(aws, 60_000);
    expect(instance).toMatchObject({ state: 'running', checks: 'ok' });
  });

  test('a death that finds nobody waits for the first instance of the image', () => {
    const aws = inMemory();
    const { world } = aws.simulator;
    inject(aws, { kind: 'death', group: 'web-a', count: 4 });
    pass(aws, 1);
    expect(world.faults[0]).toMatchObject({ left: 1, happened: 3 });
    setDesired(world, groupIn(aws), 4);
    pass(aws, 30_000);
    expect(world.faults[0]).toMatchObject({ state: 'over', happened: 4 });
  });

  test('a slow drain keeps its target draining, and Auto Scaling waiting', () => {
    const aws = inMemory();
    const { world } = aws.simulator;
    inject(aws, { kind: 'slow-drain', group: 'web-a', drainMs: 600_000 });
    setDesired(world, groupIn(aws), 2);
    pass(aws, 599_000);
    expect(instancesOf(aws)).toHaveLength(3);
    pass(aws, 30_000);
    expect(instancesOf(aws)).toHaveLength(2);
  });

  test('a person changes a group; what AWS would refuse is noted, not done', () => {
    const aws = inMemory();
    inject(aws, { kind: 'changed-group', group: 'web-a', max: 9, desired: 8, when: { afterMs: 1_000 } });
    inject(aws, { kind: 'changed-group', group: 'web-a', desired: 99, when: { afterMs: 2_000 } });
    inject(aws, { kind: 'changed-group', group: 'web-a', version: '7', when: { afterMs: 2_000 } });
    pass(aws, 2_000);
    expect(groupIn(aws)).toMatchObject({ max: 9, desired: 8, template: { version: '1' } });
    expect(aws.simulator.world.faults.map(({ state, failure }) => [state, failure])).toEqual([
      ['over', null],
      ['over', expect.stringContaining('ValidationError: Desired capacity:99')],
      ['over', expect.stringContaining('launch template')],
    ]);
  });

  test('faults that are taken back do nothing any more', async () => {
    const aws = inMemory();
    inject(aws, { kind: 'throttled' });
    inject(aws, { kind: 'changed-group', group: 'web-a', desired: 5, when: { afterMs: 1_000 } });
    clearFaults(aws.simulator.world);
    pass(aws, 2_000);
    await expect(describeGroup(aws)).resolves.toBeDefined();
    expect(groupIn(aws).desired).toBe(3);
  });
});
