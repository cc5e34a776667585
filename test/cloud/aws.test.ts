/** The adapter against the simulator without a socket, and against answers the simulator does not give. */
import { createServer } from 'node:net';
import { HttpResponse } from '@smithy/core/transport';
import { describe, expect, test } from 'vitest';
import { createAwsCloud } from '../../pipeline/cloud/aws/cloud.ts';
import { CloudError } from '../../pipeline/cloud/cloud.ts';
import { Refused } from '../../pipeline/errors.ts';
import { servingIn } from '../../pipeline/simulator/capacity.ts';
import { createInMemoryHandler } from '../../pipeline/simulator/in-memory.ts';
import { setDesired } from '../../pipeline/simulator/model/groups.ts';
import type { Simulator } from '../../pipeline/simulator/simulator.ts';
import { type Fleet, fleetOf, newImage } from '../rollout/fleet.ts';

const settings = {
  provider: 'simulator' as const,
  region: 'eu-central-1',
  endpoint: 'http://127.0.0.1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
};

type Request = { body?: unknown };
const actionOf = ({ body }: Request): string => new URLSearchParams(String(body)).get('Action') ?? '';

/** The simulator behind a door that `before` may answer at instead, or throw. */
function cloudBehind(
  simulator: Simulator,
  before: (request: Request) => HttpResponse | null | undefined,
  maxAttempts = 1,
) {
  const door = createInMemoryHandler(simulator);
  const requestHandler = {
    ...door,
    async handle(request: Parameters<typeof door.handle>[0]) {
      const response = before(request);
      return response ? { response } : door.handle(request);
    },
  };
  return createAwsCloud({ ...settings, requestHandler: requestHandler as never, maxAttempts });
}

const refusal = (statusCode: number, code: string, message: string): HttpResponse =>
  new HttpResponse({
    statusCode,
    headers: { 'content-type': 'text/xml' },
    body: Buffer.from(
      `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>x</RequestId></ErrorResponse>`,
    ),
  });

const lost = (code: string): Error => Object.assign(new Error(`connection ${code}`), { code });
function countsOf({ calls }: Fleet): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const call of calls) counts[call] = (counts[call] ?? 0) + 1;
  return counts;
}

