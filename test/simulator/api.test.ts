import { DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import {
  CreateLaunchTemplateCommand,
  CreateLaunchTemplateVersionCommand,
  DescribeImagesCommand,
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplateVersionsCommand,
  RegisterImageCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import {
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FaultOrder } from '../../pipeline/simulator/model/fault.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { type InMemory, inMemory } from './clients.ts';

const inject = (aws: InMemory, order: FaultOrder) => injectFault(aws.simulator.world, order);

const initialImage = ({ simulator }: InMemory): string =>
  Object.values(simulator.world.images).find(({ name }) => name === 'drover-initial')!.id;

const run = (aws: InMemory, change: object = {}) =>
  aws.ec2.send(new RunInstancesCommand({ ImageId: initialImage(aws), MinCount: 1, MaxCount: 1, ...change }));

/** How many of so many calls at once are answered. */
async function answered(times: number, call: () => Promise<unknown>): Promise<number> {
  const results = await Promise.allSettled(Array.from({ length: times }, call));
  return results.filter(({ status }) => status === 'fulfilled').length;
}

describe('request limits', () => {
  test('do not exist unless they are ordered', async () => {
    const aws = inMemory();
    expect(await answered(200, () => aws.ec2.send(new DescribeInstancesCommand({})))).toBe(200);
  });

  test('each EC2 action has a bucket of its own; reads of everything have a smaller one', async () => {
    const aws = inMemory();
    inject(aws, { kind: 'rate-limits' });
    expect(await answered(60, () => aws.ec2.send(new DescribeInstancesCommand({})))).toBe(50);
    expect(await answered(110, () => aws.ec2.send(new DescribeInstancesCommand({ MaxResults: 5 })))).toBe(
      100,
    );
    expect(await answered(110, () => aws.ec2.send(new DescribeImagesCommand({})))).toBe(100);
    await expect(aws.ec2.send(new DescribeImagesCommand({}))).rejects.toMatchObject({
      name: 'RequestLimitExceeded',
      $metadata: { httpStatusCode: 503 },
    });
    expect(aws.simulator.world.faults[0]!.happened).toBe(10 + 10 + 10 + 1);
  });

  test('buckets refill with time, up to what they hold', async () => {
    const aws = inMemory();
    inject(aws, { kind: 'rate-limits' });
    const read = () => aws.ec2.send(new DescribeInstancesCommand({}));
    await answered(50, read);
    aws.clock.skip(1_500);
    expect(await answered(20, read)).toBe(15);
    aws.clock.skip(3_600_000);
    expect(await answered(60, read)).toBe(50);
  });

  test('launches also take a token for each instance', async () => {
    const aws = inMemory();
    inject(aws, { kind: 'rate-limits' });
    await run(aws, { MaxCount: 999 });
    await expect(run(aws, { MaxCount: 2 })).rejects.toMatchObject({ name: 'RequestLimitExceeded' });
    await expect(run(aws)).resolves.toBeDefined();
  });

  test('load balancing counts all reads together', async () => {
    const aws = inMemory();
    inject(aws, { kind: 'rate-limits' });
    const { TargetGroups } = await aws.balancing.send(new DescribeTargetGroupsCommand({}));
    const TargetGroupArn = TargetGroups![0]!.TargetGroupArn!;
    const health = () => aws.balancing.send(new DescribeTargetHealthCommand({ TargetGroupArn }));
    expect(await answered(60, health)).toBe(39);
    await expect(health()).rejects.toMatchObject({ name: 'Throttling' });
  });
});

describe('eventual consistency', () => {
  const late = { kind: 'late-reads', delay: { fromMs: 2_000, toMs: 2_000 } } as const;

  test('a new instance is not there, by id nor in a list, until reads know of it', async () => {
    const aws = inMemory();
    const before = Object.keys(aws.simulator.world.instances).length;
    inject(aws, late);
    const id = (await run(aws)).Instances![0]!.InstanceId!;
    const byId = () => aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    const status = () =>
      aws.ec2.send(new DescribeInstanceStatusCommand({ InstanceIds: [id], IncludeAllInstances: true }));
    const notFound = { name: 'InvalidInstanceID.NotFound' };
    await expect(byId()).rejects.toMatchObject(notFound);
    await expect(status()).rejects.toMatchObject(notFound);
    await expect(aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))).rejects.toMatchObject(
      notFound,
    );
    expect((await aws.ec2.send(new DescribeInstancesCommand({}))).Reservations).toHaveLength(before);
    aws.clock.skip(2_000);
    await expect(byId()).resolves.toBeDefined();
    expect((await aws.ec2.send(new DescribeInstancesCommand({}))).Reservations).toHaveLength(before + 1);
  });

  test('so with an image', async () => {
    const aws = inMemory();
    inject(aws, late);
    const { ImageId } = await aws.ec2.send(new RegisterImageCommand({ Name: 'new' }));
    const read = () => aws.ec2.send(new DescribeImagesCommand({ ImageIds: [ImageId!] }));
    await expect(read()).rejects.toMatchObject({ name: 'InvalidAMIID.NotFound' });
    aws.clock.skip(2_000);
    await expect(read()).resolves.toBeDefined();
  });

  test('so with a template, and $Latest stays behind until its newest version is known', async () => {
    const aws = inMemory();
    inject(aws, late);
    const create = { LaunchTemplateName: 'app', LaunchTemplateData: { ImageId: 'ami-1' } };
    await aws.ec2.send(new CreateLaunchTemplateCommand(create));
    const read = async (version: string) =>
      (
        await aws.ec2.send(
          new DescribeLaunchTemplateVersionsCommand({ LaunchTemplateName: 'app', Versions: [version] }),
        )
      ).LaunchTemplateVersions!.map(({ VersionNumber }) => VersionNumber);
    await expect(read('1')).rejects.toMatchObject({ name: 'InvalidLaunchTemplateName.NotFoundException' });
    aws.clock.skip(2_000);
    await aws.ec2.send(new CreateLaunchTemplateVersionCommand(create));
    expect(await read('$Latest')).toEqual([1]);
    await expect(read('2')).rejects.toMatchObject({ name: 'InvalidLaunchTemplateId.VersionNotFound' });
    aws.clock.skip(2_000);
    expect(await read('$Latest')).toEqual([2]);
  });

  test('each thing becomes known in its own time', async () => {
    const aws = inMemory();
    inject(aws, { kind: 'late-reads', delay: { fromMs: 0, toMs: 10_000 } });
    const before = Object.keys(aws.simulator.world.instances).length;
    await run(aws, { MaxCount: 30 });
    const known = async () =>
      (await aws.ec2.send(new DescribeInstancesCommand({}))).Reservations!.flatMap(
        ({ Instances }) => Instances!,
      ).length - before;
    aws.clock.skip(5_000);
    const half = await known();
    expect(half).toBeGreaterThan(5);
    expect(half).toBeLessThan(25);
    aws.clock.skip(5_000);
    expect(await known()).toBe(30);
  });
});

