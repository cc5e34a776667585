import { expect, test } from 'vitest';
import type { Cloud, Lifecycle } from '../../../pipeline/cloud/cloud.ts';
import { consul } from '../../../pipeline/rollout/drains/consul.ts';
import { runCommand } from '../../../pipeline/rollout/services/command.ts';
import { virtualClock } from '../../../pipeline/simulator/virtual-clock.ts';
import { group, instance } from '../group.ts';
import { scriptedHttp } from '../services/scripted-http.ts';

const at = (address: string) => `https://${address}:8501/v1`;
const [first, second, third, fourth] = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'] as const;
const servers = [first, second, third, fourth];
const [alive, leaving, left, failed] = [1, 2, 3, 4];

/** A member as the HTTP API documents it ("List Members"). */
const member = (address: string, Status = alive, role = 'consul') => ({
  Name: `ip-${address}`,
  Addr: address,
  Port: 8301,
  Tags: { dc: 'dc1', role, port: '8300' },
  Status,
});
/** Autopilot's answer as documented ("Read Health"). */
const health = (changes: object = {}, voters: readonly string[] = servers) => ({
  Healthy: true,
  FailureTolerance: 1,
  Servers: servers.map((address) => ({
    ID: address,
    Name: `ip-${address}`,
    Address: `${address}:8300`,
    SerfStatus: 'alive',
    Leader: address === second,
    Healthy: true,
    Voter: voters.includes(address),
  })),
  ...changes,
});

/** Three servers and the replacement of the first, which is to go. */
function drain(lifecycles: Record<string, Lifecycle> = {}) {
  const script = scriptedHttp();
  const instances = servers.map((privateAddress, index) =>
    instance(`i-${index + 1}`, { privateAddress, lifecycle: lifecycles[privateAddress] ?? 'InService' }),
  );
  const members = servers.map((address) => member(address));
  for (const witness of [second, third, fourth]) {
    script.answer(`GET ${at(witness)}/agent/members`, 200, members);
  }
  script.answer(`GET ${at(second)}/operator/autopilot/health`, 200, health());
  script.answer(`PUT ${at(first)}/agent/leave`, 200);
  const made = consul({
    type: 'consul',
    scheme: 'https',
    port: 8501,
    deadlineMs: 60_000,
    on_deadline: 'fail',
  });
  const context = {
    cloud: {} as Cloud,
    clock: virtualClock(),
    http: script.http,
    runCommand,
    release: 'r-1',
    group: group(instances),
    signal: new AbortController().signal,
  };
  return {
    script,
    poll: (index = 0) => made.poll(context, instances[index]!),
    left: () => script.routes().filter((route) => route.endsWith('/agent/leave')),
  };
}

test('a server that can be spared leaves, asked of itself', async () => {
  const { poll, left } = drain();
  expect(await poll()).toMatchObject({ status: 'waiting', reason: 'ip-10.0.0.1 has been told to leave' });
  expect(left()).toEqual([`PUT ${at(first)}/agent/leave`]);
});

test.each([
  {
    what: 'autopilot is unhealthy, which it says with 429',
    status: 429,
    body: health({ Healthy: false }),
    reason: 'autopilot calls the datacenter unhealthy',
  },
  {
    what: 'no failure is tolerated',
    status: 200,
    body: health({ FailureTolerance: 0 }),
    reason: 'the datacenter tolerates no failure',
  },
  {
    what: 'the replacement is no voter yet',
    status: 200,
    body: health({}, [first, second, third]),
    reason: 'the server at 10.0.0.4 is not a healthy voter yet',
  },
])('a server stays while $what', async ({ status, body, reason }) => {
  const { script, poll, left } = drain();
  script.answer(`GET ${at(second)}/operator/autopilot/health`, status, body);
  expect(await poll()).toMatchObject({ status: 'waiting', reason });
  expect(left()).toEqual([]);
});

test('a server stays while one of the others does not answer, though autopilot knows nothing of it yet', async () => {
  const { script, poll, left } = drain();
  script.answer(`GET ${at(third)}/agent/members`, 500);
  expect(await poll()).toMatchObject({ status: 'waiting', reason: `GET ${at(third)}/agent/members: 500` });
  expect(left()).toEqual([]);
});