describe('observation', () => {
  test('joins what three services know of a group, in the order asked for, without groups that do not exist', async () => {
    const fleet = fleetOf({ web: { desired: 2, zones: 2 }, worker: { desired: 1, load_balanced: false } });
    const groups = await fleet.cloud.observe(['worker', 'absent', 'web'], 0);
    expect(groups.map(({ name }) => name)).toEqual(['worker', 'web']);
    expect(groups[1]).toMatchObject({
      desired: 2,
      zones: ['eu-central-1a', 'eu-central-1b'],
      template: { name: 'web', version: '1' },
      tags: { environment: 'staging' },
      hooks: { launching: [], terminating: [] },
    });
    expect(groups[1]!.instances).toHaveLength(2);
    for (const one of groups[1]!.instances) {
      expect(one).toMatchObject({
        lifecycle: 'InService',
        healthy: true,
        templateVersion: 1,
        imageId: expect.stringMatching(/^ami-/),
        launchedAt: expect.any(Number),
        privateAddress: expect.stringMatching(/^10\./),
        statusChecks: 'ok',
        targets: [{ targetGroup: groups[1]!.targetGroups[0], state: 'healthy', reason: null }],
      });
    }
    expect(groups[0]!.instances[0]!.targets).toEqual([]);
  });

  test('an instance EC2 does not know yet is reported as such, and the others as usual', async () => {
    const fleet = fleetOf({ web: { desired: 3 } });
    const [unknown] = Object.keys(fleet.world.groups.web!.members);
    delete fleet.world.instances[unknown!];
    const [web] = await fleet.cloud.observe(['web'], 0);
    const found = web!.instances.find(({ id }) => id === unknown);
    expect(found).toMatchObject({ imageId: null, launchedAt: null, statusChecks: null });
    expect(web!.instances.filter(({ imageId }) => imageId !== null)).toHaveLength(2);
  });

  test.each([
    ['ok', 'ok', 'ok'],
    ['not-applicable', 'ok', 'not-applicable'],
    ['impaired', 'ok', 'impaired'],
    [null, 'ok', 'insufficient-data'],
    ['exhausted', 'ok', 'insufficient-data'],
    ['exhausted', 'impaired', 'impaired'],
    [null, null, 'insufficient-data'],
  ])('a system that is %s and a guest that is %s are %s', async (system, guest, checks) => {
    const fleet = fleetOf({ web: { desired: 1 } });
    const [id] = Object.keys(fleet.world.groups.web!.members);
    const status = (name: string, value: string | null) =>
      value === null ? '' : `<${name}><status>${value}</status></${name}>`;
    const body = `<DescribeInstanceStatusResponse><instanceStatusSet><item><instanceId>${id}</instanceId>${status('systemStatus', system)}${status('instanceStatus', guest)}</item></instanceStatusSet></DescribeInstanceStatusResponse>`;
    const cloud = cloudBehind(fleet.simulator, (request) =>
      actionOf(request) === 'DescribeInstanceStatus'
        ? new HttpResponse({
            statusCode: 200,
            headers: { 'content-type': 'text/xml' },
            body: Buffer.from(body),
          })
        : null,
    );
    const [web] = await cloud.observe(['web'], 0);
    expect(web!.instances.map(({ statusChecks }) => statusChecks)).toEqual([checks]);
  });

  test('calls grow with pages of a hundred, and facts that cannot change are read once', async () => {
    const fleet = fleetOf({ web: { desired: 230 } });
    await fleet.cloud.observe(['web'], 0);
    expect(countsOf(fleet)).toEqual({
      DescribeAutoScalingGroups: 1,
      DescribeInstances: 3,
      DescribeInstanceStatus: 3,
      DescribeTargetHealth: 1,
      DescribeLifecycleHooks: 1,
    });
    fleet.calls.length = 0;
    const [web] = await fleet.cloud.observe(['web'], 0);
    expect(web!.instances.filter(({ imageId }) => imageId !== null)).toHaveLength(230);
    expect(countsOf(fleet)).toEqual({
      DescribeAutoScalingGroups: 1,
      DescribeInstanceStatus: 3,
      DescribeTargetHealth: 1,
    });
  });

  test('why nothing launches is read only while something is missing', async () => {
    const fleet = fleetOf({ web: { desired: 1, max: 2 } });
    const [image] = Object.values(fleet.world.images).filter(({ name }) => name === 'drover-initial');
    image!.state = 'pending';
    setDesired(fleet.world, fleet.world.groups.web!, 2);
    await fleet.clock.sleep(5_000);
    const [web] = await fleet.cloud.observe(['web'], 0);
    expect(web!.failedActivities[0]!.message).toMatch(/not available/);
    expect((await fleet.cloud.observe(['web'], fleet.clock.now() + 1))[0]!.failedActivities).toEqual([]);
  });
});

