/**
 * Cordons the instance's node and evicts its pods through the Eviction API, which honours PodDisruptionBudgets, until
 * none is left but those that belong to the node. Level-triggered: every poll looks at the node and does what is left
 * to do, so a resumed release simply goes on. An instance that is no node of the cluster has nothing to drain there.
 */
import type { V1Node, V1Pod } from '@kubernetes/client-node';
import { type Cluster, clusterOf, cordonMark } from '../services/kubernetes/cluster.ts';
import { evict } from '../services/kubernetes/evictions.ts';
import { listed, nameOf, sorted } from '../services/kubernetes/pods.ts';
import { patiently, undone } from '../services/outage.ts';
import type { DrainSpec } from '../spec.ts';
import type { Answer } from '../state.ts';
import type { AskedDrain, DrainContext } from './drains.ts';

const source = 'kubernetes';

export const kubernetes = (spec: Extract<DrainSpec, { type: 'kubernetes' }>): AskedDrain => ({
  name: source,
  marksItself: true,

  start: async () => {},

  poll: (context, instance) =>
    patiently(source, async () => {
      const cluster = await clusterOf(context, spec.cluster);
      const node = await cluster.nodeOf(instance.id);
      if (!node) return { status: 'passed', source, reason: `is no node of ${cluster.place}` };
      if (node.spec?.unschedulable) return await drained(cluster, node, spec, context);
      await cluster.cordon(instance.id, context.release);
      // Evictions begin with the next poll: by then every victim is cordoned, so that no pod moves from one to another.
      return { status: 'waiting', source, reason: `${node.metadata?.name} is cordoned` };
    }),

  abort: (context, instances) =>
    undone(`uncordon (annotation ${cordonMark})`, instances, async (id) => {
      const cluster = await clusterOf(context, spec.cluster);
      await cluster.uncordon(id);
    }),
});

async function drained(
  cluster: Cluster,
  node: V1Node,
  spec: Extract<DrainSpec, { type: 'kubernetes' }>,
  { clock }: DrainContext,
): Promise<Answer> {
  const { evictable, refused, staying, ...pods } = sorted(await cluster.podsOn(node), spec);
  const leaving = pods.leaving.filter((pod) => !isOver(node, pod, clock.now()));
  const refusals = refused.map(({ pod, why }) => `${nameOf(pod)} ${why}`);
  // With the policy fail nothing is moved in vain; with the others everything is moved that can be.
  if (refused.length > 0 && (spec.on_deadline === 'fail' || evictable.length + leaving.length === 0)) {
    return { status: 'failed', source, reason: listed(refusals) };
  }
  const held = await evict(cluster, evictable, clock);
  if (evictable.length + leaving.length > 0) {
    const reasons = held.map(({ pod, why }) => `${nameOf(pod)}: ${why}`);
    const going = evictable.length + leaving.length - held.length;
    const reason = [
      going > 0 && (going === 1 ? '1 pod on its way off' : `${going} pods on their way off`),
      ...reasons.slice(0, 3),
    ].filter(Boolean);
    return { status: 'waiting', source, reason: reason.join('; ') };
  }
  return {
    status: 'passed',
    source,
    reason: `no pod left on ${node.metadata?.name} but ${staying.length} of its own`,
  };
}

/** A kubelet that has fallen silent will never say that a pod is gone: its grace period is all there is to wait for. */
function isOver({ status }: V1Node, { metadata }: V1Pod, now: number): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const endsAt = metadata?.deletionTimestamp?.getTime() ?? Number.POSITIVE_INFINITY;
  return ready?.status === 'Unknown' && endsAt <= now;
}
