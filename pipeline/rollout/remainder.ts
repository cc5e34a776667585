/**
 * Who stays on the version that is left behind because a policy says so (protected_instances, standby_instances: ignore),
 * or because a suspended process keeps the warm pool: a rollout or a return is over without them, and says so. Pure.
 */
import type { GroupObservation } from '../cloud/cloud.ts';
import { leaving, outdated, standby, warmed } from './decision/members.ts';
import { outdatedInPool, poolKeptBy } from './decision/pool.ts';
import type { Assignment } from './state.ts';

/** "2 of 5 stay on version 2: i-1 protected from scale-in, i-2 in Standby (by policy ignored)"; null when nobody does. */
export function remainderOf(assignment: Assignment, group: GroupObservation): string | null {
  const parts = [ignored(assignment, group), pooled(assignment, group)].filter((part) => part !== null);
  return parts.length > 0 ? parts.join('; ') : null;
}

function ignored(assignment: Assignment, { instances }: GroupObservation): string | null {
  const present = instances.filter((instance) => !leaving(instance) && !warmed(instance));
  const staying = present.filter((instance) => outdated(assignment, instance));
  if (staying.length === 0) return null;
  const named = staying.map(
    (instance) => `${instance.id} ${standby(instance) ? 'in Standby' : 'protected from scale-in'}`,
  );
  const stay = staying.length === 1 ? 'stays' : 'stay';
  return `${staying.length} of ${present.length} ${stay} on version ${versionsOf(staying)}: ${named.join(', ')} (by policy ignored)`;
}

function pooled(assignment: Assignment, group: GroupObservation): string | null {
  const staying = outdatedInPool(assignment, group);
  if (staying.length === 0) return null;
  return `${staying.length} in the warm pool on version ${versionsOf(staying)}, because ${poolKeptBy(group)} is suspended: resume it and have them replaced (aws autoscaling set-instance-health --health-status Unhealthy --instance-id ${staying[0]!.id}) before the group grows`;
}

const versionsOf = (staying: readonly { templateVersion: number | null }[]): string =>
  [...new Set(staying.map(({ templateVersion }) => templateVersion ?? 'none'))].sort().join(', ');
