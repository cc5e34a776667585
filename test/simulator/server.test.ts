import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DescribeAutoScalingGroupsCommand, SetDesiredCapacityCommand } from '@aws-sdk/client-auto-scaling';
import { RegisterImageCommand } from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Refused, Stuck } from '../../pipeline/errors.ts';
import { openSimulator } from '../../pipeline/simulator/host.ts';
import { startSimulator } from '../../pipeline/simulator/server.ts';
import { type VirtualClock, virtualClock } from '../../pipeline/simulator/virtual-clock.ts';
import { worldFrom } from '../../pipeline/simulator/world.ts';
import { clientsAt, exampleConfig } from './clients.ts';

const open: { close(): Promise<void> }[] = [];
let directory: string;
let clock: VirtualClock;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'drover-simulator-'));
  clock = virtualClock();
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

const world = worldFrom(exampleConfig());
const start = async (statePath: string | null) => {
  const server = await startSimulator({ world, statePath, clock });
  open.push(server);
  return server;
};
const host = async () => {
  const simulator = await openSimulator({ directory, world, clock });
  open.push(simulator);
  return simulator;
};

const groupAt = async (endpoint: string, name = 'web-a') =>
  (
    await clientsAt(endpoint).scaling.send(
      new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name] }),
    )
  ).AutoScalingGroups![0]!;

const setDesired = (endpoint: string, DesiredCapacity: number) =>
  clientsAt(endpoint).scaling.send(
    new SetDesiredCapacityCommand({ AutoScalingGroupName: 'web-a', DesiredCapacity }),
  );

test('the world listens on loopback alone', async () => {
  const { endpoint } = await start(null);
  expect(new URL(endpoint).hostname).toBe('127.0.0.1');
});

test('a world killed after its answer goes on from there, and time has passed meanwhile', async () => {
  const path = join(directory, 'world.json');
  const first = await start(path);
  await setDesired(first.endpoint, 5);
  // Not closed: what is on disk now is what a SIGKILL would leave.
  clock.skip(60_000);
  const second = await start(path);
  const group = await groupAt(second.endpoint);
  expect(group.DesiredCapacity).toBe(5);
  expect(group.Instances!.map(({ LifecycleState }) => LifecycleState)).toEqual(Array(5).fill('InService'));
});

test('a configuration that gained a group adds it to the saved world', async () => {
  const path = join(directory, 'world.json');
  await (await start(path)).close();
  open.length = 0;
  const config = exampleConfig();
  config.simulator.groups.absent = { ...config.simulator.groups.batch!, desired: 1 };
  const server = await startSimulator({ world: worldFrom(config), statePath: path, clock });
  open.push(server);
  clock.skip(10_000);
  expect((await groupAt(server.endpoint, 'absent')).Instances).toHaveLength(1);
});

test('a world file that is none is refused with its path, and left alone', async () => {
  const path = join(directory, 'world.json');
  writeFileSync(path, '{"schema": "drover/simula');
  const refusal = await start(path).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(Refused);
  expect((refusal as Refused).message).toContain(path);
  expect(readFileSync(path, 'utf8')).toBe('{"schema": "drover/simula');
});

test('a port that is taken is refused', async () => {
  const { endpoint } = await start(null);
  const port = Number(new URL(endpoint).port);
  await expect(startSimulator({ world, statePath: null, clock, port })).rejects.toBeInstanceOf(Refused);
});

test('whoever comes second uses the world of the first', async () => {
  const first = await host();
  const second = await host();
  expect([first.hostedHere, second.hostedHere]).toEqual([true, false]);
  expect(second.endpoint).toBe(first.endpoint);
  await setDesired(second.endpoint, 4);
  expect((await groupAt(first.endpoint)).DesiredCapacity).toBe(4);
});

test('whoever asks for another port than the one the world is hosted at is refused with its process and place', async () => {
  const first = await host();
  const port = Number(new URL(first.endpoint).port);
  const joined = await openSimulator({ directory, world, clock, port });
  expect(joined.endpoint).toBe(first.endpoint);
  const refusal = await openSimulator({ directory, world, clock, port: port - 1 }).catch((error) => error);
  expect(refusal).toBeInstanceOf(Refused);
  expect(refusal).toMatchObject({
    kind: 'busy',
    message: expect.stringMatching(`Process ${process.pid} .*${first.endpoint} instead of port ${port - 1}`),
    remedy: expect.stringContaining(first.endpoint),
  });
});

test('two who come at once agree on one world', async () => {
  const [first, second] = await Promise.all([host(), host()]);
  expect(second!.endpoint).toBe(first!.endpoint);
  expect([first!.hostedHere, second!.hostedHere].filter(Boolean)).toHaveLength(1);
});

test('the lock of a process that is gone is taken over', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await new Promise((resolve) => child.on('exit', resolve));
  writeFileSync(
    join(directory, 'host.json'),
    JSON.stringify({ pid: child.pid, endpoint: 'http://127.0.0.1:1' }),
  );
  const simulator = await host();
  expect(simulator.hostedHere).toBe(true);
  expect((await groupAt(simulator.endpoint)).DesiredCapacity).toBe(3);
});

test('the lock of another living process that does not answer as a simulator is taken over', async () => {
  writeFileSync(
    join(directory, 'host.json'),
    JSON.stringify({ pid: process.ppid, endpoint: 'http://127.0.0.1:1' }),
  );
  expect((await host()).hostedHere).toBe(true);
});

test('a lock that was never finished is taken over after a while', async () => {
  writeFileSync(join(directory, 'host.json'), '');
  expect((await host()).hostedHere).toBe(true);
});

test('a fault reaches the world wherever it is hosted, and outlives the process', async () => {
  const first = await host();
  const second = await host();
  await second.injectFault({ kind: 'unhealthy', environment: 'production' });
  const { ImageId } = await clientsAt(first.endpoint).ec2.send(new RegisterImageCommand({ Name: 'next' }));
  await first.close();
  open.length = 0;
  const third = await host();
  const facts = (await (await fetch(`${third.endpoint}/_simulator`)).json()) as { faults: unknown[] };
  expect(facts.faults).toMatchObject([
    {
      state: 'in force',
      fault: { kind: 'unhealthy', environment: 'production', imageId: ImageId, failsAfterMs: 0 },
    },
  ]);
  await third.clearFaults();
  const after = (await (await fetch(`${third.endpoint}/_simulator`)).json()) as { faults: unknown[] };
  expect(after.faults).toEqual([]);
});

test('when the process that hosts the account has ended, its guests are told so, and what to do', async () => {
  const { endpoint } = await start(null);
  writeFileSync(join(directory, 'host.json'), JSON.stringify({ pid: process.pid, endpoint }));
  const guest = await openSimulator({ directory, world, clock });
  const error = new Error('ECONNREFUSED');
  expect(await guest.explain(error)).toBe(error);
  await open.pop()!.close();
  const told = await guest.explain(error);
  expect(told).toMatchObject({
    kind: 'environment',
    message: expect.stringMatching(`Process ${process.pid}, which hosted .* ${endpoint}, has ended`),
    remedy: expect.stringContaining('drover resume'),
    cause: error,
  });
  const conclusion = new Stuck('half way', 'drover rollback r-1');
  expect(await guest.explain(conclusion)).toBe(conclusion);
});
