/**
 * What becomes of each pod on a node that is drained: the rules of `kubectl drain` (Kubernetes documentation, "Safely
 * Drain a Node"), with its --force and --delete-emptydir-data as settings. Pure.
 */
import type { V1Pod } from '@kubernetes/client-node';
import type { KubernetesDrain } from '../../../config/orchestrators.ts';

export interface Sorted {
  evictable: V1Pod[];
  /** On their way out already. */
  leaving: V1Pod[];
  /** Not evicted because the configuration does not allow it, each with the reason. */
  refused: { pod: V1Pod; why: string }[];
  /** Of DaemonSets and of the node's own kubelet: they belong to the node and end with it. */
  staying: V1Pod[];
}

export function sorted(pods: readonly V1Pod[], policy: KubernetesDrain): Sorted {
  const result: Sorted = { evictable: [], leaving: [], refused: [], staying: [] };
  for (const pod of pods) {
    if (isFinished(pod)) continue;
    const why = refusal(pod, policy);
    if (isMirror(pod) || ownerKind(pod) === 'DaemonSet') result.staying.push(pod);
    else if (pod.metadata?.deletionTimestamp) result.leaving.push(pod);
    else if (why) result.refused.push({ pod, why });
    else result.evictable.push(pod);
  }
  return result;
}

/** namespace/name */
export const nameOf = ({ metadata }: Pick<V1Pod, 'metadata'>): string =>
  `${metadata?.namespace ?? 'default'}/${metadata?.name}`;

/** A few names and how many more there are. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}

/** The controller's name is the same for all pods of a DaemonSet. */
export const controllerOf = ({ metadata }: V1Pod) =>
  metadata?.ownerReferences?.find(({ controller }) => controller);

const ownerKind = (pod: V1Pod): string | undefined => controllerOf(pod)?.kind;

const isFinished = ({ status }: V1Pod): boolean =>
  status?.phase === 'Succeeded' || status?.phase === 'Failed';

/** The API's image of a pod the kubelet runs from a file of the node; evicting it does nothing. */
const isMirror = ({ metadata }: V1Pod): boolean =>
  metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined;

function refusal(pod: V1Pod, policy: KubernetesDrain): string | null {
  if (policy.bare_pods === 'fail' && !controllerOf(pod)) {
    return 'has no controller to start it again elsewhere (bare_pods: evict allows it)';
  }
  if (policy.local_data === 'fail' && pod.spec?.volumes?.some(({ emptyDir }) => emptyDir)) {
    return 'keeps data in an emptyDir volume (local_data: evict allows it)';
  }
  return null;
}
