import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { httpRequest } from '../../../pipeline/rollout/services/http.ts';
import { request } from '../../../pipeline/rollout/services/service.ts';
import { selfSigned } from './self-signed.ts';

/** A service whose certificate is for its name, and which is asked at its address. */
const name = 'vault.internal';
let server: Server;
let url: string;
let directory: string;
let seen: IncomingHttpHeaders[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'drover-service-'));
  const made = selfSigned(`DNS:${name}`);
  writeFileSync(join(directory, 'ca.pem'), made.cert);
  server = createServer(made, (incoming, outgoing) => {
    seen.push(incoming.headers);
    if (incoming.url === '/page') outgoing.end('<html>maintenance</html>');
    else outgoing.writeHead(429).end('{"Healthy":false}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await new Promise((resolve) => server.close(resolve));
});

const ask = (access: Parameters<typeof request>[1], path = '/health') => {
  seen = [];
  const context = { http: httpRequest, signal: new AbortController().signal };
  return request(context, access, 'X-Vault-Token', { method: 'GET', url: `${url}${path}` });
};
const trusted = () => ({ ca_file: join(directory, 'ca.pem'), server_name: name });

test('a service with an authority and a name of its own is trusted as configured, whatever it answers', async () => {
  expect(await ask(trusted())).toEqual({
    status: 429,
    body: { Healthy: false },
    shown: `GET ${url}/health: 429: {"Healthy":false}`,
  });
});

test('what is no JSON is no body, but still shown', async () => {
  expect(await ask(trusted(), '/page')).toMatchObject({
    body: null,
    shown: `GET ${url}/page: 200: <html>maintenance</html>`,
  });
});

test.each([
  { what: 'without its authority', access: () => ({ server_name: name }), reason: /self-signed certificate/ },
  {
    what: 'without its name',
    access: () => ({ ca_file: join(directory, 'ca.pem') }),
    reason: /IP: 127\.0\.0\.1/,
  },
])('it is not trusted $what, and nothing is sent', async ({ access, reason }) => {
  await expect(ask(access())).rejects.toThrow(reason);
  expect(seen).toEqual([]);
});

test('a token in a file is read anew for every request, so that it may be rotated', async () => {
  const token_file = join(directory, 'token');
  for (const token of ['first', 'second']) {
    writeFileSync(token_file, `${token}\n`);
    await ask({ ...trusted(), token_file });
    expect(seen.map((headers) => headers['x-vault-token'])).toEqual([token]);
  }
});

test.each([
  { access: { token_file: '/nowhere/token' }, reason: /the token cannot be read: .*\/nowhere\/token/ },
  { access: { ca_file: '/nowhere/ca.pem' }, reason: /the authority cannot be read: .*\/nowhere\/ca\.pem/ },
])('$access cannot be read: the message names it, and nothing is sent', async ({ access, reason }) => {
  await expect(ask({ ...trusted(), ...access })).rejects.toThrow(reason);
  expect(seen).toEqual([]);
});
