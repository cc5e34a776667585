import {
  CreateTargetGroupCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
  ModifyTargetGroupCommand,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { expect, test } from 'vitest';
import type { Behaviour } from '../../pipeline/simulator/model/fault.ts';
import { launch, reboot, start, stop } from '../../pipeline/simulator/model/instances.ts';
import { type InMemory, inMemory } from './clients.ts';

function pass(aws: InMemory, ms: number): void {
  aws.clock.skip(ms);
  aws.simulator.advance();
}

/** A running instance that behaves so, registered the moment it runs with a target group checked every 10 s. */
async function registered(aws: InMemory, behaviour: Behaviour | null, settings: object = {}) {
  const { world } = aws.simulator;
  const image = Object.values(world.images).find(({ name }) => name === 'drover-initial')!;
  image.behaviour = behaviour;
  const instance = launch(world, {
    imageId: image.id,
    instanceType: 't3.micro',
    subnetId: world.subnets[0]!.id,
    groupName: null,
    keyName: null,
    securityGroupIds: [],
    devices: [],
    userData: null,
    shutdownBehavior: 'stop',
    spot: false,
    tags: {},
    volumeTags: {},
  });
  const { TargetGroups } = await aws.balancing.send(
    new CreateTargetGroupCommand({
      Name: 'app',
      Port: 80,
      Protocol: 'HTTP',
      HealthCheckIntervalSeconds: 10,
      HealthyThresholdCount: 3,
      UnhealthyThresholdCount: 2,
      ...settings,
    }),
  );
  const TargetGroupArn = TargetGroups![0]!.TargetGroupArn!;
  pass(aws, 3_000);
  await aws.balancing.send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [{ Id: instance.id }] }));
  const health = async (): Promise<string> => {
    const { TargetHealthDescriptions } = await aws.balancing.send(
      new DescribeTargetHealthCommand({ TargetGroupArn }),
    );
    const { State, Reason } = TargetHealthDescriptions![0]!.TargetHealth!;
    return Reason === undefined ? State! : `${State} ${Reason}`;
  };
  /** What a client sees at the given seconds after the registration. */
  let atSecond = 0;
  const at = async (...seconds: number[]): Promise<string[]> => {
    const seen: string[] = [];
    for (const second of seconds) {
      pass(aws, (second - atSecond) * 1_000);
      atSecond = second;
      seen.push(await health());
    }
    return seen;
  };
  return { instance, TargetGroupArn, at };
}

test('the first check that passes makes a target healthy', async () => {
  const { at } = await registered(inMemory(), null);
  expect(await at(0, 9, 10, 1_000)).toEqual([
    'initial Elb.RegistrationInProgress',
    'initial Elb.RegistrationInProgress',
    'healthy',
    'healthy',
  ]);
});

test('software that starts slowly is unhealthy at its second check, and healthy after so many in a row', async () => {
  const ready = { fromMs: 25_000, toMs: 25_000 };
  const { at } = await registered(inMemory(), { kind: 'boots-slowly', ready });
  expect(await at(10, 20, 30, 49, 50)).toEqual([
    'initial Elb.InitialHealthChecking',
    'unhealthy Target.ResponseCodeMismatch',
    'unhealthy Target.ResponseCodeMismatch',
    'unhealthy Target.ResponseCodeMismatch',
    'healthy',
  ]);
});

test('software that never starts answers no check', async () => {
  const { at } = await registered(inMemory(), { kind: 'never-boots' });
  expect(await at(19, 20, 3_600)).toEqual([
    'initial Elb.InitialHealthChecking',
    'unhealthy Target.Timeout',
    'unhealthy Target.Timeout',
  ]);
});

test('software that fails is found out by the second check after that', async () => {
  const { at } = await registered(inMemory(), { kind: 'unhealthy', failsAfterMs: 95_000 });
  expect(await at(90, 109, 110)).toEqual(['healthy', 'healthy', 'unhealthy Target.ResponseCodeMismatch']);
});

test('a stopped target is unused; started again it begins anew', async () => {
  const aws = inMemory();
  const { at, instance } = await registered(aws, null);
  await at(10);
  stop(aws.simulator.world, instance);
  expect(await at(11, 20)).toEqual(['unused Target.InvalidState', 'unused Target.InvalidState']);
  start(aws.simulator.world, instance);
  expect(await at(23, 33)).toEqual(['initial Elb.RegistrationInProgress', 'healthy']);
});

test('a reboot shorter than the checks goes unnoticed; its status checks begin anew', async () => {
  const aws = inMemory();
  const { at, instance } = await registered(aws, null);
  await at(11);
  reboot(aws.simulator.world, instance);
  pass(aws, 0);
  expect([instance.state, instance.checks]).toEqual(['running', 'initializing']);
  expect(await at(13, 20, 40)).toEqual(['healthy', 'healthy', 'healthy']);
  expect(instance.checks).toBe('ok');
});

test('health check settings can be changed, are reported, and count from then on', async () => {
  const aws = inMemory();
  const { at, TargetGroupArn } = await registered(aws, { kind: 'unhealthy', failsAfterMs: 95_000 });
  await at(90);
  await aws.balancing.send(
    new ModifyTargetGroupCommand({
      TargetGroupArn,
      UnhealthyThresholdCount: 5,
      HealthCheckPath: '/ready',
      Matcher: { HttpCode: '200-299' },
    }),
  );
  expect(await at(139, 140)).toEqual(['healthy', 'unhealthy Target.ResponseCodeMismatch']);
  const { TargetGroups } = await aws.balancing.send(
    new DescribeTargetGroupsCommand({ TargetGroupArns: [TargetGroupArn] }),
  );
  expect(TargetGroups![0]).toMatchObject({
    HealthCheckIntervalSeconds: 10,
    HealthyThresholdCount: 3,
    UnhealthyThresholdCount: 5,
    HealthCheckPath: '/ready',
    Matcher: { HttpCode: '200-299' },
  });
});

test.each([
  { HealthCheckIntervalSeconds: 4 },
  { HealthyThresholdCount: 1 },
  { UnhealthyThresholdCount: 11 },
  { HealthCheckIntervalSeconds: 10, HealthCheckTimeoutSeconds: 10 },
])('settings AWS does not allow are refused: %j', async (settings) => {
  const { balancing } = inMemory();
  await expect(
    balancing.send(new CreateTargetGroupCommand({ Name: 'bad', ...settings })),
  ).rejects.toMatchObject({ name: 'ValidationError' });
});

test('a target group without a load balancer uses none of its targets', async () => {
  const aws = inMemory();
  const { at, TargetGroupArn } = await registered(aws, null);
  aws.simulator.world.targetGroups[TargetGroupArn]!.loadBalancerArns = [];
  expect(await at(30)).toEqual(['unused Target.NotInUse']);
});

test('target groups come in pages, each once', async () => {
  const { balancing } = inMemory();
  for (const Name of ['e', 'b', 'd', 'a', 'c']) await balancing.send(new CreateTargetGroupCommand({ Name }));
  const pages: string[][] = [];
  for (let Marker: string | undefined, first = true; first || Marker; first = false) {
    const page = await balancing.send(new DescribeTargetGroupsCommand({ PageSize: 3, Marker }));
    pages.push(page.TargetGroups!.map(({ TargetGroupName }) => TargetGroupName!));
    Marker = page.NextMarker;
  }
  expect(pages).toEqual([['a', 'b', 'c'], ['d', 'e', 'web-a-targets'], ['web-staging-targets']]);
});