describe('permissions', () => {
  test('DryRun says whether the call would be allowed, and never carries it out', async () => {
    const aws = inMemory();
    const before = Object.keys(aws.simulator.world.instances).length;
    await expect(run(aws, { DryRun: true })).rejects.toMatchObject({ name: 'DryRunOperation' });
    inject(aws, { kind: 'denied', operation: 'ec2:RunInstances' });
    const refused = await run(aws, { DryRun: true }).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      name: 'UnauthorizedOperation',
      $metadata: { httpStatusCode: 403 },
      message: expect.stringContaining('not authorized to perform: ec2:RunInstances'),
    });
    await expect(run(aws)).rejects.toMatchObject({ name: 'UnauthorizedOperation' });
    expect(Object.keys(aws.simulator.world.instances)).toHaveLength(before);
    await expect(aws.ec2.send(new DescribeInstancesCommand({}))).resolves.toBeDefined();
  });
});

describe('client tokens', () => {
  const once = { ClientToken: 'once' };

  test('count until a day after the instances they launched have ended', async () => {
    const aws = inMemory();
    const first = (await run(aws, once)).Instances![0]!;
    expect(first.ClientToken).toBe('once');
    aws.clock.skip(30 * 24 * 3_600_000);
    expect((await run(aws, once)).Instances![0]!.InstanceId).toBe(first.InstanceId);
    await aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [first.InstanceId!] }));
    aws.clock.skip(23 * 3_600_000);
    expect((await run(aws, once)).Instances![0]!.InstanceId).toBe(first.InstanceId);
    aws.clock.skip(2 * 3_600_000);
    expect((await run(aws, once)).Instances![0]!.InstanceId).not.toBe(first.InstanceId);
  });

  test('of other requests count for a day', async () => {
    const aws = inMemory();
    const create = (ImageId: string) =>
      aws.ec2.send(
        new CreateLaunchTemplateVersionCommand({
          LaunchTemplateName: 'web-a',
          LaunchTemplateData: { ImageId },
          ...once,
        }),
      );
    await create('ami-1');
    aws.clock.skip(23 * 3_600_000);
    await expect(create('ami-2')).rejects.toMatchObject({ name: 'IdempotentParameterMismatch' });
    aws.clock.skip(2 * 3_600_000);
    expect((await create('ami-2')).LaunchTemplateVersion!.VersionNumber).toBe(3);
    aws.clock.skip(25 * 3_600_000);
    aws.simulator.advance();
    expect(aws.simulator.world.tokens).toEqual({});
  });
});

