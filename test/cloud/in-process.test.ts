/** The adapter answered within the process: what it gives is what the wire gives, and nothing is shared. */
import { expect, test } from 'vitest';
import { createAwsCloud } from '../../pipeline/cloud/aws/cloud.ts';
import type { Account } from '../../pipeline/cloud/aws/in-process.ts';
import type { Cloud } from '../../pipeline/cloud/cloud.ts';
import { createInMemoryHandler } from '../../pipeline/simulator/in-memory.ts';
import type { VirtualClock } from '../../pipeline/simulator/virtual-clock.ts';
import { exampleConfig, inMemory } from '../simulator/clients.ts';

const at = { provider: 'simulator' as const, region: 'eu-central-1' };

const inProcess = (account: Account, clock: VirtualClock): Cloud =>
  createAwsCloud({ ...at, inProcess: { account, clock } });

function bothDoors() {
  const { simulator, clock } = inMemory(
    exampleConfig({ groups: { 'web-a': { desired: 120 }, batch: { desired: 2, load_balanced: false } } }),
  );
  const written = createAwsCloud({
    ...at,
    endpoint: 'http://127.0.0.1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    requestHandler: createInMemoryHandler(simulator) as never,
  });
  return { simulator, clock, written, direct: inProcess(simulator, clock) };
}

test('both doors observe the same, over pages of instances', async () => {
  const { written, direct } = bothDoors();
  const observed = await direct.observe(['web-a', 'batch', 'absent'], 0);
  expect(observed.map(({ name, instances }) => [name, instances.length])).toEqual([
    ['web-a', 120],
    ['batch', 2],
  ]);
  expect(observed).toEqual(await written.observe(['web-a', 'batch', 'absent'], 0));
});

test('what is changed through one door is seen through the other', async () => {
  const { written, direct } = bothDoors();
  await direct.setGroupTags('batch', { note: 'kept' });
  await direct.updateGroup('batch', { max: 7 });
  expect((await written.observe(['batch'], 0))[0]).toMatchObject({ max: 7, tags: { note: 'kept' } });
});

test.each<[string, (cloud: Cloud) => Promise<unknown>]>([
  ['a group that does not exist', (cloud) => cloud.updateGroup('absent', { min: 1 })],
  ['desired above the maximum', (cloud) => cloud.updateGroup('batch', { desired: 99 })],
  ['a process that does not exist', (cloud) => cloud.suspendProcesses('batch', ['Rest'])],
  [
    'a target group that does not exist',
    (cloud) => cloud.deregisterTargets('arn:aws:elasticloadbalancing:x', ['i-1']),
  ],
  [
    'a template that does not exist',
    (cloud) =>
      cloud.createTemplateVersion({
        templateId: 'lt-0123456789abcdef0',
        sourceVersion: '1',
        imageId: 'ami-1',
        description: '',
        token: 't',
      }),
  ],
])('%s is refused alike at both doors', async (_what, call) => {
  const { written, direct } = bothDoors();
  const refused = async (cloud: Cloud) => {
    const error = await call(cloud).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    const { message, code, operation, outcomeUnknown } = error as Record<string, unknown> & Error;
    return { message, code, operation, outcomeUnknown };
  };
  expect(await refused(direct)).toEqual(await refused(written));
});

test('an observation does not change with the account, nor the account with it', async () => {
  const { simulator, direct } = bothDoors();
  const [before] = await direct.observe(['web-a'], 0);
  before!.zones.push('nowhere');
  before!.targetGroups.length = 0;
  const { zones, targetGroupArns } = simulator.world.groups['web-a']!;
  expect(zones).not.toContain('nowhere');
  expect(targetGroupArns).toHaveLength(1);
});

const throttled = {
  status: 400,
  headers: {},
  body: '<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>',
};

test('throttling is retried on the clock it was given, and given up after the last attempt', async () => {
  const { simulator, clock } = bothDoors();
  let refusals = 2;
  let calls = 0;
  const direct = inProcess(
    {
      call(...request) {
        calls += 1;
        refusals -= 1;
        return refusals >= 0 ? throttled : simulator.call(...request);
      },
    },
    clock,
  );
  const startedAt = clock.now();
  await direct.updateGroup('batch', { max: 7 });
  expect(calls).toBe(3);
  expect(clock.now() - startedAt).toBe(3_000);
  refusals = Number.POSITIVE_INFINITY;
  calls = 0;
  await expect(direct.updateGroup('batch', { max: 8 })).rejects.toMatchObject({ code: 'Throttling' });
  expect(calls).toBe(8);
});

test('an answer that is lost leaves the outcome unknown', async () => {
  const { simulator, clock } = bothDoors();
  const direct = inProcess(
    {
      async call(...request) {
        await simulator.call(...request);
        throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
      },
    },
    clock,
  );
  await expect(direct.updateGroup('batch', { max: 7 })).rejects.toMatchObject({
    code: 'EndpointUnreachable',
    outcomeUnknown: true,
  });
  expect(simulator.world.groups.batch!.max).toBe(7);
});

test('what an operation lacks is counted at this door too', async () => {
  const { simulator } = bothDoors();
  expect(await simulator.call('ec2', 'CopyImage', {})).toMatchObject({ status: 400 });
  expect(await simulator.call('athena', 'StartQuery', {})).toMatchObject({ status: 400 });
  await simulator.call('elasticloadbalancing', 'CreateTargetGroup', { Name: 'x', IpAddressType: 'ipv6' });
  expect([...simulator.gaps.keys()]).toEqual([
    'ec2:CopyImage',
    'athena:StartQuery',
    'elasticloadbalancing:CreateTargetGroup.IpAddressType (ignored)',
  ]);
});