describe('changes', () => {
  test('desired is set only while it reads what was expected', async () => {
    const fleet = fleetOf({ web: { desired: 3, max: 9 } });
    await fleet.cloud.updateGroup('web', { desired: 4, ifDesired: 3 });
    await fleet.cloud.updateGroup('web', { desired: 4, ifDesired: 3 });
    expect(fleet.world.groups.web!.desired).toBe(4);
    await expect(fleet.cloud.updateGroup('web', { desired: 5, ifDesired: 3 })).rejects.toMatchObject({
      code: 'DesiredChanged',
      outcomeUnknown: false,
    });
    expect(fleet.world.groups.web!.desired).toBe(4);
  });

  test('pinning a group with a mixed-instances policy keeps the rest of the policy', async () => {
    const fleet = fleetOf({ web: { desired: 1 } });
    const image = await newImage(fleet);
    const group = fleet.world.groups.web!;
    const { id, name } = group.template!;
    const version = await fleet.cloud.createTemplateVersion({
      templateId: id,
      sourceVersion: '1',
      imageId: image.id,
      description: 'next',
      token: 'token-1',
    });
    const Overrides = [{ InstanceType: 't3.small' }, { InstanceType: 't3a.small' }];
    group.template = null;
    group.mixedInstances = {
      LaunchTemplate: {
        LaunchTemplateSpecification: { LaunchTemplateId: id, LaunchTemplateName: name, Version: '1' },
        Overrides,
      },
      InstancesDistribution: { OnDemandBaseCapacity: 1 },
    };
    await fleet.cloud.updateGroup('web', { templateVersion: version });
    expect(group.mixedInstances).toMatchObject({
      LaunchTemplate: { LaunchTemplateSpecification: { LaunchTemplateId: id, Version: '2' }, Overrides },
      InstancesDistribution: { OnDemandBaseCapacity: 1 },
    });
    expect((await fleet.cloud.observe(['web'], 0))[0]).toMatchObject({
      mixedInstances: true,
      ownOverrides: 0,
      desiredUnit: 'instances',
      template: { id, version: '2' },
    });
  });

  test('a template version is made once per token', async () => {
    const fleet = fleetOf({ web: { desired: 1 } });
    const image = await newImage(fleet);
    const request = {
      templateId: fleet.world.groups.web!.template!.id,
      sourceVersion: '1',
      imageId: image.id,
      description: 'next',
      token: 'token-1',
    };
    expect(await fleet.cloud.createTemplateVersion(request)).toBe(2);
    expect(await fleet.cloud.createTemplateVersion(request)).toBe(2);
    expect(await fleet.cloud.templateImage(request.templateId, '2')).toEqual({
      version: 2,
      imageId: image.id,
    });
    expect(await fleet.cloud.templateImage(request.templateId, '9')).toBeNull();
  });

  test('an image registered again under its name is the same image', async () => {
    const fleet = fleetOf({ web: { desired: 1 } });
    const request = { name: 'base-9', description: 'x', tags: { role: 'base' } };
    const id = await fleet.cloud.registerImage(request);
    expect(await fleet.cloud.registerImage(request)).toBe(id);
    expect(await fleet.cloud.findImageByName('base-9')).toMatchObject({ id, tags: { role: 'base' } });
    expect(await fleet.cloud.findImage('ami-00000000000000000')).toBeNull();
  });

  test('a hundred instances are terminated in one call, and desired falls by all of them', async () => {
    const fleet = fleetOf({ web: { desired: 130, min: 0 } });
    const members = Object.keys(fleet.world.groups.web!.members);
    const options = { decrementDesired: true };
    expect(await fleet.cloud.terminateInstances('web', members.slice(0, 120), options)).toEqual(
      members.slice(0, 120),
    );
    expect(countsOf(fleet)).toEqual({ DescribeAutoScalingGroups: 1, TerminateInstanceInAutoScalingGroup: 2 });
    expect(fleet.world.groups.web!.desired).toBe(10);
    await fleet.clock.sleep(120_000);
    fleet.simulator.advance();
    expect(Object.keys(fleet.world.groups.web!.members)).toEqual(members.slice(120));
  });

  test('termination of several, some of them gone or going already, ends the others and counts only them', async () => {
    const fleet = fleetOf({ web: { desired: 4, min: 0 } });
    const [first, second, third] = Object.keys(fleet.world.groups.web!.members);
    const options = { decrementDesired: true };
    expect(await fleet.cloud.terminateInstances('web', [first!], options)).toEqual([first]);
    const wanted = ['i-0123456789abcdef0', first!, second!, third!];
    fleet.calls.length = 0;
    expect(await fleet.cloud.terminateInstances('web', wanted, options)).toEqual([second, third]);
    expect(countsOf(fleet)).toEqual({ DescribeAutoScalingGroups: 1, TerminateInstanceInAutoScalingGroup: 1 });
    expect(fleet.world.groups.web!.desired).toBe(1);
    expect(await fleet.cloud.terminateInstances('web', ['i-0123456789abcdef0'], options)).toEqual([]);
    expect(fleet.world.groups.web!.desired).toBe(1);
  });

  test('when the group still lists an instance that is gone, the others are ended one by one', async () => {
    const fleet = fleetOf({ web: { desired: 3, min: 0 } });
    const [first, second, third] = Object.keys(fleet.world.groups.web!.members);
    const cloud = cloudBehind(fleet.simulator, ({ body }) =>
      new URLSearchParams(String(body)).toString().includes(first!)
        ? refusal(400, 'ValidationError', `No managed instance found for instance ID: ${first}`)
        : null,
    );
    const options = { decrementDesired: true };
    expect(await cloud.terminateInstances('web', [first!, second!, third!], options)).toEqual([
      second,
      third,
    ]);
    expect(fleet.world.groups.web!.desired).toBe(1);
  });

  test('a termination that would leave too few is refused whole', async () => {
    const fleet = fleetOf({ web: { desired: 3, min: 2 } });
    const members = Object.keys(fleet.world.groups.web!.members);
    const ending = fleet.cloud.terminateInstances('web', members.slice(0, 2), { decrementDesired: true });
    await expect(ending).rejects.toThrow(/min size/);
    expect(fleet.world.groups.web!.desired).toBe(3);
    expect(servingIn(fleet.world, fleet.world.groups.web!)).toHaveLength(3);
  });

  test('a termination refused halfway names those it has ended, and is refused whole when asked for the rest', async () => {
    const fleet = fleetOf({ web: { desired: 102, min: 2 } });
    const members = Object.keys(fleet.world.groups.web!.members);
    const options = { decrementDesired: true };
    expect(await fleet.cloud.terminateInstances('web', members, options)).toEqual(members.slice(0, 100));
    expect(fleet.world.groups.web!.desired).toBe(2);
    await expect(fleet.cloud.terminateInstances('web', members.slice(100), options)).rejects.toThrow(
      /min size/,
    );
    expect(fleet.world.groups.web!.desired).toBe(2);
  });

  test('a termination whose last answer is lost leaves its outcome open, whatever came before', async () => {
    const fleet = fleetOf({ web: { desired: 102, min: 0 } });
    const members = Object.keys(fleet.world.groups.web!.members);
    const cloud = cloudBehind(fleet.simulator, ({ body }) => {
      if (String(body).includes(members.at(-1)!)) throw lost('ECONNRESET');
      return null;
    });
    const ending = cloud.terminateInstances('web', members, { decrementDesired: true });
    await expect(ending).rejects.toMatchObject({ outcomeUnknown: true });
    expect(fleet.world.groups.web!.desired).toBe(2);
  });

  test('tags are set, left alone and removed by key', async () => {
    const fleet = fleetOf({ web: { desired: 1 } });
    const before = fleet.snapshot();
    await fleet.cloud.setGroupTags('web', { 'drover:release': 'r-1', 'drover:max': '4' });
    expect((await fleet.cloud.observe(['web'], 0))[0]!.tags).toMatchObject({ 'drover:release': 'r-1' });
    await fleet.cloud.removeGroupTags('web', ['drover:release', 'drover:max']);
    expect(fleet.snapshot()).toEqual(before);
  });

  test('suspending or resuming no process changes none, where AWS would take all', async () => {
    const fleet = fleetOf({ web: { desired: 1 } });
    await fleet.cloud.suspendProcesses('web', ['AZRebalance', 'Launch']);
    await fleet.cloud.suspendProcesses('web', []);
    await fleet.cloud.resumeProcesses('web', []);
    await fleet.cloud.resumeProcesses('web', ['Launch']);
    expect((await fleet.cloud.observe(['web'], 0))[0]!.suspendedProcesses).toEqual(['AZRebalance']);
  });
});

