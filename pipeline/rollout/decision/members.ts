/**
 * Which instances of a group count for what: who stays, who is to be replaced, who is held back by protection or
 * Standby. Pure classification of one observation; no numbers are weighed here.
 */
import type { InstanceObservation } from '../../cloud/cloud.ts';
import type { HeldPolicy } from '../spec.ts';
import type { Assignment } from '../state.ts';

/** On its way out of the group; Auto Scaling no longer counts it. */
export const leaving = ({ lifecycle }: InstanceObservation): boolean =>
  lifecycle.startsWith('Terminat') || lifecycle.startsWith('Detach') || lifecycle === 'Quarantined';

/** Taken aside by an operator; Auto Scaling does not count it, and it serves nobody. */
export const standby = ({ lifecycle }: InstanceObservation): boolean =>
  lifecycle === 'Standby' || lifecycle === 'EnteringStandby';

/** In the group's warm pool, beside the group: pool.ts. */
export const warmed = ({ lifecycle }: InstanceObservation): boolean => lifecycle.startsWith('Warmed:');

/** Counted by Auto Scaling towards desired. */
export const counted = (instance: InstanceObservation): boolean =>
  !leaving(instance) && !standby(instance) && !warmed(instance);

/** To be replaced: see Goal. */
export function outdated(
  { goal }: Assignment,
  { templateVersion }: Pick<InstanceObservation, 'templateVersion'>,
): boolean {
  if (goal.kind === 'replace') return templateVersion !== goal.version;
  if (goal.kind === 'recover') return false;
  return goal.abandoned !== null && goal.abandoned !== goal.version && templateVersion === goal.abandoned;
}

/** Launched for this goal, so that its gates must pass; what was there before the release need not prove itself. */
export function onTrial({ goal, baseline }: Assignment, instance: InstanceObservation): boolean {
  if (instance.templateVersion !== goal.version) return false;
  return goal.kind === 'replace' || !baseline.instances.some(({ id }) => id === instance.id);
}

/** What is to be done about an outdated instance that is protected or in Standby; 'replace' for all others. */
export function held({ spec }: Assignment, instance: InstanceObservation): HeldPolicy {
  if (standby(instance)) return spec.standbyInstances ?? 'wait';
  if (instance.protectedFromScaleIn) return spec.protectedInstances ?? 'wait';
  return 'replace';
}
