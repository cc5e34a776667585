import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Cloud } from '../../../pipeline/cloud/cloud.ts';
import { kubernetes } from '../../../pipeline/rollout/drains/kubernetes.ts';
import { runCommand } from '../../../pipeline/rollout/services/command.ts';
import { httpRequest } from '../../../pipeline/rollout/services/http.ts';
import type { DrainSpec } from '../../../pipeline/rollout/spec.ts';
import { virtualClock } from '../../../pipeline/simulator/virtual-clock.ts';
import { group, instance } from '../group.ts';
import {
  type ApiServer,
  apiServer,
  type Node,
  nodeList,
  type Pod,
  podList,
  recording,
} from '../services/api-server.ts';

const nodeA = 'i-0123456789abcde0a';
const evictions = '/api/v1/namespaces/default/pods';
const blocked = 'web-6c8795dfd7-p8vmv';
const second = 'web-6c8795dfd7-p9vvx';

const cordonedBy = (annotations: Record<string, string>) =>
  nodeList(({ metadata, spec }: Node) => {
    metadata.annotations = annotations;
    spec.unschedulable = true;
  });

let server: ApiServer;
beforeEach(async () => {
  server = await apiServer();
  server.answer('GET /api/v1/nodes', cordonedBy({ 'drover/cordoned-by': 'r-1' }));
  server.replay('discover-eviction-version', 'list-pods-on-node-a-cordoned', 'cordon-node-a');
});
afterEach(() => server.close());

type KubernetesSpec = Extract<DrainSpec, { type: 'kubernetes' }>;

function drain(changes: Partial<KubernetesSpec> = {}) {
  const clock = virtualClock();
  const context = {
    cloud: {} as Cloud,
    clock,
    http: httpRequest,
    runCommand,
    release: 'r-1',
    group: group([]),
    signal: new AbortController().signal,
  };
  const spec: KubernetesSpec = {
    type: 'kubernetes',
    cluster: server.cluster,
    bare_pods: 'evict',
    local_data: 'fail',
    deadlineMs: 300_000,
    on_deadline: 'fail',
    ...changes,
  };
  const made = kubernetes(spec);
  return {
    clock,
    poll: (id = nodeA) => made.poll(context, instance(id)),
    abort: (...ids: string[]) => made.abort(context, ids),
  };
}

const asked = (route: string) => server.asked.filter((request) => request.route === route);
const only = (...names: string[]) =>
  podList((pods) => pods.filter(({ metadata }) => names.includes(metadata.name)));
const listPods = 'GET /api/v1/pods';

test('the node is cordoned and marked before any pod is evicted', async () => {
  server.answer('GET /api/v1/nodes', nodeList());
  const { poll } = drain();
  expect(await poll()).toEqual({ status: 'waiting', source: 'kubernetes', reason: 'node-a is cordoned' });
  expect(server.strangers).toEqual([]);
  expect(asked('PATCH /api/v1/nodes/node-a')).toMatchObject([
    {
      body: {
        metadata: { annotations: { 'drover/cordoned-by': 'r-1' }, resourceVersion: '198' },
        spec: { unschedulable: true },
      },
    },
  ]);
  expect(server.asked.some(({ route }) => route.endsWith('/eviction'))).toBe(false);
});

test('pods go as their budgets allow: one is held, one goes, and DaemonSet and mirror pods are left', async () => {
  server.replay('evict-blocked-by-pdb', 'evict-bare-pod');
  server.answer(`POST ${evictions}/${second}/eviction`, recording('evict-allowed').response.body, 201);
  const answer = await drain().poll();
  expect(server.strangers).toEqual([]);
  expect(answer).toEqual({
    status: 'waiting',
    source: 'kubernetes',
    reason: `2 pods on their way off; default/${blocked}: The disruption budget web needs 2 healthy pods and has 2 currently`,
  });
  const evicted = server.asked.filter(({ route }) => route.endsWith('/eviction')).map(({ route }) => route);
  expect(evicted.sort()).toEqual(
    ['bare', blocked, second].map((name) => `POST ${evictions}/${name}/eviction`),
  );
});

test('a held pod is asked for again only when the server wants it, and goes once its budget allows it', async () => {
  server.answer(listPods, only(blocked));
  server.replay('evict-blocked-by-pdb');
  const { clock, poll } = drain();
  await poll();
  await poll();
  expect(asked(`POST ${evictions}/${blocked}/eviction`)).toHaveLength(1);
  await clock.sleep(5_000);
  server.replay('evict-allowed');
  expect(await poll()).toMatchObject({ status: 'waiting', reason: '1 pod on its way off' });
  expect(asked(`POST ${evictions}/${blocked}/eviction`)).toHaveLength(2);
});

