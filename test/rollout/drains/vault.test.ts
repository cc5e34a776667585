import { expect, test } from 'vitest';
import type { Cloud } from '../../../pipeline/cloud/cloud.ts';
import { vault } from '../../../pipeline/rollout/drains/vault.ts';
import { runCommand } from '../../../pipeline/rollout/services/command.ts';
import { virtualClock } from '../../../pipeline/simulator/virtual-clock.ts';
import { group, instance } from '../group.ts';
import { scriptedHttp } from '../services/scripted-http.ts';

const at = (address: string) => `https://${address}:8200/v1/sys`;
const mine = at('10.0.0.1');
const other = at('10.0.0.2');

/** The answer of the HTTP API's documentation for /sys/leader, led by the other node. */
const leader = {
  ha_enabled: true,
  is_self: false,
  leader_address: 'https://10.0.0.2:8200/',
  leader_cluster_address: 'https://10.0.0.2:8201/',
  performance_standby: false,
};

function drain() {
  const script = scriptedHttp();
  script.answer(`POST ${mine}/step-down`, 204);
  script.answer(`GET ${mine}/leader`, 200, leader);
  const made = vault({ type: 'vault', scheme: 'https', port: 8200, deadlineMs: 60_000, on_deadline: 'fail' });
  const one = instance('i-1', { privateAddress: '10.0.0.1' });
  const context = {
    cloud: {} as Cloud,
    clock: virtualClock(),
    http: script.http,
    runCommand,
    release: 'r-1',
    group: group([one, instance('i-2', { privateAddress: '10.0.0.2' })]),
    signal: new AbortController().signal,
  };
  return { script, poll: (polled = one) => made.poll(context, polled) };
}

test('the active node steps down when another can take over', async () => {
  const { script, poll } = drain();
  script.answer(`GET ${mine}/health`, 200);
  script.answer(`GET ${other}/health`, 429);
  expect(await poll()).toMatchObject({
    status: 'waiting',
    reason: 'was active and has been told to step down',
  });
  expect(script.routes()).toContain(`POST ${mine}/step-down`);
});

/** Of Vault 1.14.1, shortened: the servers of its cluster as its autopilot sees them. */
const raft = (status: string, healthy = true) => ({
  data: {
    servers: {
      'vault-1': { address: '10.0.0.1:8201', node_status: 'alive', healthy: true, status: 'leader' },
      'vault-2': { address: '10.0.0.2:8201', node_status: 'alive', healthy, status },
    },
  },
});

test.each([
  { what: 'has no vote yet', state: raft('non-voter') },
  { what: 'is not healthy', state: raft('voter', false) },
])('with Raft storage the active node keeps its role while the other $what', async ({ state }) => {
  const { script, poll } = drain();
  script.answer(`GET ${mine}/health`, 200);
  script.answer(`GET ${mine}/leader`, 200, { ...leader, is_self: true, raft_committed_index: 41 });
  script.answer(`GET ${other}/health`, 429);
  script.answer(`GET ${mine}/storage/raft/autopilot/state`, 200, state);
  expect(await poll()).toMatchObject({
    status: 'waiting',
    reason: 'is active, and no other server is a healthy voter yet',
  });
  script.answer(`GET ${mine}/storage/raft/autopilot/state`, 200, raft('voter'));
  expect(await poll()).toMatchObject({ reason: 'was active and has been told to step down' });
});

test.each([503, 501, null])(
  'the active node keeps its role while the only other answers %s',
  async (status) => {
    const { script, poll } = drain();
    script.answer(`GET ${mine}/health`, 200);
    if (status !== null) script.answer(`GET ${other}/health`, status);
    expect(await poll()).toMatchObject({
      status: 'waiting',
      reason: 'is active, and no other instance of the group is an unsealed standby',
    });
    expect(script.routes()).not.toContain(`POST ${mine}/step-down`);
  },
);

test.each([429, 473])(
  'a standby (%s) passes once another node is active, and is never told to step down',
  async (status) => {
    const { script, poll } = drain();
    script.answer(`GET ${mine}/health`, status);
    script.answer(`GET ${other}/health`, 200);
    expect(await poll()).toMatchObject({
      status: 'passed',
      reason: 'is a standby; https://10.0.0.2:8200/ is active',
    });
    expect(script.routes()).not.toContain(`POST ${mine}/step-down`);
  },
);

test.each([
  { what: 'nobody leads', leads: { ...leader, leader_address: '' }, health: 200 },
  { what: 'it leads itself', leads: { ...leader, is_self: true }, health: 200 },
  { what: 'the one that leads is not active yet', leads: leader, health: 429 },
])('a standby waits while $what', async ({ leads, health }) => {
  const { script, poll } = drain();
  script.answer(`GET ${mine}/health`, 429);
  script.answer(`GET ${mine}/leader`, 200, leads);
  script.answer(`GET ${other}/health`, health);
  expect(await poll()).toMatchObject({
    status: 'waiting',
    reason: 'is a standby, and no other node is active yet',
  });
});

test.each([
  { status: 503, reason: 'is sealed' },
  { status: 501, reason: 'is not initialized' },
  { status: 472, reason: expect.stringContaining('disaster recovery secondary') },
  { status: 404, reason: `${mine}/health: 404` },
])('a node whose health is $status fails the drain', async ({ status, reason }) => {
  const { script, poll } = drain();
  script.answer(`GET ${mine}/health`, status);
  expect(await poll()).toMatchObject({ status: 'failed', reason });
});

test('a node that does not answer is waited for, and so is a refused step-down', async () => {
  const { script, poll } = drain();
  expect(await poll()).toMatchObject({
    status: 'waiting',
    reason: `GET ${mine}/health: connect ECONNREFUSED`,
  });
  script.answer(`GET ${mine}/health`, 200);
  script.answer(`GET ${other}/health`, 429);
  script.answer(`POST ${mine}/step-down`, 403, { errors: ['permission denied'] });
  expect(await poll()).toMatchObject({
    status: 'waiting',
    reason: `POST ${mine}/step-down: 403: {"errors":["permission denied"]}`,
  });
});
