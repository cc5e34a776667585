/**
 * The instance is a Ready node of its cluster, by the condition's status, and every DaemonSet that wants a pod there has
 * one that runs and is ready. A node that has been serving and is not Ready has failed; a DaemonSet's pod may be missing
 * for a moment at any time, for instance while it is updated.
 */
import type { V1Node, V1Pod } from '@kubernetes/client-node';
import { type Cluster, clusterOf } from '../services/kubernetes/cluster.ts';
import { controllerOf, listed, nameOf } from '../services/kubernetes/pods.ts';
import { wants } from '../services/kubernetes/selectors.ts';
import { patiently } from '../services/outage.ts';
import type { GateSpec } from '../spec.ts';
import type { Answer } from '../state.ts';
import type { GateContext, Subject } from './gates.ts';

const source = 'kubernetes';

export const kubernetes = (
  gate: Extract<GateSpec, { type: 'kubernetes' }>,
  { instance, served }: Subject,
  context: GateContext,
): Promise<Answer> =>
  patiently(source, async () => {
    const cluster = await clusterOf(context, gate.cluster);
    const node = await cluster.nodeOf(instance.id);
    if (!node) return { status: 'waiting', source, reason: `is no node of ${cluster.place} yet` };
    const unready = unreadiness(node);
    if (unready) return { status: served ? 'failed' : 'waiting', source, reason: unready };
    const missing = await missingDaemons(cluster, node);
    if (missing.length > 0)
      return { status: 'waiting', source, reason: `${listed(missing)} not ready there` };
    return { status: 'passed', source, reason: `${node.metadata?.name} is Ready and its DaemonSets run` };
  });

/** Null when the node is Ready: a condition of that type is always there, only its status says so. */
function unreadiness({ metadata, status }: V1Node): string | null {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status === 'True') return null;
  if (!ready) return `${metadata?.name} has not said whether it is Ready`;
  return `${metadata?.name} is not Ready: ${ready.status} (${ready.reason ?? 'no reason given'})`;
}

async function missingDaemons(cluster: Cluster, node: V1Node): Promise<string[]> {
  const [daemonSets, pods] = await Promise.all([cluster.daemonSets(), cluster.podsOn(node)]);
  const running = new Set(pods.filter(isReady).map((pod) => controllerOf(pod)?.uid));
  return daemonSets
    .filter((daemonSet) => wants(daemonSet, node) && !running.has(daemonSet.metadata?.uid ?? ''))
    .map((daemonSet) => `DaemonSet ${nameOf(daemonSet)}`);
}

const isReady = ({ metadata, status }: V1Pod): boolean =>
  !metadata?.deletionTimestamp &&
  status?.phase === 'Running' &&
  status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;