test('the server’s Retry-After is heeded', async () => {
  server.answer(listPods, only(blocked));
  const { status, body } = recording('evict-blocked-by-pdb').response;
  server.answer(`POST ${evictions}/${blocked}/eviction`, body, status, { 'Retry-After': '10' });
  const { clock, poll } = drain();
  await poll();
  await clock.sleep(9_000);
  await poll();
  expect(asked(`POST ${evictions}/${blocked}/eviction`)).toHaveLength(1);
  await clock.sleep(1_000);
  await poll();
  expect(asked(`POST ${evictions}/${blocked}/eviction`)).toHaveLength(2);
});

test('an evicted pod is waited for until it is really gone', async () => {
  const { body } = recording('get-evicted-pod-terminating').response;
  const { poll } = drain();
  server.answer(listPods, { ...podList(), items: [body] });
  expect(await poll()).toMatchObject({ status: 'waiting', reason: '1 pod on its way off' });
  expect(server.asked.some(({ route }) => route.endsWith('/eviction'))).toBe(false);
  server.answer(
    listPods,
    podList((pods) => pods.filter(({ metadata }) => /agent|static/.test(metadata.name))),
  );
  expect(await poll()).toMatchObject({ status: 'passed', reason: 'no pod left on node-a but 2 of its own' });
});

test.each(['evict-gone', 'evict-again-while-terminating'])('%s is no refusal', async (step) => {
  server.answer(listPods, only(blocked));
  server.replay(step);
  expect(await drain().poll()).toMatchObject({ status: 'waiting', reason: '1 pod on its way off' });
  expect(server.strangers).toEqual([]);
});

test('a pod under two budgets is held, and both are named', async () => {
  server.answer(listPods, only(second));
  server.replay('evict-with-two-pdbs', 'list-pdbs-allowing-one');
  const { items, ...list } = recording('list-pdbs-allowing-one').response.body as { items: object[] };
  const too = recording('create-second-pdb-same-pods').response.body;
  server.answer('GET /apis/policy/v1/poddisruptionbudgets', { ...list, items: [...items, too] });
  expect(await drain().poll()).toMatchObject({
    status: 'waiting',
    reason: `default/${second}: is under several budgets, which Kubernetes cannot evict: default/web, default/web-too`,
  });
  expect(server.strangers).toEqual([]);
});

test('a bare pod fails the drain before anything is evicted, as kubectl does without --force', async () => {
  expect(await drain({ bare_pods: 'fail' }).poll()).toMatchObject({
    status: 'failed',
    reason: expect.stringContaining('default/bare has no controller'),
  });
  expect(server.asked.some(({ route }) => route.endsWith('/eviction'))).toBe(false);
});

test('where the deadline’s policy lets the node go all the same, everything else is evicted first', async () => {
  server.answer(listPods, only('bare', blocked));
  server.replay('evict-allowed');
  const { poll } = drain({ bare_pods: 'fail', on_deadline: 'force' });
  expect(await poll()).toMatchObject({ status: 'waiting', reason: '1 pod on its way off' });
  server.answer(listPods, only('bare'));
  expect(await poll()).toMatchObject({ status: 'failed', reason: expect.stringContaining('default/bare') });
});

test.each([
  { local_data: 'fail' as const, status: 'failed' },
  { local_data: 'evict' as const, status: 'waiting' },
])('a pod with an emptyDir is $status with local_data: $local_data', async ({ local_data, status }) => {
  const withData = (pod: Pod) => ({
    ...pod,
    spec: { ...pod.spec, volumes: [{ name: 'scratch', emptyDir: {} }] },
  });
  server.answer(
    listPods,
    podList((pods) => pods.filter((p) => p.metadata.name === blocked).map(withData)),
  );
  server.replay('evict-allowed');
  expect(await drain({ local_data }).poll()).toMatchObject({ status });
});

test('a node whose kubelet has fallen silent is waited for until its pods’ grace periods are over', async () => {
  const silent = cordonedBy({}) as { items: Node[] };
  for (const { status } of silent.items) status.conditions = [{ type: 'Ready', status: 'Unknown' }];
  server.answer('GET /api/v1/nodes', silent);
  const { body } = recording('get-evicted-pod-terminating').response as unknown as { body: Pod };
  server.answer(listPods, { ...podList(), items: [body] });
  const { clock, poll } = drain();
  const endsAt = Date.parse(body.metadata.deletionTimestamp!);
  clock.skip(endsAt - 1 - clock.now());
  expect(await poll()).toMatchObject({ status: 'waiting' });
  clock.skip(1);
  expect(await poll()).toMatchObject({ status: 'passed' });
});

