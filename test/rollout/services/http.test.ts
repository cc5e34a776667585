import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcp } from 'node:net';
import { execa } from 'execa';
import { afterEach, expect, test } from 'vitest';
import { httpRequest, NoAnswer } from '../../../pipeline/rollout/services/http.ts';

const never = new AbortController().signal;
const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

test('sends method, headers and body, and returns status and body', async () => {
  const url = await serve(async (request, response) => {
    const sent = Buffer.concat(await request.toArray()).toString();
    response.statusCode = 202;
    response.end(`${request.method} ${request.headers.host} ${request.headers['content-length']} ${sent}`);
  });
  const request = { method: 'POST' as const, url, headers: { host: 'shop.example' }, body: 'grüße' };
  expect(await httpRequest({ ...request, timeoutMs: 5_000 }, never)).toEqual({
    status: 202,
    body: 'POST shop.example 7 grüße',
  });
});

test('does not follow a redirect', async () => {
  const url = await serve((_request, response) => response.writeHead(302, { location: '/login' }).end());
  expect(await httpRequest({ method: 'GET', url, timeoutMs: 5_000 }, never)).toMatchObject({ status: 302 });
});

test('reads no more of an endless body than its limit', async () => {
  const url = await serve((request, response) => {
    const more = () => {
      while (!request.socket.destroyed && response.write('x'.repeat(65_536)));
      response.once('drain', more);
    };
    more();
  });
  const { body } = await httpRequest({ method: 'GET', url, timeoutMs: 5_000 }, never);
  expect(body).toHaveLength(1024 * 1024);
});

test('an answer that does not come in time is none, also when it has begun', async () => {
  const silent = await serve(() => {});
  const begun = await serve((_request, response) => response.write('…'));
  for (const url of [silent, begun]) {
    await expect(httpRequest({ method: 'GET', url, timeoutMs: 200 }, never)).rejects.toThrow(
      new NoAnswer('no answer within 0.2 s'),
    );
  }
});

test('a port at which nobody listens is no answer, and says so', async () => {
  const listener = createTcp().listen(0, '127.0.0.1');
  await new Promise((resolve) => listener.once('listening', resolve));
  const { port } = listener.address() as { port: number };
  await new Promise((resolve) => listener.close(resolve));
  const request = { method: 'GET' as const, url: `http://127.0.0.1:${port}`, timeoutMs: 5_000 };
  const error = await httpRequest(request, never).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(NoAnswer);
  expect(error).toMatchObject({ message: expect.stringContaining('ECONNREFUSED') });
});

test('a stop by hand ends the request with its own reason', async () => {
  const stop = new AbortController();
  const url = await serve(() => stop.abort(new Error('SIGINT')));
  await expect(httpRequest({ method: 'GET', url, timeoutMs: 5_000 }, stop.signal)).rejects.toThrow('SIGINT');
});

test('goes straight to its address where Node itself is told to use a proxy', async () => {
  const url = await serve((_request, response) => response.end('direct'));
  const script = `
    const { httpRequest } = await import(${JSON.stringify(new URL('../../../pipeline/rollout/services/http.ts', import.meta.url).href)});
    const { body } = await httpRequest({ method: 'GET', url: '${url}', timeoutMs: 5000 }, new AbortController().signal);
    process.stdout.write(body);`;
  const { stdout } = await execa(process.execPath, ['--input-type=module', '-e', script], {
    env: { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: 'http://127.0.0.1:1', NO_PROXY: '' },
  });
  expect(stdout).toBe('direct');
});
