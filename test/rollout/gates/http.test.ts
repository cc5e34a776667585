import { expect, test } from 'vitest';
import type { Cloud, InstanceObservation } from '../../../pipeline/cloud/cloud.ts';
import { configSchema } from '../../../pipeline/config/schema.ts';
import { resolved } from '../../../pipeline/fleet/waves.ts';
import { askInTurn, questionsOf } from '../../../pipeline/rollout/gates/gates.ts';
import { runCommand } from '../../../pipeline/rollout/services/command.ts';
import { type Http, type HttpRequest, NoAnswer } from '../../../pipeline/rollout/services/http.ts';
import type { GateSpec } from '../../../pipeline/rollout/spec.ts';
import { virtualClock } from '../../../pipeline/simulator/virtual-clock.ts';
import { instance } from '../group.ts';

/** A gate as the configuration gives it, with its defaults. */
const gateOf = (keys: object): GateSpec =>
  resolved(
    '/',
    configSchema.shape.rollout.parse({ gates: [{ type: 'http', port: 8080, ...keys }] }).gates[0]!,
  );

const ask = (keys: object, http: Http, served = false, changes: Partial<InstanceObservation> = {}) => {
  const subject = { release: 'r-1', group: 'web', instance: instance('i-1', changes), served };
  const context = {
    cloud: {} as Cloud,
    clock: virtualClock(),
    http,
    runCommand,
    signal: new AbortController().signal,
  };
  return askInTurn(questionsOf([gateOf(keys)], subject), context);
};
const answering =
  (status: number, body = ''): Http =>
  async () => ({ status, body });

test('the instance is asked at its private address, by the name the gate gives it', async () => {
  const sent: HttpRequest[] = [];
  const http: Http = async (request) => {
    sent.push(request);
    return { status: 200, body: '' };
  };
  const keys = { scheme: 'https', path: '/ready', host: 'shop.example', timeout: '2s' };
  await ask(keys, http);
  await ask({}, http, false, { privateAddress: 'fd00::1' });
  expect(sent).toMatchObject([
    {
      method: 'GET',
      url: 'https://10.0.0.1:8080/ready',
      headers: { host: 'shop.example' },
      timeoutMs: 2_000,
      tls: { verify: false },
    },
    { url: 'http://[fd00::1]:8080/', timeoutMs: 5_000 },
  ]);
  expect(sent[1]!.headers).not.toHaveProperty('host');
});

test.each([
  { keys: {}, status: 204, answer: 'passed' },
  { keys: {}, status: 302, answer: 'waiting', reason: 'status 302, not 200-299' },
  { keys: { status: '200, 301-302' }, status: 302, answer: 'passed' },
  { keys: { status: '404' }, status: 200, answer: 'waiting', reason: 'status 200, not 404' },
  { keys: { contains: 'ready' }, body: 'all ready', answer: 'passed' },
  { keys: { contains: 'ready' }, body: 'starting', answer: 'waiting', reason: "does not contain 'ready'" },
  { keys: { matches: '^v\\d+$' }, body: 'ok\nv12\n', answer: 'passed' },
  { keys: { matches: '^v\\d+$' }, body: 'vX', answer: 'waiting', reason: 'does not match /^v\\d+$/' },
])(
  '$keys with status $status and body $body: $answer',
  async ({ keys, status = 200, body, answer, reason = '' }) => {
    expect(await ask(keys, answering(status, body))).toMatchObject({
      status: answer,
      reason: expect.stringContaining(reason),
    });
  },
);

test('an instance that does not answer is waited for until it has served, and has failed after that', async () => {
  const silent: Http = async () => {
    throw new NoAnswer('no answer within 5 s');
  };
  const reason = 'http://10.0.0.1:8080/: no answer within 5 s';
  expect(await ask({}, silent)).toEqual({ status: 'waiting', source: 'http', reason });
  expect(await ask({}, silent, true)).toEqual({ status: 'failed', source: 'http', reason });
  expect(await ask({}, answering(503), true)).toMatchObject({ status: 'failed' });
});

test('an instance whose address is not known yet is waited for', async () => {
  expect(await ask({}, answering(200), false, { privateAddress: null })).toMatchObject({ status: 'waiting' });
});

test('an error that is not about the network is not taken for an answer', async () => {
  const broken: Http = async () => {
    throw new TypeError('a bug');
  };
  await expect(ask({}, broken)).rejects.toThrow('a bug');
});
