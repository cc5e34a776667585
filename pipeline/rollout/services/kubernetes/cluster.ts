/**
 * One Kubernetes cluster as drains and gates need it: the node of an instance, the pods on it, who holds them, and the
 * three things that are changed: cordon, evict, uncordon. It decides nothing about a rollout. What many ask in the
 * same moment is read once; a connection lasts as long as the cloud it belongs to.
 */
import type { V1DaemonSet, V1Node, V1Pod, V1PodDisruptionBudget } from '@kubernetes/client-node';
import type { Clock } from '../../../clock.ts';
import type { Cloud } from '../../../cloud/cloud.ts';
import type { KubernetesCluster } from '../../../config/orchestrators.ts';
import { ApiError, connect, type KubernetesApi, placeOf } from './access.ts';
import { selects } from './selectors.ts';

export interface Cluster {
  /** For messages. */
  place: string;
  /** Null when no node of the cluster says it is this instance. */
  nodeOf(instance: string): Promise<V1Node | null>;
  podsOn(node: V1Node): Promise<V1Pod[]>;
  budgets(): Promise<V1PodDisruptionBudget[]>;
  daemonSets(): Promise<V1DaemonSet[]>;
  /** Marked as the release's doing, unless somebody else has cordoned the node already. Idempotent. */
  cordon(instance: string, release: string): Promise<void>;
  /** Undoes a cordon that carries the mark of a release, and no other. Idempotent. */
  uncordon(instance: string): Promise<void>;
  /** @throws ApiError as the server answers: 429 for a budget, 404 and 409 for a pod that is gone */
  evict(pod: V1Pod): Promise<void>;
}

/**
 * Which release's cordon it is: one that is resumed, rolled back or recovered elsewhere finds it here. Whoever holds the
 * group may undo it, because one release at a time does.
 */
export const cordonMark = 'drover/cordoned-by';

const pageSize = 500;
/** Pods move within seconds, DaemonSets are changed by people. */
const nodesAgeMs = 2_000;
const budgetsAgeMs = 2_000;
const daemonSetsAgeMs = 30_000;
/** A kubelet may write its node's status between our read and our patch, hardly three times in a row. */
const patchAttempts = 3;

const known = new WeakMap<object, Map<string, Promise<Cluster>>>();

/** The cluster a configuration names. @throws ApiError when its configuration cannot be read */
export function clusterOf(
  given: { cloud: Pick<Cloud, 'clusterToken'>; clock: Clock },
  configured: KubernetesCluster,
): Promise<Cluster> {
  const clusters = known.get(given.cloud) ?? new Map<string, Promise<Cluster>>();
  known.set(given.cloud, clusters);
  const key = JSON.stringify(configured);
  const cluster = clusters.get(key) ?? open(given, configured);
  clusters.set(key, cluster);
  cluster.catch(() => clusters.delete(key));
  return cluster;
}