test('identifies itself by account, region and endpoint', async () => {
  const { cloud } = fleetOf({ web: { desired: 1 } });
  expect(await cloud.identify()).toEqual({
    provider: 'simulator',
    region: 'eu-central-1',
    endpoint: 'http://127.0.0.1',
    account: '123456789012',
  });
});

describe('errors', () => {
  test('an endpoint where nothing listens is refused with its address and a remedy', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const endpoint = `http://127.0.0.1:${port}`;
    const error = await createAwsCloud({ ...settings, endpoint, maxAttempts: 1 })
      .identify()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Refused);
    expect(error).toMatchObject({
      kind: 'environment',
      message: expect.stringContaining(endpoint),
      remedy: expect.stringMatching(/endpoint/),
    });
  });

  test.each([
    { code: 'ExpiredToken', message: /credentials/ },
    { code: 'AccessDenied', message: /may not call DescribeAutoScalingGroups/ },
  ])('a read refused with $code changed nothing and says what to do', async ({ code, message }) => {
    const { simulator } = fleetOf({ web: { desired: 1 } });
    const cloud = cloudBehind(simulator, () => refusal(403, code, 'no'));
    await expect(cloud.observe(['web'], 0)).rejects.toMatchObject({
      kind: 'environment',
      message: expect.stringMatching(message),
    });
  });

  test.each([
    {
      name: 'a connection that breaks',
      answer: () => {
        throw lost('ECONNRESET');
      },
      outcomeUnknown: true,
      code: 'EndpointUnreachable',
    },
    {
      name: 'a connection refused',
      answer: () => {
        throw lost('ECONNREFUSED');
      },
      outcomeUnknown: false,
      code: 'EndpointUnreachable',
    },
    {
      name: 'a server error',
      answer: () => refusal(500, 'InternalFailure', 'oops'),
      outcomeUnknown: true,
      code: 'InternalFailure',
    },
    {
      name: 'a refusal',
      answer: () => refusal(400, 'ScalingActivityInProgress', 'busy'),
      outcomeUnknown: false,
      code: 'ScalingActivityInProgress',
    },
  ])('after $name it is known whether a mutation may have happened: $outcomeUnknown', async (given) => {
    const { simulator } = fleetOf({ web: { desired: 1 } });
    const cloud = cloudBehind(simulator, given.answer);
    const error = await cloud.suspendProcesses('web', ['AZRebalance']).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CloudError);
    expect(error).toMatchObject({
      operation: 'SuspendProcesses',
      code: given.code,
      outcomeUnknown: given.outcomeUnknown,
    });
  });

  test('a bug is not taken for an answer of the service', async () => {
    const { simulator } = fleetOf({ web: { desired: 1 } });
    const cloud = cloudBehind(simulator, () => {
      throw new TypeError('not a function');
    });
    await expect(cloud.suspendProcesses('web', ['AZRebalance'])).rejects.toBeInstanceOf(TypeError);
  });

  test('an answer that is not the service’s leaves the outcome of a mutation open', async () => {
    const { simulator } = fleetOf({ web: { desired: 1 } });
    const page = () =>
      new HttpResponse({ statusCode: 502, headers: {}, body: Buffer.from('<html><hr>Bad Gateway</html>') });
    const error = await cloudBehind(simulator, page)
      .suspendProcesses('web', ['AZRebalance'])
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CloudError);
    expect(error).toMatchObject({ outcomeUnknown: true });
  });

  test('throttling is retried until the service answers', async () => {
    const { simulator } = fleetOf({ web: { desired: 1 } });
    let refused = 0;
    const cloud = cloudBehind(
      simulator,
      (request) => {
        if (actionOf(request) !== 'DescribeAutoScalingGroups' || refused >= 1) return null;
        refused += 1;
        return refusal(400, 'Throttling', 'Rate exceeded');
      },
      4,
    );
    expect(await cloud.observe(['web'], 0)).toHaveLength(1);
    expect(refused).toBe(1);
  });
});

