import type { V1DaemonSet, V1LabelSelector, V1Node } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cloud } from '../../../pipeline/cloud/cloud.ts';
import { kubernetes } from '../../../pipeline/rollout/gates/kubernetes.ts';
import { runCommand } from '../../../pipeline/rollout/services/command.ts';
import { selects, wants } from '../../../pipeline/rollout/services/kubernetes/selectors.ts';
import { virtualClock } from '../../../pipeline/simulator/virtual-clock.ts';
import { instance } from '../group.ts';
import {
  type ApiServer,
  apiServer,
  type Node,
  nodeList,
  type Pod,
  podList,
  recording,
} from '../services/api-server.ts';

let server: ApiServer;
beforeEach(async () => {
  server = await apiServer();
  server.answer('GET /api/v1/nodes', nodeList());
  server.replay('list-pods-on-node-a-cordoned');
  const agent = recording('create-daemonset').response.body;
  server.answer('GET /apis/apps/v1/daemonsets', { kind: 'DaemonSetList', metadata: {}, items: [agent] });
});
afterEach(async () => {
  expect(server.strangers).toEqual([]);
  await server.close();
});

const ask = (served = false, id = 'i-0123456789abcde0a') =>
  kubernetes(
    { type: 'kubernetes', cluster: server.cluster },
    { release: 'r-1', group: 'web', instance: instance(id), served },
    {
      cloud: {} as Cloud,
      clock: virtualClock(),
      http: async () => ({ status: 500, body: '' }),
      runCommand,
      signal: new AbortController().signal,
    },
  );

const withReady = (status: string) => (node: Node) => {
  node.status.conditions = [{ type: 'Ready', status, reason: 'KubeletNotReady' }];
};

test('a Ready node whose DaemonSets run passes', async () => {
  expect(await ask()).toEqual({
    status: 'passed',
    source: 'kubernetes',
    reason: 'node-a is Ready and its DaemonSets run',
  });
});

test('an instance that is no node yet is waited for', async () => {
  expect(await ask(false, 'i-0fffffffffffffff0')).toMatchObject({
    status: 'waiting',
    reason: 'is no node of Kubernetes context test yet',
  });
});

test.each([
  { is: 'False', served: false, status: 'waiting' },
  { is: 'Unknown', served: false, status: 'waiting' },
  { is: 'False', served: true, status: 'failed' },
])('a node whose condition Ready is $is is $status (served: $served)', async ({ is, served, status }) => {
  server.answer('GET /api/v1/nodes', nodeList(withReady(is)));
  expect(await ask(served)).toMatchObject({ status, reason: `node-a is not Ready: ${is} (KubeletNotReady)` });
});

test.each([
  {
    what: 'is missing',
    change: (pods: Pod[]) => pods.filter(({ metadata }) => !metadata.name.startsWith('agent')),
  },
  {
    what: 'is not ready',
    change: (pods: Pod[]) =>
      pods.map((pod) => ({
        ...pod,
        status: { ...pod.status, conditions: [{ type: 'Ready', status: 'False' }] },
      })),
  },
  {
    what: 'is pending',
    change: (pods: Pod[]) => pods.map((pod) => ({ ...pod, status: { phase: 'Pending' } })),
  },
  {
    what: 'is being deleted',
    change: (pods: Pod[]) =>
      pods.map((pod) => ({
        ...pod,
        metadata: { ...pod.metadata, deletionTimestamp: '2026-11-22T04:00:00Z' },
      })),
  },
])('a DaemonSet whose pod there $what is waited for', async ({ change }) => {
  server.answer('GET /api/v1/pods', podList(change));
  expect(await ask(true)).toMatchObject({
    status: 'waiting',
    reason: 'DaemonSet default/agent not ready there',
  });
});

test('an API server that says no is waited for: the gate’s deadline fails closed', async () => {
  server.answer('GET /apis/apps/v1/daemonsets', { message: 'daemonsets.apps is forbidden' }, 403);
  expect(await ask()).toMatchObject({
    status: 'waiting',
    reason: `list daemonsets of ${server.url}: 403: daemonsets.apps is forbidden`,
  });
});

describe('whether a DaemonSet wants a node', () => {
  const daemonSet = (spec: object): V1DaemonSet =>
    ({ spec: { selector: {}, template: { spec: { containers: [], ...spec } } } }) as V1DaemonSet;
  const node: V1Node = {
    metadata: { name: 'node-a', labels: { arch: 'arm64', cores: '8' } },
    spec: { taints: [{ key: 'gpu', value: 'a10', effect: 'NoSchedule' }] },
  };
  const untainted: V1Node = { ...node, spec: {} };
  const affine = (...terms: object[]) => ({
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
    },
  });
  const expression = (key: string, operator: string, ...values: string[]) => ({
    matchExpressions: [{ key, operator, values }],
  });

  test.each([
    { what: 'no wishes', spec: {}, on: untainted, expected: true },
    {
      what: 'a node selector that fits',
      spec: { nodeSelector: { arch: 'arm64' } },
      on: untainted,
      expected: true,
    },
    {
      what: 'a node selector that does not',
      spec: { nodeSelector: { arch: 'amd64' } },
      on: untainted,
      expected: false,
    },
    {
      what: 'an affinity that fits',
      spec: affine(expression('cores', 'Gt', '4')),
      on: untainted,
      expected: true,
    },
    {
      what: 'an affinity that does not',
      spec: affine(expression('arch', 'NotIn', 'arm64')),
      on: untainted,
      expected: false,
    },
    {
      what: 'two terms, one of which fits',
      spec: affine(expression('arch', 'In', 'amd64'), {
        matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-a'] }],
      }),
      on: untainted,
      expected: true,
    },
    { what: 'another node’s name', spec: { nodeName: 'node-b' }, on: untainted, expected: false },
    { what: 'an affinity to nothing', spec: affine({}), on: untainted, expected: false },
    { what: 'no toleration of a taint', spec: {}, on: node, expected: false },
    {
      what: 'a toleration of everything',
      spec: { tolerations: [{ operator: 'Exists' }] },
      on: node,
      expected: true,
    },
    {
      what: 'a toleration of that value',
      spec: { tolerations: [{ key: 'gpu', value: 'a10', effect: 'NoSchedule' }] },
      on: node,
      expected: true,
    },
    {
      what: 'a toleration of another value',
      spec: { tolerations: [{ key: 'gpu', value: 'a100' }] },
      on: node,
      expected: false,
    },
    {
      what: 'nothing against a cordon, which DaemonSets always tolerate',
      spec: {},
      on: { ...node, spec: { taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }] } },
      expected: true,
    },
  ])('with $what: $expected', ({ spec, on, expected }) => {
    expect(wants(daemonSet(spec), on)).toBe(expected);
  });
});

test.each([
  { selector: { matchLabels: { app: 'web' } }, expected: true },
  { selector: { matchLabels: { app: 'api' } }, expected: false },
  {
    selector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['api', 'web'] }] },
    expected: true,
  },
  { selector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] }, expected: false },
  { selector: { matchExpressions: [{ key: 'tier', operator: 'Exists' }] }, expected: false },
  { selector: {}, expected: true },
  { selector: undefined, expected: false },
] as { selector: V1LabelSelector | undefined; expected: boolean }[])(
  'a label selector $selector selects app=web: $expected',
  ({ selector, expected }) => {
    expect(selects(selector, { app: 'web' })).toBe(expected);
  },
);
