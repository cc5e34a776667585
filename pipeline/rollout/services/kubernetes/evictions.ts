/**
 * Evicting pods as fast as their budgets allow and no faster: a few at once, and a pod that was held is asked for again
 * only when the API server wants that. Which pods are to go is not decided here. What is remembered is for courtesy
 * alone: a process that starts anew begins by asking.
 */
import type { V1Pod } from '@kubernetes/client-node';
import type { Clock } from '../../../clock.ts';
import { reasonOf } from '../../../errors.ts';
import { ApiError } from './access.ts';
import { type Cluster, covering } from './cluster.ts';
import { listed, nameOf } from './pods.ts';

/** One round is one answer of a drain: it must come soon even when every request takes its longest. */
const atOnce = 10;
/** As kubectl waits after a 429; API servers up to 1.32 send no Retry-After for a budget that allows nothing. */
const retryAfterMs = 5_000;

/** A pod that is still held is asked for long before; what was not has gone some other way. */
const forgottenAfterMs = 600_000;

interface Refusal {
  askedAt: number;
  until: number;
  why: string;
}

const refusals = new WeakMap<Cluster, Map<string, Refusal>>();

/**
 * Asks once for those that may be asked for, the longest unasked first.
 * @returns why the others stay for now, by pod
 * @throws ApiError when the server does not answer or may not be asked
 */
export async function evict(
  cluster: Cluster,
  pods: readonly V1Pod[],
  clock: Clock,
): Promise<{ pod: V1Pod; why: string }[]> {
  const held = refusals.get(cluster) ?? new Map<string, Refusal>();
  refusals.set(cluster, held);
  const known = (pod: V1Pod): Refusal | undefined => held.get(pod.metadata?.uid ?? '');
  for (const [uid, { until }] of held) if (until + forgottenAfterMs < clock.now()) held.delete(uid);
  const due = pods
    .filter((pod) => (known(pod)?.until ?? 0) <= clock.now())
    .sort((a, b) => (known(a)?.askedAt ?? 0) - (known(b)?.askedAt ?? 0))
    .slice(0, atOnce);
  await Promise.all(
    due.map(async (pod) => {
      const uid = pod.metadata?.uid ?? '';
      const refusal = await attempt(cluster, pod, clock);
      if (refusal) held.set(uid, refusal);
      else held.delete(uid);
    }),
  );
  return pods.flatMap((pod) => {
    const why = known(pod)?.why;
    return why === undefined ? [] : [{ pod, why }];
  });
}

async function attempt(cluster: Cluster, pod: V1Pod, clock: Clock): Promise<Refusal | null> {
  try {
    await cluster.evict(pod);
    return null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // Gone, or replaced by another of the same name.
    if (error.status === 404 || error.status === 409) return null;
    const askedAt = clock.now();
    const until = askedAt + (error.retryAfterMs ?? retryAfterMs);
    if (error.status === 429) return { askedAt, until, why: error.causes.join('; ') || error.said };
    return { askedAt, until, why: await refusal(cluster, pod, error) };
  }
}

/** The eviction API knows no other word than 500 for a pod under two budgets, and does not say which. */
async function refusal(cluster: Cluster, pod: V1Pod, error: ApiError): Promise<string> {
  if (error.status !== 500) return error.message;
  try {
    const names = covering(await cluster.budgets(), pod).map(nameOf);
    if (names.length > 1) return `is under several budgets, which Kubernetes cannot evict: ${listed(names)}`;
    return error.said;
  } catch (unnamed) {
    return `${error.said} (the budgets cannot be read: ${reasonOf(unnamed)})`;
  }
}