async function open(
  given: { cloud: Pick<Cloud, 'clusterToken'>; clock: Clock },
  configured: KubernetesCluster,
): Promise<Cluster> {
  const api = await connect(configured, given);
  const { core, apps, custom, call } = api;
  const place = placeOf(configured);
  const policy = shared(given.clock, Number.POSITIVE_INFINITY, () => policyVersion(api));
  const nodes = shared(given.clock, nodesAgeMs, async () => {
    const items = await paged('list nodes', api, (page) => core.listNode(page));
    return new Map(items.flatMap((node) => (instanceOf(node) ? [[instanceOf(node)!, node] as const] : [])));
  });
  const budgets = shared(given.clock, budgetsAgeMs, async () => {
    const version = await policy.read();
    return await paged('list poddisruptionbudgets', api, (page) =>
      custom.listClusterCustomObject({ group: 'policy', version, plural: 'poddisruptionbudgets', ...page }),
    );
  });
  const daemonSets = shared(given.clock, daemonSetsAgeMs, () =>
    paged('list daemonsets', api, (page) => apps.listDaemonSetForAllNamespaces(page)),
  );

  /** Changes the node as `change` says, unless it has been changed since it was read. */
  async function patch(instance: string, change: (node: V1Node) => object | null): Promise<void> {
    const { PatchStrategy, setHeaderOptions } = await import('@kubernetes/client-node');
    for (let attempt = 1; ; attempt += 1) {
      const seen = await nodes.read();
      const node = seen.get(instance);
      const body = node && change(node);
      if (!body) return;
      const { name = '', resourceVersion } = node.metadata ?? {};
      const { metadata, ...rest } = body as { metadata?: object };
      try {
        const patched = await call(`patch node ${name}`, () =>
          core.patchNode(
            { name, body: { metadata: { resourceVersion, ...metadata }, ...rest } },
            setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
          ),
        );
        seen.set(instance, patched);
        return;
      } catch (error) {
        nodes.forget();
        if (!(error instanceof ApiError) || error.status !== 409 || attempt >= patchAttempts) throw error;
      }
    }
  }

  return {
    place,
    nodeOf: async (instance) => (await nodes.read()).get(instance) ?? null,
    podsOn: ({ metadata }) =>
      paged(`list pods on ${metadata?.name}`, api, (page) =>
        core.listPodForAllNamespaces({ fieldSelector: `spec.nodeName=${metadata?.name}`, ...page }),
      ),
    budgets: () => budgets.read() as Promise<V1PodDisruptionBudget[]>,
    daemonSets: daemonSets.read,
    cordon: (instance, release) =>
      patch(instance, ({ spec }) =>
        spec?.unschedulable
          ? null
          : { metadata: { annotations: { [cordonMark]: release } }, spec: { unschedulable: true } },
      ),
    uncordon: (instance) =>
      patch(instance, ({ metadata }) =>
        metadata?.annotations?.[cordonMark] !== undefined
          ? { metadata: { annotations: { [cordonMark]: null } }, spec: { unschedulable: null } }
          : null,
      ),
    async evict({ metadata }) {
      const { name = '', namespace = '', uid = '' } = metadata ?? {};
      const body = {
        apiVersion: `policy/${await policy.read()}`,
        kind: 'Eviction',
        metadata: { name, namespace },
        // Of this pod only: another of the same name may have taken its place.
        deleteOptions: { preconditions: { uid } },
      };
      await call(`evict pod ${namespace}/${name}`, () =>
        core.createNamespacedPodEviction({ name, namespace, body }),
      );
    },
  };
}

/** Budgets that cover a pod. Evictions of a pod under two of them are refused for ever. */
export const covering = (budgets: readonly V1PodDisruptionBudget[], { metadata }: V1Pod) =>
  budgets.filter(
    (budget) =>
      budget.metadata?.namespace === metadata?.namespace && selects(budget.spec?.selector, metadata?.labels),
  );

/** aws:///eu-central-1a/i-0123456789abcdef0 → i-0123456789abcdef0 (Kubernetes' AWS cloud provider, "providerID"). */
const instanceOf = ({ spec }: V1Node): string | undefined =>
  /^aws:\/\/.*\/(i-[0-9a-f]+)$/.exec(spec?.providerID ?? '')?.[1];

/**
 * The version of the policy API in which evictions are taken, as kubectl finds it out: the group and version of the
 * resource pods/eviction of v1. Kubernetes before 1.22 takes them in v1beta1 only.
 */
async function policyVersion({ core, call }: KubernetesApi): Promise<string> {
  const { resources } = await call('list resources of v1', () => core.getAPIResources());
  const eviction = resources.find(({ name }) => name === 'pods/eviction');
  if (eviction?.group === 'policy' && eviction.version) return eviction.version;
  throw new ApiError('list resources of v1', 'the server has no pods/eviction of the group policy', null);
}

interface Page<T> {
  items: T[];
  metadata?: { _continue?: string } | undefined;
}

async function paged<T>(
  what: string,
  { call }: KubernetesApi,
  read: (page: { limit: number; _continue?: string }) => Promise<Page<T>>,
): Promise<T[]> {
  const items: T[] = [];
  let next: string | undefined;
  do {
    const from = next ? { _continue: next } : {};
    const page = await call(what, () => read({ limit: pageSize, ...from }));
    items.push(...page.items);
    next = continuation(page.metadata);
  } while (next);
  return items;
}

/** Typed lists call it _continue, custom ones keep the API's own word. */
const continuation = (metadata: { _continue?: string; continue?: string } | undefined): string | undefined =>
  metadata?._continue ?? metadata?.continue;

/** One read for all who ask within `ageMs`; what failed is not kept. */
function shared<T>({ now }: Clock, ageMs: number, load: () => Promise<T>) {
  let held: { at: number; value: Promise<T> } | null = null;
  return {
    read(): Promise<T> {
      if (held && now() - held.at < ageMs) return held.value;
      const mine = { at: now(), value: load() };
      held = mine;
      mine.value.catch(() => {
        if (held === mine) held = null;
      });
      return mine.value;
    },
    forget() {
      held = null;
    },
  };
}
