/**
 * A Kubernetes cluster on the instances of a simulated group: its scheduler, a Deployment under a budget and a
 * DaemonSet, behind the HTTP API as far as drains and gates use it. Discovery, eviction answers and object shapes are
 * the recorded ones (api-server.ts). It knows by itself when a pod was lost with its instance.
 */

import type { Fleet } from './fleet.ts';
import { type ApiServer, apiServer, recording } from './services/api-server.ts';

export interface Cluster {
  server: ApiServer;
  /** Names of the nodes that take no new pods now. */
  cordoned(): string[];
  /** What must never happen, in words. */
  violations: string[];
  /** How many pods of the Deployment must stay healthy. */
  minAvailable: number;
  evictions: number;
}

interface WebPod {
  name: string;
  uid: string;
  /** Null while no node has room for it. */
  node: string | null;
  /** An evicted pod runs on for its grace period, while another takes its place (epoch ms); null for others. */
  endsAt: number | null;
}

const graceMs = 30_000;

export async function clusterOn(fleet: Fleet, replicas: number): Promise<Cluster> {
  const server = await apiServer();
  const cluster: Cluster = {
    server,
    violations: [],
    minAvailable: replicas - 1,
    evictions: 0,
    cordoned: () =>
      nodes()
        .filter(({ spec }) => spec.unschedulable)
        .map(({ metadata }) => metadata.name),
  };
  const marks = new Map<string, { annotations: Record<string, string>; unschedulable: boolean }>();
  let version = 300;
  let made = 0;

  const members = () =>
    Object.values(fleet.world.groups.web!.members).filter(
      ({ lifecycle }) => !lifecycle.startsWith('Terminat'),
    );
  const markOf = (id: string) => {
    const mark = marks.get(id) ?? { annotations: {}, unschedulable: false };
    marks.set(id, mark);
    return mark;
  };
  const nodes = () =>
    members().map(({ instanceId, lifecycle }) => {
      const mark = markOf(instanceId);
      return {
        metadata: { name: instanceId, resourceVersion: String(version), annotations: mark.annotations },
        spec: {
          providerID: `aws:///eu-central-1a/${instanceId}`,
          ...(mark.unschedulable && { unschedulable: true }),
        },
        status: { conditions: [{ type: 'Ready', status: lifecycle === 'InService' ? 'True' : 'False' }] },
      };
    });

  const fresh = (node: string | null): WebPod => {
    made += 1;
    return { name: `web-${made}`, uid: `uid-${made}`, node, endsAt: null };
  };
  let pods: WebPod[] = [];
  const standing = () => pods.filter(({ endsAt }) => endsAt === null);
  const healthyPods = () => standing().filter(({ node }) => node !== null).length;

  /** As the scheduler and the ReplicaSet controller would have it by now. */
  function settle(): void {
    const present = nodes();
    const names = new Set(present.map(({ metadata }) => metadata.name));
    pods = pods.filter(({ endsAt }) => endsAt === null || fleet.clock.now() < endsAt);
    for (const pod of pods) {
      if (pod.node === null || names.has(pod.node)) continue;
      cluster.violations.push(`${pod.name} was lost with ${pod.node}`);
    }
    pods = pods.filter(({ node }) => node === null || names.has(node));
    while (standing().length < replicas) pods.push(fresh(null));
    const open = present.filter(
      ({ spec, status }) => !spec.unschedulable && status.conditions[0]!.status === 'True',
    );
    const load = (name: string) => pods.filter(({ node }) => node === name).length;
    for (const pod of standing()) {
      if (pod.node !== null || open.length === 0) continue;
      const names = open.map(({ metadata }) => metadata.name);
      pod.node = names.reduce((a, b) => (load(b) < load(a) ? b : a));
    }
    const healthy = healthyPods();
    if (healthy < cluster.minAvailable) cluster.violations.push(`${healthy} pods healthy`);
    serve(present.map(({ metadata }) => metadata.name));
  }

  const shown = ({ endsAt, ...pod }: WebPod, owner: object, app: string) => ({
    metadata: {
      name: pod.name,
      namespace: 'default',
      uid: pod.uid,
      labels: { app },
      ...(endsAt !== null && { deletionTimestamp: new Date(endsAt).toISOString() }),
      ownerReferences: [{ apiVersion: 'apps/v1', controller: true, ...owner }],
    },
    spec: { nodeName: pod.node, containers: [] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  });
  const agent = recording('create-daemonset').response.body as {
    metadata: { uid: string };
    spec: { template: { spec: { nodeName?: string } } };
  };
  delete agent.spec.template.spec.nodeName;

  /** Routes that depend on names are made as the names come to be. */
  function serve(names: string[]): void {
    for (const name of names) {
      server.answer(`PATCH /api/v1/nodes/${name}`, (_query, body) => {
        const { metadata, spec } = body as {
          metadata: { annotations: Record<string, string | null> };
          spec: { unschedulable: boolean | null };
        };
        version += 1;
        const mark = markOf(name);
        for (const [key, value] of Object.entries(metadata.annotations)) {
          if (value === null) delete mark.annotations[key];
          else mark.annotations[key] = value;
        }
        mark.unschedulable = spec.unschedulable === true;
        return nodes().find((node) => node.metadata.name === name)!;
      });
    }
    for (const pod of standing()) {
      const route = `POST /api/v1/namespaces/default/pods/${pod.name}/eviction`;
      if (healthyPods() - 1 < cluster.minAvailable) {
        const { status, body } = recording('evict-blocked-by-pdb').response;
        server.answer(route, body, status);
        continue;
      }
      server.answer(
        route,
        () => {
          cluster.evictions += 1;
          pod.endsAt = fleet.clock.now() + graceMs;
          settle();
          return recording('evict-allowed').response.body;
        },
        201,
      );
    }
  }

  server.replay('discover-eviction-version');
  server.answer('GET /api/v1/nodes', () => {
    settle();
    return { kind: 'NodeList', metadata: {}, items: nodes() };
  });
  server.answer('GET /api/v1/pods', (query) => {
    settle();
    const on = (query.get('fieldSelector') ?? '').replace('spec.nodeName=', '');
    const web = pods.filter(({ node }) => node === on);
    const daemon = { name: `agent-${on}`, uid: `agent-${on}`, node: on, endsAt: null };
    return {
      kind: 'PodList',
      metadata: {},
      items: [
        ...web.map((pod) => shown(pod, { kind: 'ReplicaSet', name: 'web', uid: 'rs' }, 'web')),
        shown(daemon, { kind: 'DaemonSet', name: 'agent', uid: agent.metadata.uid }, 'agent'),
      ],
    };
  });
  server.answer('GET /apis/apps/v1/daemonsets', { kind: 'DaemonSetList', metadata: {}, items: [agent] });
  settle();
  return cluster;
}