test('pods that have ended are none of its business', async () => {
  const ended = (pod: Pod) => ({ ...pod, status: { ...pod.status, phase: 'Succeeded' } });
  server.answer(
    listPods,
    podList((pods) => pods.map(ended)),
  );
  expect(await drain().poll()).toMatchObject({ status: 'passed' });
});

test('an instance that is no node of the cluster has nothing to drain there, and the reason says so', async () => {
  expect(await drain().poll('i-0fffffffffffffff0')).toEqual({
    status: 'passed',
    source: 'kubernetes',
    reason: 'is no node of Kubernetes context test',
  });
});

test('nodes are found on every page of the list', async () => {
  const first = recording('list-nodes-paged').response.body as { metadata: { continue: string } };
  const nodeB = recording('node-b-ready').response.body as { spec: object };
  const last = {
    kind: 'NodeList',
    metadata: {},
    items: [{ ...nodeB, spec: { ...nodeB.spec, unschedulable: true } }],
  };
  server.answer('GET /api/v1/nodes', (query) =>
    query.get('continue') === first.metadata.continue ? last : first,
  );
  server.answer(listPods, only());
  expect(await drain().poll('i-0123456789abcde0b')).toMatchObject({
    status: 'passed',
    reason: 'no pod left on node-b but 0 of its own',
  });
});

test('an eviction API of before 1.22 is spoken to in its own version', async () => {
  server.answer(listPods, only(blocked));
  const { body } = recording('discover-eviction-version').response as {
    body: { resources?: { name: string }[] };
  };
  const resources = body.resources!.map((one) =>
    one.name === 'pods/eviction' ? { ...one, version: 'v1beta1' } : one,
  );
  server.answer('GET /api/v1', { ...body, resources });
  server.replay('evict-with-other-api-version');
  await drain().poll();
  expect(server.strangers).toEqual([]);
});

test('an operator’s cordon is neither claimed nor given back', async () => {
  server.answer('GET /api/v1/nodes', cordonedBy({}));
  server.answer(listPods, only());
  const { poll, abort } = drain();
  await poll();
  await abort(nodeA);
  expect(asked('PATCH /api/v1/nodes/node-a')).toEqual([]);
});

test.each(['r-1', 'r-0'])('aborting gives back the cordon of a release: %s', async (release) => {
  server.answer('GET /api/v1/nodes', cordonedBy({ 'drover/cordoned-by': release }));
  server.replay('uncordon-node-a');
  server.answer(listPods, only());
  const { poll, abort } = drain();
  await poll();
  expect(asked('PATCH /api/v1/nodes/node-a')).toEqual([]);
  await abort(nodeA);
  expect(server.strangers).toEqual([]);
  expect(asked('PATCH /api/v1/nodes/node-a')).toMatchObject([
    { body: { metadata: { annotations: { 'drover/cordoned-by': null } }, spec: { unschedulable: null } } },
  ]);
});

test('a node that changed between reading and cordoning is read again', async () => {
  server.answer('GET /api/v1/nodes', nodeList());
  const { poll } = drain();
  server.answer('PATCH /api/v1/nodes/node-a', { message: 'the object has been modified' }, 409);
  expect(await poll()).toMatchObject({ status: 'waiting', reason: expect.stringContaining('409') });
  expect(asked('GET /api/v1/nodes').length).toBeGreaterThan(1);
});

test('an API server that says no is waited for, with its own words and the place', async () => {
  server.answer('GET /api/v1/nodes', { message: 'nodes is forbidden: User "drover" cannot list' }, 403);
  expect(await drain().poll()).toEqual({
    status: 'waiting',
    source: 'kubernetes',
    reason: `list nodes of ${server.url}: 403: nodes is forbidden: User "drover" cannot list`,
  });
});

test('an API server that is not there is waited for', async () => {
  await server.stop();
  expect(await drain().poll()).toMatchObject({
    status: 'waiting',
    reason: expect.stringMatching(/^list nodes of http:.*: no answer \(.*ECONNREFUSED/),
  });
});

test('a cordon that cannot be given back is an error that says where it may still be', async () => {
  server.answer('GET /api/v1/nodes', { message: 'overloaded' }, 503);
  await expect(drain().abort(nodeA)).rejects.toThrow(
    /^uncordon \(annotation drover\/cordoned-by\): NotUndone: i-0123456789abcde0a: .*503: overloaded/,
  );
});

test('a context the kubeconfig does not have is told with those it has', async () => {
  const cluster = { ...server.cluster, context: 'prod' };
  expect(await drain({ cluster }).poll()).toMatchObject({
    status: 'waiting',
    reason: expect.stringMatching(/^Kubernetes context prod: no such context in .*; it has test$/),
  });
});
