/** The Consul drain against real servers: three of them, the replacement of one, and what goes wrong between them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { consul } from '../../pipeline/rollout/drains/consul.ts';
import type { Answer } from '../../pipeline/rollout/state.ts';
import { eventually } from '../simulator/clients.ts';
import { type ConsulCluster, consulCluster } from './consul-cluster.ts';
import { contextOf, tokenFile } from './drain-context.ts';
import { available } from './optional.ts';

const program = {
  name: 'consul',
  command: process.env.DROVER_CONSUL ?? 'consul',
  probe: ['version'],
  remedy:
    'node test/conformance/fetch-consul.ts DIRECTORY unpacks the one of Debian 11: name it in DROVER_CONSUL.',
};

describe('consul', () => {
  if (!available(program)) return;
  let cluster: ConsulCluster;
  let token = '';

  /** What the drain of server `number` says while `present` are the group's instances. */
  async function polled(number: number, present: readonly number[], given = token): Promise<Answer> {
    const drain = consul({
      type: 'consul',
      scheme: 'http',
      port: cluster.port,
      ...(given && { token_file: tokenFile(cluster, given) }),
      deadlineMs: 60_000,
      on_deadline: 'fail',
    });
    const context = contextOf(cluster, present);
    const victim = context.group.instances[present.indexOf(number)]!;
    await drain.abort(context, [victim.id]);
    return await drain.poll(context, victim);
  }
  const eventuallyPolled = async (status: Answer['status'], number: number, present: readonly number[]) => {
    const ask = async () => {
      const answer = await polled(number, present);
      return answer.status === status && answer;
    };
    return await eventually(wallClock, `the drain is ${status}`, ask, { withinMs: 50_000, everyMs: 300 });
  };

  beforeAll(async () => {
    cluster = consulCluster(program.command);
    for (const number of [1, 2, 3]) cluster.start(number);
    await cluster.voters(3, 1);
    token = await cluster.drainToken();
  });
  afterAll(() => cluster?.close());

  test('a token the servers do not know waits with what they say, and nobody leaves', async () => {
    const { status, reason } = await polled(1, [1, 2, 3], 'e3a5c8a0-0000-4000-8000-000000000000');
    expect(reason).toMatch(/\/agent\/members: 403: .*ACL not found/);
    expect(status).toBe('waiting');
    expect(cluster.hasEnded(1)).toBe(false);
  });

  test('without a token the servers show no members, which is not taken for having left', async () => {
    const { status, reason } = await polled(1, [1, 2, 3], '');
    expect(reason).toMatch(/does not list the agent that answers.*node:read/);
    expect(status).toBe('waiting');
  });

  test('a server stays until its replacement has joined', async () => {
    const { status, reason } = await polled(1, [1, 2, 3, 4]);
    expect(reason).toContain(cluster.addressOf(4));
    expect(status).toBe('waiting');
    expect(cluster.hasEnded(1)).toBe(false);
  });

  test('it leaves when the replacement is a healthy voter, and three servers remain', async () => {
    cluster.start(4);
    expect(await eventuallyPolled('passed', 1, [1, 2, 3, 4])).toMatchObject({ reason: 'server-1 has left' });
    await eventually(wallClock, 'the agent ends', async () => cluster.hasEnded(1), { withinMs: 50_000 });
  });

  test('a server that has left and is started again joins by itself, so an abort has nothing to undo', async () => {
    cluster.start(1);
    await cluster.joined(1, 2);
  });

  test('a server stays as soon as another is down, long before autopilot knows', async () => {
    await cluster.kill(2);
    const { status, reason } = await polled(3, [2, 3, 4]);
    expect(reason).toMatch(`${cluster.addressOf(2)}:${cluster.port}/v1/agent/members: connect ECONNREFUSED`);
    expect(status).toBe('waiting');
    expect(cluster.hasEnded(3)).toBe(false);
  });

  test('one whose agent is dead cannot leave, which is a failure', async () => {
    expect(await eventuallyPolled('failed', 2, [2, 3, 4])).toMatchObject({
      reason: 'the agent of server-2 has failed and cannot leave',
    });
  });
});