test('after a clock jump every time the API tells is off by as much, and nothing happens earlier or later', async () => {
  const aws = inMemory();
  const read = async () => {
    const { AutoScalingGroups } = await aws.scaling.send(
      new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['web-a'] }),
    );
    return AutoScalingGroups![0]!.CreatedTime!.getTime();
  };
  const before = await read();
  const due = aws.simulator.nextEventAt();
  inject(aws, { kind: 'clock-jump', byMs: -3_600_000 });
  expect(await read()).toBe(before - 3_600_000);
  expect(aws.simulator.nextEventAt()).toBe(due);
});

describe('requests nobody should send', () => {
  const services = { ec2: '2016-11-15', autoscaling: '2011-01-01', elasticloadbalancing: '2015-12-01' };
  const actions = [
    'RunInstances',
    'DescribeInstances',
    'CreateLaunchTemplateVersion',
    'DescribeAutoScalingGroups',
    'CreateAutoScalingGroup',
    'UpdateAutoScalingGroup',
    'RegisterTargets',
    'DescribeTargetHealth',
    'CreateTags',
    'RegisterImage',
    '',
    'constructor',
    '__proto__',
  ];
  const names = fc.constantFrom(
    'Filter.1.Name',
    'Filter.1.Value.1',
    'Filter.0',
    'Filter',
    'InstanceId.1',
    'InstanceId..1',
    'InstanceId.1.2',
    'LaunchTemplateData.ImageId',
    'LaunchTemplateName',
    'SourceVersion',
    'AutoScalingGroupName',
    'MinSize',
    'MaxSize',
    'DesiredCapacity',
    'Tags.member.1.Key',
    'Tags.member.x',
    'Targets.member.1.Id',
    'TargetGroupArn',
    'MaxCount',
    'MinCount',
    'MaxResults',
    'NextToken',
    'ImageId',
    'Name',
    'ResourceId.1',
    'Tag.1.Key',
    'DryRun',
    '__proto__',
    '__proto__.x',
    'constructor.prototype',
    '.',
    '',
  );
  const values = fc.oneof(
    fc.constantFrom('', '1', '-1', '1e9', 'NaN', 'true', '$Latest', 'ami-1', '__proto__', '<html>', '\u0000'),
    fc.string(),
  );

  test('are answered in XML of AWS’s shape, with a status, and leave the simulator working', async () => {
    const aws = inMemory();
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.entries(services)),
        fc.constantFrom(...actions),
        fc.array(fc.tuple(names, values), { maxLength: 6 }),
        fc.oneof(fc.constant(''), fc.string()),
        ([service, Version], Action, parameters, garbage) => {
          const body = new URLSearchParams([['Version', Version], ['Action', Action], ...parameters]);
          const { status, body: text } = aws.simulator.answer({
            method: 'POST',
            url: `/${garbage}`,
            headers: { authorization: `AWS4-HMAC-SHA256 Credential=k/1/r/${service}/aws4_request` },
            body: `${body}&${garbage}`,
          });
          expect(text).toMatch(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n<(?:\w+Response|Response)[ >]/);
          expect(text).not.toContain('<html');
          expect(text).not.toContain('The simulator failed');
          expect(status === 200 || (status >= 400 && status < 500) || status === 503).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
    await expect(aws.ec2.send(new DescribeInstancesCommand({}))).resolves.toBeDefined();
  });
});
