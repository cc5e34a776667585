import { describe, expect, test } from 'vitest';
import { behaviourTag, probe } from '../../pipeline/simulator/model/behaviour.ts';
import { ServiceError } from '../../pipeline/simulator/model/errors.ts';
import type { Behaviour } from '../../pipeline/simulator/model/fault.ts';
import { setDesired } from '../../pipeline/simulator/model/groups.ts';
import { launch } from '../../pipeline/simulator/model/instances.ts';
import { dimensionOf, metricOf } from '../../pipeline/simulator/model/metrics.ts';
import { type InMemory, inMemory } from './clients.ts';

function pass(aws: InMemory, ms: number): void {
  aws.clock.skip(ms);
  aws.simulator.advance();
}

const imageOf = ({ simulator }: InMemory) =>
  Object.values(simulator.world.images).find(({ name }) => name === 'drover-initial')!;

const launchOne = ({ simulator: { world } }: InMemory, imageId: string) =>
  launch(world, {
    imageId,
    instanceType: 't3.micro',
    subnetId: world.subnets[0]!.id,
    groupName: null,
    spot: false,
    keyName: null,
    securityGroupIds: [],
    devices: [],
    userData: null,
    shutdownBehavior: 'stop',
    tags: {},
    volumeTags: {},
  });

/** Has instances of the account's image behave so from now on, and launches `count` of them. */
function launched(aws: InMemory, behaviour: Behaviour, count = 1) {
  imageOf(aws).behaviour = behaviour;
  return Array.from({ length: count }, () => launchOne(aws, imageOf(aws).id));
}

describe('how instances behave', () => {
  test('one that boots slowly works within the time it was given, each at its own', () => {
    const aws = inMemory();
    const instances = launched(aws, { kind: 'boots-slowly', ready: { fromMs: 60_000, toMs: 120_000 } }, 20);
    expect(new Set(instances.map(({ conduct }) => conduct.readyAfterMs)).size).toBeGreaterThan(10);
    pass(aws, 3_000 + 59_999);
    expect(instances.every(({ checks }) => checks === 'initializing')).toBe(true);
    pass(aws, 60_001);
    expect(instances.every(({ checks }) => checks === 'ok')).toBe(true);
  });

  test('one that leaks works at first and fails within the time it was given, each at its own', () => {
    const aws = inMemory();
    const instances = launched(aws, { kind: 'leaks', fails: { fromMs: 100_000, toMs: 200_000 } }, 20);
    pass(aws, 3_000 + 99_999);
    expect(instances.every(({ checks }) => checks === 'ok')).toBe(true);
    pass(aws, 50_000);
    expect(new Set(instances.map(({ checks }) => checks))).toEqual(new Set(['ok', 'impaired']));
    pass(aws, 50_001);
    expect(instances.every(({ checks }) => checks === 'impaired')).toBe(true);
  });

  test('the same seed draws the same times', () => {
    const times = (seed: number) => {
      const aws = inMemory();
      aws.simulator.world.seed = seed;
      return launched(aws, { kind: 'leaks', fails: { fromMs: 0, toMs: 1e9 } }, 5).map(
        ({ conduct }) => conduct.failsAfterMs,
      );
    };
    expect(times(3)).toEqual(times(3));
    expect(times(3)).not.toEqual(times(4));
  });

  test('an image says by its tag how it behaves; a tag that says nothing fails the launch', () => {
    const aws = inMemory();
    const image = imageOf(aws);
    image.tags[behaviourTag] = '{"kind":"serves-errors","rate":0.5}';
    expect(launchOne(aws, image.id).conduct.errorRate).toBe(0.5);
    image.tags[behaviourTag] = 'badly';
    expect(() => launchOne(aws, image.id)).toThrow(ServiceError);
    expect(() => launchOne(aws, image.id)).toThrow(new RegExp(`${behaviourTag} of ${image.id}`));
  });
});

