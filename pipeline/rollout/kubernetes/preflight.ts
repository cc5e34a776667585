/**
 * What the Kubernetes drain of a group would meet, read before anything is changed: budgets that allow nothing, pods
 * that no eviction moves, and instances the cluster does not know. Sentences for a person; nothing is decided here.
 */
import type { V1Node, V1Pod, V1PodDisruptionBudget } from '@kubernetes/client-node';
import type { Clock } from '../../clock.ts';
import type { Cloud } from '../../cloud/cloud.ts';
import { Refused } from '../../errors.ts';
import type { DrainSpec } from '../spec.ts';
import { ApiError } from './access.ts';
import { type Cluster, clusterOf, covering } from './cluster.ts';
import { listed, nameOf, sorted } from './pods.ts';

type KubernetesSpec = Extract<DrainSpec, { type: 'kubernetes' }>;

/** One list of pods per node; a small API server answers this many at once without queueing them. */
const listsAtOnce = 8;

/** @throws Refused when the cluster cannot be asked: its drain could not either */
export async function drainNotices(
  given: { cloud: Pick<Cloud, 'clusterToken'>; clock: Clock },
  group: string,
  spec: KubernetesSpec,
  instances: readonly string[],
): Promise<string[]> {
  try {
    const cluster = await clusterOf(given, spec.cluster);
    const nodes = (await Promise.all(instances.map((id) => cluster.nodeOf(id)))).filter(
      (node) => node !== null,
    );
    const pods = sorted(await podsOf(cluster, nodes), spec);
    const strangers = instances.length - nodes.length;
    return [
      strangers > 0 &&
        `${strangers} of ${instances.length} instances are no nodes of ${cluster.place}: nothing is drained there`,
      ...tightBudgets(await cluster.budgets(), pods.evictable, spec),
      ...doublyCovered(await cluster.budgets(), pods.evictable, spec),
      pods.refused.length > 0 &&
        `${listed(pods.refused.map(({ pod, why }) => `pod ${nameOf(pod)} ${why}`))}: ${ending(spec)}`,
    ].filter((notice) => notice !== false);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new Refused(
      'environment',
      `group ${group} is drained from Kubernetes, which does not let itself be asked: ${error.message}`,
      'Correct `cluster` of its drain in drover.yaml, or what Drover may do there (list nodes, pods and poddisruptionbudgets).',
      { cause: error },
    );
  }
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
