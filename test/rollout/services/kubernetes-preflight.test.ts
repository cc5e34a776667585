import { afterEach, beforeEach, expect, test } from 'vitest';
import { preflight } from '../../../pipeline/rollout/preflight.ts';
import type { DrainSpec, GroupSpec } from '../../../pipeline/rollout/spec.ts';
import { fleetOf, waveOf } from '../fleet.ts';
import { type ApiServer, apiServer, nodeList, podList, recording } from './api-server.ts';

const budgets = 'GET /apis/policy/v1/poddisruptionbudgets';

let server: ApiServer;
beforeEach(async () => {
  server = await apiServer();
  server.replay('discover-eviction-version', 'list-pdbs-allowing-one');
  server.answer('GET /api/v1/pods', (query) =>
    query.get('fieldSelector') === 'spec.nodeName=node-a' ? podList() : podList(() => []),
  );
});
afterEach(() => server.close());

type KubernetesSpec = Extract<DrainSpec, { type: 'kubernetes' }>;

/** Of a group of two, whose instances are the two recorded nodes. */
const notices = (changes: Partial<KubernetesSpec> = {}, desired = 2): Promise<string[]> =>
  noticesOf(
    {
      drain: [
        {
          type: 'kubernetes',
          cluster: server.cluster,
          bare_pods: 'evict',
          local_data: 'evict',
          deadlineMs: 300_000,
          on_deadline: 'fail',
          ...changes,
        },
      ],
    },
    desired,
  );

async function noticesOf(spec: Partial<GroupSpec>, desired = 2): Promise<string[]> {
  const fleet = fleetOf({ web: { desired } }, { specs: { web: spec } });
  const ids = Object.keys(fleet.world.groups.web!.members);
  server.answer(
    'GET /api/v1/nodes',
    nodeList((node) => {
      node.spec.providerID = `aws:///eu-central-1a/${ids[node.metadata.name === 'node-a' ? 0 : 1]}`;
    }),
  );
  const [plan] = await preflight(fleet, [waveOf(fleet)]);
  expect(server.strangers).toEqual([]);
  return plan!.notices;
}

test.each([
  { on_deadline: 'fail' as const, ending: 'the rollout fails' },
  { on_deadline: 'skip' as const, ending: 'this step of the drain is given up' },
  { on_deadline: 'force' as const, ending: 'the instance is terminated all the same' },
])('a budget that allows nothing is named with what follows: $ending', async ({ on_deadline, ending }) => {
  server.replay('list-pdbs-allowing-nothing');
  expect(await notices({ on_deadline })).toEqual([
    `budget default/web allows no eviction now (needs 2 healthy pods, has 2) and covers 2 pods here: unless it changes, after 300 s ${ending}`,
  ]);
});

test('a budget that allows an eviction is nothing to speak of', async () => {
  expect(await notices()).toEqual([]);
});

test('a budget that allows nothing is nothing to speak of while none of its pods is here', async () => {
  server.replay('list-pdbs-allowing-nothing');
  server.answer(
    'GET /api/v1/pods',
    podList((pods) => pods.filter(({ metadata }) => metadata.name === 'bare')),
  );
  expect(await notices()).toEqual([]);
});

test('pods under two budgets are found before their eviction fails', async () => {
  const { items, ...list } = recording('list-pdbs-allowing-one').response.body as { items: object[] };
  const second = {
    ...recording('create-second-pdb-same-pods').response.body,
    status: { disruptionsAllowed: 1 },
  };
  server.answer(budgets, { ...list, items: [...items, second] });
  expect(await notices()).toEqual([
    'pods under both default/web and default/web-too cannot be evicted by Kubernetes: after 300 s the rollout fails',
  ]);
});

test('pods the configuration does not let go are named with the setting that would', async () => {
  expect(await notices({ bare_pods: 'fail' })).toEqual([
    'pod default/bare has no controller to start it again elsewhere (bare_pods: evict allows it): after 300 s the rollout fails',
  ]);
});

test('instances that are no nodes of the cluster are counted, because nothing would be drained from them', async () => {
  expect(await notices({}, 3)).toEqual([
    '1 of 3 instances are no nodes of Kubernetes context test: nothing is drained there',
  ]);
});

test('a cluster that cannot be asked is refused before anything is changed', async () => {
  server.answer(budgets, { message: 'poddisruptionbudgets.policy is forbidden' }, 403);
  await expect(notices()).rejects.toMatchObject({
    kind: 'environment',
    message: expect.stringMatching(
      /group web depends on Kubernetes.* list poddisruptionbudgets of http.*: 403: .* is forbidden/,
    ),
    remedy: expect.stringContaining('list nodes, pods and poddisruptionbudgets'),
  });
});

test('a gate on nodes is looked at, too: which instances are none, and whether the cluster can be asked', async () => {
  const gates = [
    { type: 'target-health' as const },
    { type: 'kubernetes' as const, cluster: server.cluster },
  ];
  server.answer('GET /apis/apps/v1/daemonsets', { kind: 'DaemonSetList', metadata: {}, items: [] });
  expect(await noticesOf({ gates }, 3)).toEqual([
    '1 of 3 instances are no nodes of Kubernetes context test: the gate waits for those that replace them to become nodes',
  ]);
  server.answer('GET /apis/apps/v1/daemonsets', { message: 'daemonsets.apps is forbidden' }, 403);
  await expect(noticesOf({ gates })).rejects.toMatchObject({
    kind: 'environment',
    remedy: expect.stringContaining('list nodes, pods and daemonsets'),
  });
});
