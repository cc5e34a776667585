import { expect, test } from 'vitest';
import type { Cloud } from '../../../pipeline/cloud/cloud.ts';
import { nomad } from '../../../pipeline/rollout/drains/nomad.ts';
import { runCommand } from '../../../pipeline/rollout/services/command.ts';
import { virtualClock } from '../../../pipeline/simulator/virtual-clock.ts';
import { group, instance } from '../group.ts';
import { scriptedHttp } from '../services/scripted-http.ts';

const api = 'https://nomad.internal:4646';
const id = '1ac61e33-a465-2ace-f63f-cffa1285e7eb';
const node = `${api}/v1/node/${id}`;

/** The node of the HTTP API's documentation ("Read Node"), shortened to what matters, on the instance i-1. */
const documented = {
  Attributes: { 'unique.hostname': 'mew', 'unique.platform.aws.instance-id': 'i-1' },
  DrainStrategy: null as object | null,
  ID: id,
  LastDrain: null as { AccessorID: string; Meta: object | null; Status: string } | null,
  Meta: { 'connect.log_level': 'info' } as Record<string, string> | null,
  Name: 'mew',
  SchedulingEligibility: 'eligible',
  Status: 'ready',
};
const ours = { drover_release: 'r-1', drover_eligible_before: 'true' };
const lastDrain = (Status: string, Meta: object | null = ours) => ({ AccessorID: '4e1b7ce1', Meta, Status });
const drained = {
  ...documented,
  LastDrain: lastDrain('complete'),
  SchedulingEligibility: 'ineligible',
};
const draining = {
  ...documented,
  DrainStrategy: { Deadline: 270_000_000_000, IgnoreSystemJobs: false },
  LastDrain: lastDrain('draining'),
  SchedulingEligibility: 'ineligible',
};

function drain(seen: typeof documented = documented, allocations: object[] | null = []) {
  const script = scriptedHttp();
  script.answer(`GET ${api}/v1/nodes`, 200, [
    { Address: '10.138.0.9', ID: 'f7476465-4d6e-c0de-26d0-e383c49be941', Status: 'ready' },
    { Address: '10.0.0.1', ID: id, Status: 'ready' },
  ]);
  script.answer(`GET ${api}/v1/node/f7476465-4d6e-c0de-26d0-e383c49be941`, 200, {
    ...documented,
    ID: 'f7476465-4d6e-c0de-26d0-e383c49be941',
    Attributes: {},
  });
  script.answer(`GET ${node}`, 200, seen);
  script.answer(`GET ${node}/allocations`, 200, allocations);
  for (const path of ['drain', 'eligibility']) script.answer(`POST ${node}/${path}`, 200, { Index: 3742 });
  const made = nomad({
    type: 'nomad',
    address: api,
    instance_id: 'unique.platform.aws.instance-id',
    token_env: 'DROVER_TEST_NOMAD_TOKEN',
    deadlineMs: 300_000,
    on_deadline: 'fail',
  });
  const one = instance('i-1');
  const context = {
    cloud: {} as Cloud,
    clock: virtualClock(),
    http: script.http,
    runCommand,
    release: 'r-1',
    group: group([one]),
    signal: new AbortController().signal,
  };
  return {
    script,
    poll: (polled = one) => made.poll(context, polled),
    abort: (...ids: string[]) => made.abort(context, ids),
    posted: () => script.asked.filter(({ method }) => method === 'POST').map(({ body }) => JSON.parse(body!)),
  };
}

process.env.DROVER_TEST_NOMAD_TOKEN = 'secret';

test('the client of the instance is drained within nine tenths of the deadline, and told for whom', async () => {
  const { poll, posted, script } = drain();
  expect(await poll()).toMatchObject({ status: 'waiting', reason: 'mew has been told to drain' });
  expect(posted()).toEqual([
    {
      DrainSpec: { Deadline: 270_000_000_000, IgnoreSystemJobs: false },
      Meta: { drover_release: 'r-1', drover_eligible_before: 'true' },
    },
  ]);
  expect(script.routes()).toEqual([`GET ${api}/v1/nodes`, `GET ${node}`, `POST ${node}/drain`]);
  expect(script.asked.map(({ headers }) => headers?.['X-Nomad-Token'])).toEqual([
    'secret',
    'secret',
    'secret',
  ]);
});

test('a drain that has been begun is waited for until Nomad calls it complete', async () => {
  const { poll, posted } = drain(draining);
  expect(await poll()).toMatchObject({ status: 'waiting', reason: 'mew: its drain is not complete' });
  expect(posted()).toEqual([]);
});

