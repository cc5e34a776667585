/**
 * Who stays on the version that is left behind because a policy says so (protected_instances, standby_instances: ignore):
 * a rollout or a return is over without them, and says so. Pure.
 */
import type { GroupObservation } from '../cloud/cloud.ts';
import { leaving, outdated, standby, warmed } from './decision/members.ts';
import type { Assignment } from './state.ts';

/** "2 of 5 stay on version 2: i-1 protected from scale-in, i-2 in Standby (by policy ignored)"; null when nobody does. */
export function remainderOf(assignment: Assignment, { instances }: GroupObservation): string | null {
  const present = instances.filter((instance) => !leaving(instance) && !warmed(instance));
  const staying = present.filter((instance) => outdated(assignment, instance));
  if (staying.length === 0) return null;
  const versions = [...new Set(staying.map(({ templateVersion }) => templateVersion ?? 'none'))].sort();
  const named = staying.map(
    (instance) => `${instance.id} ${standby(instance) ? 'in Standby' : 'protected from scale-in'}`,
  );
  const stay = staying.length === 1 ? 'stays' : 'stay';
  return `${staying.length} of ${present.length} ${stay} on version ${versions.join(', ')}: ${named.join(', ')} (by policy ignored)`;
}
