/**
 * Cordons the instance's node and evicts its pods through the Eviction API, which honours PodDisruptionBudgets, until
 * none is left but those that belong to the node. Level-triggered: every poll looks at the node and does what is left
 * to do, so a resumed release simply goes on. An instance that is no node of the cluster has nothing to drain there.
 */
import type { V1Node } from '@kubernetes/client-node';
import { CloudError } from '../../cloud/cloud.ts';
import { ApiError } from '../kubernetes/access.ts';
import { type Cluster, clusterOf, cordonMark } from '../kubernetes/cluster.ts';
import { evict } from '../kubernetes/evictions.ts';
import { listed, nameOf, sorted } from '../kubernetes/pods.ts';
import type { DrainSpec } from '../spec.ts';
import type { Answer } from '../state.ts';
import type { AskedDrain, DrainContext } from './drains.ts';

const source = 'kubernetes';

export const kubernetes = (spec: Extract<DrainSpec, { type: 'kubernetes' }>): AskedDrain => ({
  name: source,
  marksItself: true,

  /** All at once, before the first pod is evicted, so that none moves from one victim to the next. */
  async start(context, instances) {
    const cordoned = instances.map(async (id) => {
      const cluster = await clusterOf(context, spec.cluster);
      await cluster.cordon(id, context.release);
    });
    // What did not succeed is done, or its failure told, by the next poll: a deadline's policy decides then.
    await Promise.allSettled(cordoned);
  },

  async poll(context, instance) {
    try {
      const cluster = await clusterOf(context, spec.cluster);
      const node = await cluster.nodeOf(instance.id);
      if (!node) return { status: 'passed', source, reason: `is no node of ${cluster.place}` };
      await cluster.cordon(instance.id, context.release);
      return await drained(cluster, node, spec, context);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return { status: 'waiting', source, reason: error.message };
    }
  },

  async abort(context, instances) {
    try {
      const cluster = await clusterOf(context, spec.cluster);
      for (const id of instances) await cluster.uncordon(id);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const remedy = `the nodes of ${instances.join(', ')} may still be cordoned (annotation ${cordonMark})`;
      throw new CloudError(
        'uncordon',
        String(error.status ?? 'EndpointUnreachable'),
        `${error.message}; ${remedy}`,
        {
          cause: error,
        },
      );
    }
  },
});

async function drained(
  cluster: Cluster,
  node: V1Node,
  spec: Extract<DrainSpec, { type: 'kubernetes' }>,
  { clock }: DrainContext,
): Promise<Answer> {
  const { evictable, leaving, refused, staying } = sorted(await cluster.podsOn(node), spec);
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