test('a drain under way is left alone and waited for', async () => {
  const { poll, posted } = drain(draining, [
    { Name: 'webapp.webapp[0]', ClientStatus: 'running' },
    { Name: 'webapp.webapp[1]', ClientStatus: 'complete' },
  ]);
  expect(await poll()).toEqual({
    status: 'waiting',
    source: 'nomad',
    reason: 'mew: 1 allocations have not ended',
  });
  expect(posted()).toEqual([]);
});

test.each([
  { allocations: null, status: 'passed' },
  { allocations: [{ Name: 'a', ClientStatus: 'complete' }], status: 'passed' },
  { allocations: [{ Name: 'a', ClientStatus: 'failed' }], status: 'passed' },
  { allocations: [{ Name: 'a', ClientStatus: 'lost' }], status: 'passed' },
  { allocations: [{ Name: 'a', ClientStatus: 'running' }], status: 'waiting' },
  { allocations: [{ Name: 'a', ClientStatus: 'pending' }], status: 'waiting' },
  { allocations: [{ Name: 'a', ClientStatus: 'unknown' }], status: 'waiting' },
])('a complete drain with allocations $allocations is $status', async ({ allocations, status }) => {
  const { poll, posted } = drain(drained, allocations);
  expect(await poll()).toMatchObject({ status });
  expect(posted()).toEqual([]);
});

test('a node that was drained and takes work again is drained again', async () => {
  const { poll, posted } = drain({ ...drained, SchedulingEligibility: 'eligible' });
  expect(await poll()).toMatchObject({ status: 'waiting' });
  expect(posted()).toHaveLength(1);
});

test('an instance that is no client has nothing to drain there', async () => {
  expect(await drain().poll(instance('i-2'))).toMatchObject({
    status: 'passed',
    reason: `is no client of Nomad at ${api}`,
  });
});

test('a client is also known by a meta key', async () => {
  const { poll, posted } = drain({
    ...documented,
    Attributes: { 'unique.hostname': 'mew' } as never,
    Meta: { 'unique.platform.aws.instance-id': 'i-1' },
  });
  await poll();
  expect(posted()).toHaveLength(1);
});

test.each([
  {
    what: 'a drain under way is ended',
    seen: draining,
    body: { DrainSpec: null, MarkEligible: true },
    to: 'drain',
  },
  { what: 'a complete drain is undone', seen: drained, body: { Eligibility: 'eligible' }, to: 'eligibility' },
])('aborting: $what, and the node takes work again', async ({ seen, body, to }) => {
  const { abort, posted, script } = drain(seen);
  await abort('i-1');
  expect(posted()).toEqual([body]);
  expect(script.routes().at(-1)).toBe(`POST ${node}/${to}`);
});

test('a node that took no work before does not take any after an abort', async () => {
  const Meta = { ...ours, drover_eligible_before: 'false' };
  const { abort, posted } = drain({ ...draining, LastDrain: lastDrain('draining', Meta) });
  await abort('i-1');
  expect(posted()).toEqual([{ DrainSpec: null, MarkEligible: false }]);
});

test.each([
  { whose: 'an operator', Meta: { message: 'node maintenance' } },
  { whose: 'somebody who left no word', Meta: null },
])('a drain of $whose is not undone', async ({ Meta }) => {
  const { abort, posted } = drain({ ...draining, LastDrain: lastDrain('draining', Meta) });
  await abort('i-1');
  expect(posted()).toEqual([]);
});

test('Nomad saying no is waited for while draining, and an error when giving back', async () => {
  const { script, poll, abort } = drain();
  script.answer(`GET ${api}/v1/nodes`, 403, 'Permission denied');
  expect(await poll()).toEqual({
    status: 'waiting',
    source: 'nomad',
    reason: `GET ${api}/v1/nodes: 403: "Permission denied"`,
  });
  await expect(abort('i-1')).rejects.toThrow(/end the Nomad drain: NotUndone: i-1: GET .*403/);
});

test('a token that is not there is told by the name of its variable, and nothing is sent', async () => {
  const { poll, script } = drain();
  delete process.env.DROVER_TEST_NOMAD_TOKEN;
  expect(await poll()).toMatchObject({
    status: 'waiting',
    reason: expect.stringContaining('the environment has no DROVER_TEST_NOMAD_TOKEN'),
  });
  process.env.DROVER_TEST_NOMAD_TOKEN = 'secret';
  expect(script.asked).toEqual([]);
});