describe('alarms', () => {
  const answered = (alarms: object) =>
    new HttpResponse({
      statusCode: 200,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(alarms)),
    });

  test('are read by name a hundred at a time, metric and composite ones', async () => {
    const { simulator } = fleetOf({ web: { desired: 1 } });
    const asked: { AlarmNames: string[]; AlarmTypes: string[] }[] = [];
    const cloud = cloudBehind(simulator, ({ body }) => {
      asked.push(JSON.parse(new TextDecoder().decode(body as Uint8Array)));
      return answered(
        asked.length === 1
          ? { MetricAlarms: [{ AlarmName: 'a-1', StateValue: 'OK', StateReason: 'below' }] }
          : { CompositeAlarms: [{ AlarmName: 'all', StateValue: 'ALARM', StateReason: 'a-1 is in ALARM' }] },
      );
    });
    const names = [...Array.from({ length: 100 }, (_, index) => `a-${index}`), 'all', 'all'];
    expect(await cloud.alarms(names)).toEqual([
      { name: 'a-1', state: 'OK', reason: 'below' },
      { name: 'all', state: 'ALARM', reason: 'a-1 is in ALARM' },
    ]);
    expect(asked.map(({ AlarmNames }) => AlarmNames.length)).toEqual([100, 1]);
    expect(asked[0]!.AlarmTypes).toEqual(['MetricAlarm', 'CompositeAlarm']);
  });
});
