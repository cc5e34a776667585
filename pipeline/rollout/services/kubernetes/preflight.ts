/**
 * What the Kubernetes drain and gate of a group would meet, read before anything is changed: budgets that allow
 * nothing, pods that no eviction moves, instances the cluster does not know. Sentences for a person; nothing is decided.
 */
import type { V1Node, V1Pod, V1PodDisruptionBudget } from '@kubernetes/client-node';
import type { Clock } from '../../../clock.ts';
import type { Cloud } from '../../../cloud/cloud.ts';
import type { KubernetesCluster } from '../../../config/orchestrators.ts';
import { Refused } from '../../../errors.ts';
import type { DrainSpec } from '../../spec.ts';
import { ApiError } from './access.ts';
import { type Cluster, clusterOf, covering } from './cluster.ts';
import { listed, nameOf, sorted } from './pods.ts';

type KubernetesSpec = Extract<DrainSpec, { type: 'kubernetes' }>;

/** One list of pods per node; a small API server answers this many at once without queueing them. */
const listsAtOnce = 8;

interface Given {
  cloud: Pick<Cloud, 'clusterToken'>;
  clock: Clock;
}

/** @throws Refused when the cluster cannot be asked: its drain could not either */
export const drainNotices = (
  given: Given,
  group: string,
  spec: KubernetesSpec,
  instances: readonly string[],
): Promise<string[]> =>
  asked(given, group, spec.cluster, 'list nodes, pods and poddisruptionbudgets', async (cluster) => {
    const nodes = await nodesOf(cluster, instances);
    const pods = sorted(await podsOf(cluster, nodes), spec);
    const budgets = await cluster.budgets();
    return [
      ...strangers(cluster, nodes, instances, 'nothing is drained there'),
      ...tightBudgets(budgets, pods.evictable, spec),
      ...doublyCovered(budgets, pods.evictable, spec),
      ...(pods.refused.length > 0
        ? [`${listed(pods.refused.map(({ pod, why }) => `pod ${nameOf(pod)} ${why}`))}: ${ending(spec)}`]
        : []),
    ];
  });

/** @throws Refused when the cluster cannot be asked: its gate would wait for it until its deadline */
export const gateNotices = (
  given: Given,
  group: string,
  configured: KubernetesCluster,
  instances: readonly string[],
): Promise<string[]> =>
  asked(given, group, configured, 'list nodes, pods and daemonsets', async (cluster) => {
    await cluster.daemonSets();
    const consequence = 'the gate waits for those that replace them to become nodes';
    return strangers(cluster, await nodesOf(cluster, instances), instances, consequence);
  });

async function asked(
  given: Given,
  group: string,
  configured: KubernetesCluster,
  rights: string,
  look: (cluster: Cluster) => Promise<string[]>,
): Promise<string[]> {
  try {
    return await look(await clusterOf(given, configured));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new Refused(
      'environment',
      `group ${group} depends on Kubernetes, which does not let itself be asked: ${error.message}`,
      `Correct \`cluster\` in drover.yaml, or what Drover may do there (${rights}).`,
      { cause: error },
    );
  }
}

async function nodesOf(cluster: Cluster, instances: readonly string[]): Promise<V1Node[]> {
  const nodes = await Promise.all(instances.map((id) => cluster.nodeOf(id)));
  return nodes.filter((node) => node !== null);
}

function strangers(
  { place }: Cluster,
  nodes: readonly V1Node[],
  instances: readonly string[],
  consequence: string,
): string[] {
  const count = instances.length - nodes.length;
  return count > 0
    ? [`${count} of ${instances.length} instances are no nodes of ${place}: ${consequence}`]
    : [];
}

async function podsOf(cluster: Cluster, nodes: readonly V1Node[]): Promise<V1Pod[]> {
  const pods: V1Pod[] = [];
  for (let start = 0; start < nodes.length; start += listsAtOnce) {
    const lists = nodes.slice(start, start + listsAtOnce).map((node) => cluster.podsOn(node));
    pods.push(...(await Promise.all(lists)).flat());
  }
  return pods;
}

function tightBudgets(
  budgets: readonly V1PodDisruptionBudget[],
  pods: readonly V1Pod[],
  spec: KubernetesSpec,
): string[] {
  return budgets
    .filter(({ status }) => (status?.disruptionsAllowed ?? 0) === 0)
    .flatMap((budget) => {
      const covered = pods.filter((pod) => covering([budget], pod).length > 0).length;
      if (covered === 0) return [];
      const { desiredHealthy = 0, currentHealthy = 0 } = budget.status ?? {};
      return `budget ${nameOf(budget)} allows no eviction now (needs ${desiredHealthy} healthy pods, has ${currentHealthy}) and covers ${covered} pods here: unless it changes, ${ending(spec)}`;
    });
}

function doublyCovered(
  budgets: readonly V1PodDisruptionBudget[],
  pods: readonly V1Pod[],
  spec: KubernetesSpec,
): string[] {
  const sets = pods.map((pod) => covering(budgets, pod).map(nameOf)).filter((names) => names.length > 1);
  return [...new Set(sets.map((names) => names.sort().join(' and ')))].map(
    (names) => `pods under both ${names} cannot be evicted by Kubernetes: ${ending(spec)}`,
  );
}

function ending({ deadlineMs, on_deadline }: KubernetesSpec): string {
  const does = {
    fail: 'the rollout fails',
    skip: 'this step of the drain is given up',
    force: 'the instance is terminated all the same',
  };
  return `after ${deadlineMs / 1000} s ${does[on_deadline]}`;
}