describe('what a probe of an instance finds', () => {
  const shareOfErrors = (aws: InMemory, behaviour: Behaviour) => {
    const [instance] = launched(aws, behaviour);
    pass(aws, 60_000);
    let errors = 0;
    for (let request = 0; request < 2_000; request += 1) {
      pass(aws, 10);
      if (probe(aws.simulator.world, instance!).status === 500) errors += 1;
    }
    return errors / 2_000;
  };

  test('errors at the rate of the image', () => {
    const share = shareOfErrors(inMemory(), { kind: 'serves-errors', rate: 0.1 });
    expect(share).toBeGreaterThan(0.07);
    expect(share).toBeLessThan(0.13);
  });

  test('503 while it boots and after it failed, 200 in between', () => {
    const aws = inMemory();
    const [instance] = launched(aws, { kind: 'unhealthy', failsAfterMs: 60_000 });
    const status = () => probe(aws.simulator.world, instance!).status;
    expect(status()).toBe(503);
    pass(aws, 10_000);
    expect(status()).toBe(200);
    pass(aws, 60_000);
    expect(status()).toBe(503);
  });
});

describe('metrics', () => {
  const world = ({ simulator }: InMemory) => simulator.world;
  const targetGroupOf = (aws: InMemory) =>
    world(aws).targetGroups[world(aws).groups['web-a']!.targetGroupArns[0]!]!;
  const count = (aws: InMemory, name: string, dimensions = {}) =>
    metricOf(
      world(aws),
      {
        namespace: 'AWS/ApplicationELB',
        name,
        dimensions: { TargetGroup: dimensionOf(targetGroupOf(aws).arn), ...dimensions },
      },
      60_000,
    );

  test('the dimensions are written as CloudWatch writes them', () => {
    const { arn, loadBalancerArns } = targetGroupOf(inMemory());
    expect(dimensionOf(arn)).toMatch(/^targetgroup\/web-a-targets\/[0-9a-f]{16}$/);
    expect(dimensionOf(loadBalancerArns[0]!)).toMatch(/^app\/web-a-targets\/[0-9a-f]{16}$/);
  });

  test('healthy targets share the requests, and nothing is reported of errors that do not happen', () => {
    const aws = inMemory();
    expect(count(aws, 'RequestCount')!.sum).toBe(6_000);
    expect(count(aws, 'RequestCount', { AvailabilityZone: 'eu-central-1a' })!.sum).toBe(2_000);
    expect(count(aws, 'HTTPCode_Target_5XX_Count')).toBeNull();
    expect(count(aws, 'HealthyHostCount')).toMatchObject({ average: 3, maximum: 3 });
  });

  test('one instance of four that serves errors at 8 % makes 2 % of the group’s requests fail', () => {
    const aws = inMemory();
    imageOf(aws).behaviour = { kind: 'serves-errors', rate: 0.08 };
    setDesired(world(aws), world(aws).groups['web-a']!, 4);
    pass(aws, 60_000);
    expect(count(aws, 'HTTPCode_Target_5XX_Count')!.sum).toBe(120);
    expect(count(aws, 'HTTPCode_Target_2XX_Count')!.sum).toBe(5_880);
  });

  test('of a group: its sizes, and the status checks of its instances', () => {
    const aws = inMemory();
    const of = (namespace: string, name: string) =>
      metricOf(world(aws), { namespace, name, dimensions: { AutoScalingGroupName: 'web-a' } }, 60_000);
    expect(of('AWS/AutoScaling', 'GroupInServiceInstances')!.average).toBe(3);
    expect(of('AWS/EC2', 'StatusCheckFailed')).toMatchObject({ samples: 3, maximum: 0 });
    const [id] = Object.keys(world(aws).groups['web-a']!.members);
    world(aws).instances[id!]!.checks = 'impaired';
    expect(of('AWS/EC2', 'StatusCheckFailed')).toMatchObject({ samples: 3, sum: 1, maximum: 1 });
  });

  test('what is not known has no data', () => {
    const aws = inMemory();
    expect(count(aws, 'Happiness')).toBeNull();
    expect(count(aws, 'RequestCount', { TargetGroup: 'targetgroup/none/0' })).toBeNull();
    expect(metricOf(world(aws), { namespace: 'Mine', name: 'X', dimensions: {} }, 60_000)).toBeNull();
  });
});
