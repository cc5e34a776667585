import { expect, test, vi } from 'vitest';
import type { Cloud } from '../../../pipeline/cloud/cloud.ts';
import { CloudError } from '../../../pipeline/cloud/cloud.ts';
import { httpHook } from '../../../pipeline/rollout/drains/http-hook.ts';
import { runCommand } from '../../../pipeline/rollout/services/command.ts';
import { type Http, type HttpRequest, NoAnswer } from '../../../pipeline/rollout/services/http.ts';
import { virtualClock } from '../../../pipeline/simulator/virtual-clock.ts';
import { group, instance } from '../group.ts';

const spec = {
  type: 'http-hook' as const,
  name: 'scheduler',
  url: 'https://scheduler.example/drain',
  timeoutMs: 2_000,
  deadlineMs: 60_000,
  on_deadline: 'fail' as const,
};
const contextWith = (http: Http) => ({
  cloud: {} as Cloud,
  clock: virtualClock(),
  http,
  runCommand,
  release: 'r-1',
  group: group([instance('i-1'), instance('i-2')]),
  signal: new AbortController().signal,
});
const answering =
  (status: number, body = ''): Http =>
  async () => ({ status, body });

test.each([
  { code: 200, status: 'passed' },
  { code: 204, status: 'passed' },
  { code: 202, status: 'waiting' },
  { code: 409, status: 'waiting' },
  { code: 503, status: 'waiting' },
  { code: 302, status: 'failed' },
  { code: 404, status: 'failed' },
  { code: 500, status: 'failed' },
])('an answer of $code is $status', async ({ code, status }) => {
  const answer = await httpHook(spec).poll(
    contextWith(answering(code, 'three jobs left\n')),
    instance('i-1'),
  );
  expect(answer).toEqual({ status, source: 'scheduler', reason: `status ${code}: three jobs left` });
});

test('no answer is not yet an answer', async () => {
  const http: Http = async () => {
    throw new NoAnswer('no answer within 2 s');
  };
  expect(await httpHook(spec).poll(contextWith(http), instance('i-1'))).toMatchObject({ status: 'waiting' });
});

test('the service is told what to do with which instance, in JSON, with the token', async () => {
  const sent: HttpRequest[] = [];
  const http: Http = async (request) => {
    sent.push(request);
    return { status: 200, body: '' };
  };
  vi.stubEnv('SCHEDULER_TOKEN', 'abc');
  const hook = httpHook({ ...spec, token_env: 'SCHEDULER_TOKEN' });
  await hook.poll(contextWith(http), instance('i-1'));
  await hook.abort(contextWith(http), ['i-2']);
  vi.unstubAllEnvs();
  const about = (request: string, id: string) => ({
    request,
    release: 'r-1',
    group: 'web',
    instance: { id, address: '10.0.0.1', zone: 'a' },
  });
  expect(sent.map(({ body }) => JSON.parse(body!))).toEqual([about('drain', 'i-1'), about('abort', 'i-2')]);
  expect(sent[0]).toMatchObject({
    method: 'POST',
    url: 'https://scheduler.example/drain',
    headers: { 'content-type': 'application/json', authorization: 'Bearer abc' },
    timeoutMs: 2_000,
  });
  expect(sent[0]).not.toHaveProperty('tls');
});

test('an abort that the service refuses is an error, so that it is tried again', async () => {
  const aborting = httpHook(spec).abort(contextWith(answering(500, 'no')), ['i-1']);
  await expect(aborting).rejects.toThrow(CloudError);
  await expect(aborting).rejects.toThrow('scheduler: status 500: no');
});

test('a token that is not there fails the drain instead of asking without it', async () => {
  const hook = httpHook({ ...spec, token_file: '/nonexistent/token' });
  const answer = await hook.poll(contextWith(answering(200)), instance('i-1'));
  expect(answer).toMatchObject({
    status: 'failed',
    reason: expect.stringContaining('the token cannot be read'),
  });
});