test('a server stays while autopilot still counts one that is on its way out', async () => {
  const { script, poll, left } = drain();
  const members = servers.map((address) => member(address, address === third ? 3 : 1));
  script.answer(`GET ${at(second)}/agent/members`, 200, members);
  expect(await poll()).toMatchObject({
    status: 'waiting',
    reason: 'autopilot still counts ip-10.0.0.3, which is leaving',
  });
  expect(left()).toEqual([]);
});

test('of two servers asked in the same moment only one leaves', async () => {
  const { script, poll, left } = drain();
  const seenByAll = (gone: string | null) => {
    const members = servers.map((one) => member(one, one === gone ? 3 : alive));
    for (const address of servers) script.answer(`GET ${at(address)}/agent/members`, 200, members);
  };
  seenByAll(null);
  script.answer(`GET ${at(first)}/operator/autopilot/health`, 200, health());
  for (const address of [first, second]) {
    script.answer(`PUT ${at(address)}/agent/leave`, 200, undefined, () => seenByAll(address));
  }
  const answers = await Promise.all([poll(0), poll(1)]);
  expect(answers.map(({ reason }) => reason).sort()).toEqual([
    expect.stringMatching(/^autopilot still counts ip-10.0.0.\d, which is leaving$/),
    expect.stringMatching(/^ip-10.0.0.\d has been told to leave$/),
  ]);
  expect(left()).toHaveLength(1);
});

test('a client agent leaves without being asked whether it can be spared', async () => {
  const { script, poll, left } = drain();
  const members = servers.map((address) => member(address, alive, address === first ? 'node' : 'consul'));
  script.answer(`GET ${at(second)}/agent/members`, 200, members);
  script.answer(`GET ${at(second)}/operator/autopilot/health`, 429, health({ Healthy: false }));
  await poll();
  expect(left()).toEqual([`PUT ${at(first)}/agent/leave`]);
});

test.each([
  { status: left, answer: 'passed', reason: 'ip-10.0.0.1 has left' },
  { status: leaving, answer: 'waiting', reason: 'ip-10.0.0.1 is leaving' },
  { status: failed, answer: 'failed', reason: 'the agent of ip-10.0.0.1 has failed and cannot leave' },
])('a member whose status is $status: $answer', async ({ status, answer, reason }) => {
  const { script, poll, left: leaves } = drain();
  const members = servers.map((address) => member(address, address === first ? status : alive));
  script.answer(`GET ${at(second)}/agent/members`, 200, members);
  expect(await poll()).toMatchObject({ status: answer, reason });
  expect(leaves()).toEqual([]);
});

test('an instance that is no member has nothing to leave', async () => {
  const { script, poll } = drain();
  script.answer(`GET ${at(second)}/agent/members`, 200, [member(second), member(third)]);
  expect(await poll()).toMatchObject({ status: 'passed', reason: 'is no member of the Consul datacenter' });
});

test('a list without the very agent that answers is one the token may not read, and says nothing', async () => {
  const { script, poll, left } = drain();
  for (const address of [second, third, fourth]) script.answer(`GET ${at(address)}/agent/members`, 200, []);
  expect(await poll()).toMatchObject({ status: 'waiting', reason: expect.stringContaining('node:read') });
  expect(left()).toEqual([]);
});

test('another instance is asked when the first does not answer, but none that is not in service', async () => {
  const { script, poll } = drain({ [second]: 'Terminating:Wait' });
  script.answer(`GET ${at(third)}/agent/members`, 500);
  script.answer(`GET ${at(fourth)}/agent/members`, 200, [member(first, left), member(fourth)]);
  expect(await poll()).toMatchObject({ status: 'passed' });
  expect(script.routes()).toEqual([`GET ${at(third)}/agent/members`, `GET ${at(fourth)}/agent/members`]);
});

test('with nobody to ask it is waited', async () => {
  const away = { [second]: 'Pending', [third]: 'Pending', [fourth]: 'Pending' } as const;
  expect(await drain(away).poll()).toMatchObject({
    status: 'waiting',
    reason: 'there is no other instance in service whose agent could be asked',
  });
});
