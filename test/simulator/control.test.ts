import { DescribeAutoScalingGroupsCommand, SetDesiredCapacityCommand } from '@aws-sdk/client-auto-scaling';
import { RegisterImageCommand } from '@aws-sdk/client-ec2';
import { afterEach, expect, test } from 'vitest';
import { startSimulator } from '../../pipeline/simulator/server.ts';
import { type VirtualClock, virtualClock } from '../../pipeline/simulator/virtual-clock.ts';
import { worldFrom } from '../../pipeline/simulator/world.ts';
import { clientsAt, exampleConfig } from './clients.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function started(clock: VirtualClock = virtualClock()) {
  const server = await startSimulator({ world: worldFrom(exampleConfig()), statePath: null, clock });
  open.push(server);
  const send = (method: string, path: string, body?: string) =>
    fetch(`${server.endpoint}/_simulator${path}`, { method, ...(body !== undefined && { body }) });
  return { ...server, clock, send, world: server.simulator.world, ...clientsAt(server.endpoint) };
}

test('an ordered fault is listed with what became of it, until all are taken back', async () => {
  const { send, scaling } = await started();
  const ordered = await send('POST', '/faults', '{"kind":"throttled","operation":"autoscaling:*","count":2}');
  expect(ordered.status).toBe(200);
  await expect(scaling.send(new DescribeAutoScalingGroupsCommand({}))).rejects.toThrow();
  const listed = (await (await send('GET', '')).json()) as { faults: unknown[] };
  expect(listed.faults).toMatchObject([
    { fault: { kind: 'throttled', rate: 1 }, state: 'in force', happened: 1, left: 1 },
  ]);
  await send('DELETE', '/faults');
  await expect(scaling.send(new DescribeAutoScalingGroupsCommand({}))).resolves.toBeDefined();
});

test('a fault that was ordered for some time is listed as over once that has passed, hit or not', async () => {
  const { send, clock } = await started();
  const states = async () => {
    const listed = (await (await send('GET', '')).json()) as { faults: { state: string }[] };
    return listed.faults.map(({ state }) => state);
  };
  await send('POST', '/faults', '{"kind":"throttled","forMs":60000}');
  clock.skip(59_999);
  expect(await states()).toEqual(['in force']);
  clock.skip(1);
  expect(await states()).toEqual(['over']);
});

test.each([
  ['{"kind":"unhealty"}', /not a fault: .*kind/s],
  ['{"kind":"leaks"}', /fails/],
  ['{kind:', /not JSON/],
  ['', /not JSON/],
  ['null', /not a fault/],
])('the order %s is refused with a reason and a way on, and orders nothing', async (body, reason) => {
  const { send, world } = await started();
  const refused = await send('POST', '/faults', body);
  expect(refused.status).toBe(400);
  expect(refused.headers.get('content-type')).toContain('text/plain');
  expect(await refused.text()).toMatch(reason);
  expect(world.faults).toEqual([]);
});

test('an instance answers for its software, by id and by address', async () => {
  const { send, world, clock } = await started();
  const instance = Object.values(world.instances)[0]!;
  const ask = async (place: string) => (await send('GET', `/instances/${place}/healthz?deep=1`)).status;
  expect(await ask(instance.id)).toBe(200);
  expect(await ask(instance.privateAddress)).toBe(200);
  await send('POST', '/faults', `{"kind":"death","group":"${instance.groupName}","count":3}`);
  clock.skip(1);
  expect(await ask(instance.id)).toBe(503);
  expect(await ask('i-00000000000000000')).toBe(404);
  expect(await ask('10.9.9.9')).toBe(404);
});

test('an image is given a behaviour, and rid of it', async () => {
  const { send, world, ec2 } = await started();
  const { ImageId } = await ec2.send(new RegisterImageCommand({ Name: 'next' }));
  const set = (body: string) => send('PUT', `/images/${ImageId}/behaviour`, body);
  expect((await set('{"kind":"serves-errors","rate":0.01}')).status).toBe(200);
  expect(world.images[ImageId!]!.behaviour).toEqual({ kind: 'serves-errors', rate: 0.01 });
  expect((await set('{"kind":"sings"}')).status).toBe(400);
  expect((await set('null')).status).toBe(200);
  expect(world.images[ImageId!]!.behaviour).toBeNull();
  expect((await send('PUT', '/images/ami-00000000000000000/behaviour', 'null')).status).toBe(404);
});

test.each(['GET /faults/1', 'POST /', 'DELETE /instances', 'GET /images/behaviour', 'GET /%'])(
  'nothing is at %s, and that is said',
  async (request) => {
    const { send } = await started();
    const [method, path] = request.split(' ');
    expect((await send(method!, path!)).status).toBe(404);
  },
);

test('over HTTP a lost response closes the connection, and a timeout leaves it open', async () => {
  const { send, scaling, world } = await started();
  const set = (DesiredCapacity: number, abortSignal?: AbortSignal) =>
    scaling.send(new SetDesiredCapacityCommand({ AutoScalingGroupName: 'web-a', DesiredCapacity }), {
      ...(abortSignal && { abortSignal }),
    });
  await send('POST', '/faults', '{"kind":"lost-response","operation":"autoscaling:Set*","count":1}');
  await expect(set(4)).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(world.groups['web-a']!.desired).toBe(4);
  await send('POST', '/faults', '{"kind":"timeout","operation":"autoscaling:Set*","count":1}');
  const patience = new AbortController();
  const unanswered = set(5, patience.signal);
  // Another call is answered after it was carried out: the first has been, too, and still waits.
  while (world.groups['web-a']!.desired !== 5) {
    await scaling.send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['web-a'] }));
  }
  patience.abort();
  await expect(unanswered).rejects.toMatchObject({ name: 'AbortError' });
});
