import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { clusterOf } from '../../../pipeline/rollout/services/kubernetes/cluster.ts';
import { virtualClock } from '../../../pipeline/simulator/virtual-clock.ts';
import { nodeList } from './api-server.ts';
import { selfSigned } from './self-signed.ts';

/** As EKS gives one: an https endpoint whose authority nobody else knows. */
let server: Server;
let certificate: string;
let bearers: (string | undefined)[];
let connections = 0;

beforeAll(async () => {
  const made = selfSigned('IP:127.0.0.1');
  certificate = made.cert;
  server = createServer(made, (request, answer) => {
    bearers.push(request.headers.authorization);
    answer.setHeader('content-type', 'application/json');
    answer.end(JSON.stringify(nodeList()));
  });
  server.on('secureConnection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(
  () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
);
beforeEach(() => {
  bearers = [];
  connections = 0;
});

function eks(ca = certificate) {
  const clock = virtualClock();
  let made = 0;
  const cloud = {
    async clusterToken(name: string, signedAt: number) {
      made += 1;
      return { token: `${name}-${made}`, expiresAt: signedAt + 900_000 };
    },
  };
  const endpoint = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const cluster = clusterOf(
    { cloud, clock },
    { type: 'eks', name: 'prod', endpoint, ca: Buffer.from(ca).toString('base64') },
  );
  return { clock, cluster };
}

test('an EKS cluster is reached with a token of its own, which is replaced before it expires', async () => {
  const { clock, cluster } = eks();
  const read = async () => (await cluster).nodeOf('i-0123456789abcde0a');
  expect(await read()).toMatchObject({ metadata: { name: 'node-a' } });
  await clock.sleep(10 * 60_000);
  await read();
  await clock.sleep(4 * 60_000);
  await read();
  expect(bearers).toEqual(['Bearer prod-1', 'Bearer prod-1', 'Bearer prod-2']);
});

test('requests share one connection', async () => {
  const { clock, cluster } = eks();
  for (let reads = 0; reads < 3; reads += 1) {
    await (await cluster).nodeOf('i-0123456789abcde0a');
    await clock.sleep(5_000);
  }
  expect(bearers).toHaveLength(3);
  expect(connections).toBe(1);
});

test('an endpoint that another authority vouches for is not trusted', async () => {
  await expect(
    (await eks(selfSigned('IP:127.0.0.1').cert).cluster).nodeOf('i-0123456789abcde0a'),
  ).rejects.toThrow(/^list nodes of https:.*certificate/);
  expect(bearers).toEqual([]);
});
