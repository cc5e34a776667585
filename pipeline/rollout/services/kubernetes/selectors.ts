/**
 * Kubernetes' own matching rules, as far as drains and gates need them: whether a label selector selects, and whether
 * a DaemonSet wants a pod on a node. Pure.
 */
import type {
  V1DaemonSet,
  V1LabelSelector,
  V1Node,
  V1NodeSelectorTerm,
  V1Taint,
  V1Toleration,
} from '@kubernetes/client-node';

type Labels = Record<string, string>;
interface Requirement {
  key: string;
  operator: string;
  values?: string[] | undefined;
}

/**
 * A selector without requirements selects everything in its namespace; no selector selects nothing
 * (policy/v1 PodDisruptionBudgetSpec; meta/v1 LabelSelector).
 */
export function selects(selector: V1LabelSelector | undefined, labels: Labels = {}): boolean {
  if (!selector) return false;
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every((requirement) => meets(requirement, labels))
  );
}

function meets({ key, operator, values = [] }: Requirement, labels: Labels): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      // An operator of a later Kubernetes: to expect a pod in vain is safer than not to expect it.
      return true;
  }
}

/** What the DaemonSet controller tolerates for every pod it makes (Kubernetes documentation, "DaemonSet", "Taints and tolerations"). */
const daemonTolerations: V1Toleration[] = [
  'not-ready',
  'unreachable',
  'disk-pressure',
  'memory-pressure',
  'pid-pressure',
  'unschedulable',
].map((name) => ({ key: `node.kubernetes.io/${name}`, operator: 'Exists' }));
const hostNetworkToleration: V1Toleration = {
  key: 'node.kubernetes.io/network-unavailable',
  operator: 'Exists',
};

/** Whether the DaemonSet controller keeps a pod on this node: by node selector, required affinity and taints. */
export function wants(daemonSet: V1DaemonSet, node: V1Node): boolean {
  const pod = daemonSet.spec?.template.spec;
  if (!pod || (pod.nodeName && pod.nodeName !== node.metadata?.name)) return false;
  const labels = node.metadata?.labels ?? {};
  if (!Object.entries(pod.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)) return false;
  const required = pod.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required && !required.nodeSelectorTerms.some((term) => fits(term, node))) return false;
  const tolerations = [
    ...(pod.tolerations ?? []),
    ...daemonTolerations,
    ...(pod.hostNetwork ? [hostNetworkToleration] : []),
  ];
  return (node.spec?.taints ?? [])
    .filter(({ effect }) => effect !== 'PreferNoSchedule')
    .every((taint) => tolerations.some((toleration) => tolerates(toleration, taint)));
}

/** A term without requirements fits no node (core/v1 NodeSelectorTerm). */
function fits({ matchExpressions = [], matchFields = [] }: V1NodeSelectorTerm, node: V1Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  const fields = { 'metadata.name': node.metadata?.name ?? '' };
  return (
    matchExpressions.every((requirement) => meets(requirement, node.metadata?.labels ?? {})) &&
    matchFields.every((requirement) => meets(requirement, fields))
  );
}

/** core/v1 Toleration: no key with Exists tolerates everything, no effect every effect. */
function tolerates({ key, operator = 'Equal', value = '', effect }: V1Toleration, taint: V1Taint): boolean {
  if (effect && effect !== taint.effect) return false;
  if (key && key !== taint.key) return false;
  return operator === 'Exists' || (key !== undefined && value === (taint.value ?? ''));
}
