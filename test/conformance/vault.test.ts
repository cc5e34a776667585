/** The Vault drain against real servers: who is active steps down, and only where another can take over. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { vault } from '../../pipeline/rollout/drains/vault.ts';
import type { Answer } from '../../pipeline/rollout/state.ts';
import { eventually } from '../simulator/clients.ts';
import { contextOf, tokenFile } from './drain-context.ts';
import { available } from './optional.ts';
import { type VaultCluster, vaultCluster } from './vault-cluster.ts';

const program = {
  name: 'vault',
  command: process.env.DROVER_VAULT ?? 'vault',
  probe: ['version'],
  remedy: '.ci/orchestrators.sh builds it from Go modules; name another in DROVER_VAULT.',
};

describe('vault', () => {
  if (!available(program)) return;
  let cluster: VaultCluster;
  let token = '';

  /** What the drain of server `number` says while `present` are the group's instances. */
  async function polled(number: number, present: readonly number[], given = token): Promise<Answer> {
    const drain = vault({
      type: 'vault',
      scheme: 'http',
      port: cluster.port,
      token_file: tokenFile(cluster, given),
      deadlineMs: 60_000,
      on_deadline: 'fail',
    });
    const context = contextOf(cluster, present);
    return await drain.poll(context, context.group.instances[present.indexOf(number)]!);
  }
  const eventuallyPolled = async (reason: RegExp, number: number, present: readonly number[]) => {
    const ask = async () => reason.test((await polled(number, present)).reason);
    await eventually(wallClock, String(reason), ask, { withinMs: 50_000, everyMs: 200 });
  };

  beforeAll(async () => {
    cluster = vaultCluster(program.command);
    await cluster.start(1);
    await cluster.initialize();
    await cluster.unseal(1);
    token = await cluster.token('drain');
  }, 120_000);
  afterAll(() => cluster?.close());

  test('who is active stays so while no other has a vote yet, which takes a new server some seconds', async () => {
    await cluster.start(2);
    await cluster.unseal(2);
    expect(await polled(1, [1, 2])).toMatchObject({
      status: 'waiting',
      reason: 'is active, and no other server is a healthy voter yet',
    });
    expect(await cluster.healthOf(1)).toBe(200);
    await cluster.start(3);
    await cluster.unseal(3);
    await cluster.voters(3);
  }, 120_000);

  test.each([
    ['path "secret/*" { capabilities = ["read"] }', /raft\/autopilot\/state: 403: .*permission denied/],
    [
      'path "sys/storage/raft/autopilot/state" { capabilities = ["read"] }',
      /\/v1\/sys\/step-down: 403: .*permission denied/,
    ],
  ])('a token with no more than %s waits with what Vault says', async (rules, said) => {
    const { status, reason } = await polled(1, [1, 2, 3], await cluster.token('other', rules));
    expect(reason).toMatch(said);
    expect(status).toBe('waiting');
    expect(await cluster.healthOf(1)).toBe(200);
  });

  test('a standby is drained while another is active', async () => {
    expect(await polled(2, [1, 2, 3])).toMatchObject({
      status: 'passed',
      reason: `is a standby; http://${cluster.addressOf(1)}:${cluster.port} is active`,
    });
  });

  test('who is active steps down where another can take over, and is drained when that one has', async () => {
    expect(await polled(1, [1, 2, 3])).toMatchObject({
      status: 'waiting',
      reason: 'was active and has been told to step down',
    });
    await eventuallyPolled(/^is a standby; .* is active$/, 1, [1, 2, 3]);
    expect(await Promise.all([2, 3].map(cluster.healthOf))).toContain(200);
  }, 60_000);

  test('who is active keeps its role while the only other of its group is sealed', async () => {
    const active = await cluster.active();
    const other = active === 3 ? 2 : 3;
    await cluster.kill(other);
    await cluster.start(other);
    expect(await polled(active, [active, other])).toMatchObject({
      status: 'waiting',
      reason: 'is active, and no other instance of the group is an unsealed standby',
    });
    expect(await cluster.healthOf(active)).toBe(200);
    expect(await polled(other, [1, 2, 3])).toMatchObject({ status: 'failed', reason: 'is sealed' });
  }, 60_000);

  test('a server that is dead waits for its deadline', async () => {
    await cluster.kill(1);
    const { status, reason } = await polled(1, [1, 2, 3]);
    expect(reason).toMatch('connect ECONNREFUSED');
    expect(status).toBe('waiting');
  });
});
