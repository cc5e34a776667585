/** The Nomad drain against a real server and two of its clients, with work on them. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { nomad } from '../../pipeline/rollout/drains/nomad.ts';
import { eventually } from '../simulator/clients.ts';
import { contextOf, tokenFile } from './drain-context.ts';
import { type NomadCluster, nomadCluster } from './nomad-cluster.ts';
import { available } from './optional.ts';

const program = {
  name: 'nomad',
  command: process.env.DROVER_NOMAD ?? 'nomad',
  probe: ['version'],
  remedy: '.ci/orchestrators.sh builds it from Go modules; name another in DROVER_NOMAD.',
};
const seconds = { withinMs: 60_000, everyMs: 300 };
const long = 'exec sleep 600';
/** Does not end when it is told to. */
const stubborn = 'trap "" INT TERM; while :; do sleep 1; done';

describe('nomad', () => {
  if (!available(program)) return;
  let cluster: NomadCluster;
  let token = '';

  /** The drain of the instances of clients 2 and 3, and of one that is no client. */
  function drain(given = token) {
    const made = nomad({
      type: 'nomad',
      address: cluster.address,
      instance_id: 'instance',
      token_file: tokenFile(cluster, given),
      deadlineMs: 60_000,
      on_deadline: 'fail',
    });
    const context = contextOf(cluster, [2, 3, 4]);
    const poll = (number: number) => made.poll(context, context.group.instances[number - 2]!);
    return {
      poll,
      abort: (number: number) => made.abort(context, [`i-${number}`]),
      passed: (number: number) =>
        eventually(
          wallClock,
          'the drain passes',
          async () => {
            const answer = await poll(number);
            return answer.status === 'passed' && answer;
          },
          seconds,
        ),
    };
  }

  beforeAll(async () => {
    cluster = nomadCluster(program.command);
    await cluster.startServer();
    await Promise.all([2, 3].map((number) => cluster.startClient(number)));
    token = await cluster.token('drain');
  }, 120_000);
  afterEach(async () => {
    for (const number of [2, 3]) {
      await drain().abort(number);
      await cluster.setEligible(number, true);
    }
  });
  afterAll(() => cluster?.close());

  test('a token the server does not know waits with what it says', async () => {
    const { status, reason } = await drain('e3a5c8a0-0000-4000-8000-000000000000').poll(2);
    expect(reason).toMatch(/\/v1\/nodes: 403: Permission denied/);
    expect(status).toBe('waiting');
  });

  test('a token that may only read drains nothing, and says so', async () => {
    const reader = await cluster.token(
      'reader',
      'node { policy = "read" } namespace "*" { policy = "read" }',
    );
    const { status, reason } = await drain(reader).poll(2);
    expect(reason).toMatch(/\/drain: 403: Permission denied/);
    expect(status).toBe('waiting');
    expect(await cluster.node(2)).toEqual({ eligible: true, draining: false });
  });

  test('an instance that is no client has nothing to drain', async () => {
    expect(await drain().poll(4)).toMatchObject({
      status: 'passed',
      reason: `is no client of Nomad at ${cluster.address}`,
    });
  });

  test('a client is drained when its work runs elsewhere, and takes work again after an abort', async () => {
    await cluster.run('web', long, { count: 2, killTimeoutMs: 1_000 });
    expect(await drain().poll(2)).toMatchObject({ reason: 'nomad-2 has been told to drain' });
    expect(await drain().passed(2)).toMatchObject({ reason: 'nomad-2 is drained' });
    expect(await cluster.node(2)).toEqual({ eligible: false, draining: false });
    await eventually(
      wallClock,
      'both run at client 3',
      async () => (await cluster.placesOf('web')).join() === '3,3',
      seconds,
    );
    await drain().abort(2);
    expect(await cluster.node(2)).toEqual({ eligible: true, draining: false });
    await cluster.stop('web');
  }, 90_000);

  test('a client that took no work before takes none after an abort', async () => {
    await cluster.setEligible(3, false);
    await drain().passed(3);
    await drain().abort(3);
    expect(await cluster.node(3)).toEqual({ eligible: false, draining: false });
  });

  test('what does not end by itself is waited for, named, until an abort ends the drain', async () => {
    await cluster.setEligible(3, false);
    await cluster.run('stubborn', stubborn, { count: 1, killTimeoutMs: 10_000 });
    await drain().poll(2);
    expect(await drain().poll(2)).toMatchObject({
      status: 'waiting',
      reason: 'nomad-2: 1 allocations have not ended',
    });
    expect(await cluster.node(2)).toEqual({ eligible: false, draining: true });
    await drain().abort(2);
    expect(await cluster.node(2)).toEqual({ eligible: true, draining: false });
    await cluster.stop('stubborn');
  }, 60_000);
});
