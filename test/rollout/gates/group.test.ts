/** Gates over the group as a whole: what alarms and queries answer, and what the engine makes of it. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { AlarmObservation, Cloud } from '../../../pipeline/cloud/cloud.ts';
import { CloudError } from '../../../pipeline/cloud/cloud.ts';
import { configSchema } from '../../../pipeline/config/schema.ts';
import { runWave } from '../../../pipeline/rollout/engine.ts';
import { alarms, readAlarms } from '../../../pipeline/rollout/gates/alarms.ts';
import { combined } from '../../../pipeline/rollout/gates/gates.ts';
import { prometheus } from '../../../pipeline/rollout/gates/prometheus.ts';
import { type Http, type HttpRequest, NoAnswer } from '../../../pipeline/rollout/services/http.ts';
import type { GateSpec } from '../../../pipeline/rollout/spec.ts';
import { fleetOf, newImage, promotedFrom, recordsOf, rolledBack, waveOf } from '../fleet.ts';

const gateOf = <T extends GateSpec['type']>(gate: { type: T } & Record<string, unknown>) =>
  configSchema.shape.rollout.parse({ gates: [gate] }).gates[0] as Extract<GateSpec, { type: T }>;
const alarm = (name: string, state: AlarmObservation['state']): AlarmObservation => ({
  name,
  state,
  reason: 'threshold crossed',
});

describe('an alarms gate', () => {
  test.each([
    { states: ['OK', 'OK'], status: 'passed' },
    { states: ['OK', 'ALARM'], status: 'failed', reason: 'b is in ALARM: threshold crossed' },
    { states: ['OK'], status: 'failed', reason: "there is no alarm 'b'" },
    { states: ['OK', 'INSUFFICIENT_DATA'], status: 'waiting', reason: 'b has insufficient data' },
    { states: ['OK', 'INSUFFICIENT_DATA'], insufficient_data: 'pass', status: 'passed' },
    { states: ['OK', 'INSUFFICIENT_DATA'], insufficient_data: 'fail', status: 'failed' },
  ] as const)('$states with insufficient_data $insufficient_data: $status', ({ states, status, ...rest }) => {
    const { reason = '', ...keys } = { reason: '', ...rest };
    const seen = states.map((state, index) => alarm('ab'[index]!, state));
    expect(combined(alarms(gateOf({ type: 'alarms', names: ['a', 'b'], ...keys }), seen))).toMatchObject({
      status,
      reason: expect.stringContaining(reason),
    });
  });

  test('alarms of many groups are read at once, each once, and none when no gate names any', async () => {
    const asked: (readonly string[])[] = [];
    const cloud = {
      alarms: async (names: readonly string[]) => {
        asked.push(names);
        return [];
      },
    } as unknown as Cloud;
    const gates = [
      gateOf({ type: 'alarms', names: ['a', 'b'] }),
      gateOf({ type: 'alarms', names: ['b', 'c'] }),
    ];
    await readAlarms(cloud, gates);
    await readAlarms(cloud, [{ type: 'in-service' }]);
    expect(asked).toEqual([['a', 'b', 'c']]);
  });

  test('alarms that cannot be read are waited for', async () => {
    const cloud = {
      alarms: async () => {
        throw new CloudError('DescribeAlarms', 'InternalServiceFault', 'try again');
      },
    } as unknown as Cloud;
    const gate = gateOf({ type: 'alarms', names: ['a'] });
    expect(alarms(gate, await readAlarms(cloud, [gate]))).toMatchObject([
      { status: 'waiting', reason: expect.stringContaining('InternalServiceFault') },
    ]);
  });
});

describe('a prometheus gate', () => {
  const keys = {
    type: 'prometheus' as const,
    name: 'errors',
    url: 'http://prometheus:9090/',
    query: 'a / b',
  };
  const ask = (http: Http, changes: object = { max: 0.01 }) =>
    prometheus(gateOf({ ...keys, ...changes }), { http, signal: new AbortController().signal });
  const answering =
    (body: unknown, status = 200): Http =>
    async () => ({ status, body: typeof body === 'string' ? body : JSON.stringify(body) });
  const vector = (...values: string[]) => ({
    status: 'success',
    data: {
      resultType: 'vector',
      result: values.map((value) => ({ metric: { job: 'web' }, value: [1_435_781_451.781, value] })),
    },
  });
  const scalar = (value: string) => ({
    status: 'success',
    data: { resultType: 'scalar', result: [1_435_781_451.781, value] },
  });
  afterEach(() => vi.unstubAllEnvs());

  test.each([
    { body: vector('0', '0.01'), status: 'passed', reason: 'within its limits' },
    { body: vector('0', '0.02'), status: 'failed', reason: '0.02 is above 0.01' },
    { body: vector('+Inf'), status: 'failed', reason: 'Infinity is above 0.01' },
    { body: scalar('0.001'), status: 'passed' },
    { body: scalar('4'), limits: { min: 5 }, status: 'failed', reason: '4 is below 5' },
    { body: vector(), status: 'waiting', reason: 'no value' },
    { body: vector('NaN'), status: 'waiting', reason: 'NaN' },
    {
      body: { status: 'success', data: { resultType: 'matrix', result: [] } },
      status: 'failed',
      reason: 'matrix',
    },
    {
      body: { status: 'error', errorType: 'bad_data', error: 'parse error' },
      code: 400,
      status: 'failed',
      reason: 'bad_data: parse error',
    },
    {
      body: { status: 'error', errorType: 'timeout', error: 'query timed out' },
      code: 503,
      status: 'waiting',
      reason: 'timeout',
    },
    { body: '<html>', code: 502, status: 'waiting', reason: 'answers 502' },
    { body: '<html>', code: 200, status: 'failed', reason: 'answers 200, not as Prometheus does' },
    { body: 'no', code: 401, status: 'failed', reason: 'answers 401' },
  ])('$body with status $code: $status', async ({ body, code, limits, status, reason = '' }) => {
    const answer = await ask(answering(body, code), limits);
    expect(answer).toMatchObject({ source: 'errors', status, reason: expect.stringContaining(reason) });
  });

  test('a server that does not answer is waited for', async () => {
    const http: Http = async () => {
      throw new NoAnswer('connect ECONNREFUSED');
    };
    expect(await ask(http)).toMatchObject({
      status: 'waiting',
      reason: 'prometheus:9090: connect ECONNREFUSED',
    });
  });

  test('the query goes to the instant query API under the server’s own path, with the token from where it is kept', async () => {
    const sent: HttpRequest[] = [];
    const http: Http = async (request) => {
      sent.push(request);
      return { status: 200, body: JSON.stringify(vector('0')) };
    };
    vi.stubEnv('PROMETHEUS_TOKEN', 'from-env');
    const token_file = join(mkdtempSync(join(tmpdir(), 'drover-')), 'token');
    writeFileSync(token_file, 'from-file\n');
    await ask(http, { max: 1, url: 'https://metrics.example/mimir/', token_env: 'PROMETHEUS_TOKEN' });
    await ask(http, { max: 1, token_file });
    await ask(http);
    expect(sent.map(({ url }) => url)).toEqual([
      'https://metrics.example/mimir/api/v1/query?query=a+%2F+b',
      'http://prometheus:9090/api/v1/query?query=a+%2F+b',
      'http://prometheus:9090/api/v1/query?query=a+%2F+b',
    ]);
    expect(sent.map(({ headers }) => headers?.authorization)).toEqual([
      'Bearer from-env',
      'Bearer from-file',
      undefined,
    ]);
  });

  test.each([
    { where: { token_env: 'DROVER_NO_SUCH_TOKEN' }, reason: 'the environment has no DROVER_NO_SUCH_TOKEN' },
    { where: { token_file: '/nonexistent/token' }, reason: 'the token cannot be read' },
  ])('a token that is not there fails the gate: $reason', async ({ where, reason }) => {
    const answer = await ask(answering(vector('0')), { max: 1, ...where });
    expect(answer).toMatchObject({ status: 'failed', reason: expect.stringContaining(reason) });
  });
});

describe('a wave under a gate over its group', () => {
  const gates: GateSpec[] = [{ type: 'target-health' }, gateOf({ type: 'alarms', names: ['errors'] })];
  const fleetUnder = (stateAt: (ms: number) => AlarmObservation['state'] | null) => {
    const fleet = fleetOf({ web: { desired: 3 } }, { specs: { web: { gates, soakMs: 600_000 } } });
    const startedAt = fleet.clock.now();
    const cloud: Cloud = {
      ...fleet.cloud,
      alarms: async () => {
        const state = stateAt(fleet.clock.now() - startedAt);
        return state ? [alarm('errors', state)] : [];
      },
    };
    return { fleet, deps: { ...fleet.deps, cloud } };
  };

  test('is promoted while the alarm is OK, and the journal holds that answer once', async () => {
    const { fleet, deps } = fleetUnder(() => 'OK');
    expect(await runWave(deps, waveOf(fleet), await newImage(fleet))).toEqual({ outcome: 'promoted' });
    expect(recordsOf(fleet, 'answer').filter(({ instance }) => instance === 'web')).toMatchObject([
      { source: 'alarms', status: 'waiting' },
      { source: 'gates', status: 'passed', reason: 'errors is OK' },
    ]);
  });

  test.each([
    { state: 'ALARM' as const, reason: 'web: alarms: errors is in ALARM: threshold crossed' },
    { state: null, reason: "web: alarms: there is no alarm 'errors'" },
    {
      state: 'INSUFFICIENT_DATA' as const,
      reason: 'web: the gates over the group did not pass within 180 s: alarms: errors has insufficient data',
    },
  ])(
    'fails before anything is changed when it begins with the alarm in $state',
    async ({ state, reason }) => {
      const { fleet, deps } = fleetUnder(() => state);
      const image = await newImage(fleet);
      const before = fleet.snapshot();
      expect(await runWave(deps, waveOf(fleet), image)).toMatchObject({ outcome: 'failed', reason });
      expect(recordsOf(fleet, 'intent').map(({ action }) => action)).toEqual(['template']);
      expect(fleet.snapshot()).toEqual(before);
    },
  );

  test('takes nothing while data is insufficient, and goes on when it comes', async () => {
    const { fleet, deps } = fleetUnder((ms) => (ms > 120_000 && ms < 200_000 ? 'INSUFFICIENT_DATA' : 'OK'));
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    const startedAt = fleet.clock.now();
    expect(await runWave(deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    const drained = fleet.journal
      .records()
      .flatMap(({ type, data, at }) =>
        type === 'intent' && data.action === 'drain' ? [Date.parse(at) - startedAt] : [],
      );
    expect(drained).toHaveLength(3);
    expect(drained.filter((ms) => ms > 130_000 && ms < 190_000)).toEqual([]);
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
    expect(fleet.violations).toEqual([]);
  });

  test('fails on an alarm in the soak; the rollback does not wait for the alarm to end', async () => {
    const { fleet, deps } = fleetUnder((ms) => (ms > 600_000 ? 'ALARM' : 'OK'));
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    expect(await runWave(deps, waveOf(fleet), image)).toMatchObject({
      outcome: 'failed',
      reason: 'web: alarms: errors is in ALARM: threshold crossed',
    });
    expect(fleet.snapshot()).toMatchObject({ web: { versions: ['2', '2', '2'] } });
    await rolledBack({ ...fleet, deps });
    expect(fleet.snapshot()).toEqual(before);
    expect(fleet.violations).toEqual([]);
  });
});
