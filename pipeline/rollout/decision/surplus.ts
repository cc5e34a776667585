/**
 * Who goes when a group has more instances than are wanted and none is left to replace. Pure.
 *
 * First what serves nobody. Then instances of a version that is neither the goal's nor was there before the release,
 * which only a recovery meets (recover.ts): so that what was there before stays. Then any that serves.
 */
import type { InstanceObservation } from '../../cloud/cloud.ts';
import type { Assignment } from '../state.ts';
import type { View } from './view.ts';
import { pick } from './zones.ts';

/** Terminating by id overrides protection, so who is protected is not chosen in the first place. */
const removable = ({ protectedFromScaleIn }: InstanceObservation): boolean => !protectedFromScaleIn;

/** What keeps the group above what is wanted although nothing is left to replace; null when nothing does. */
export function obstacle(view: View): string | null {
  const surplus = view.remaining === 0 ? view.desired - view.wanted : 0;
  const free = [...view.current, ...view.idle].filter(removable).length;
  if (surplus <= free + view.draining || view.unproven.length > 0) return null;
  return `${surplus} more than wanted, and whoever is left is protected from scale-in (aws autoscaling set-instance-protection --no-protected-from-scale-in)`;
}

/** Up to `count` instances, of which at most `spare` serve. */
export function superfluous(
  { goal, baseline }: Assignment,
  view: View,
  count: number,
  spare: number,
): InstanceObservation[] {
  const isStray = ({ id, templateVersion }: InstanceObservation): boolean =>
    templateVersion !== goal.version && !baseline.instances.some((known) => known.id === id);
  const idle = pick(view.idle.filter(removable), view.staying, [], count);
  const serving = Math.min(count - idle.length, spare);
  const current = view.current.filter(removable);
  const strays = pick(current.filter(isStray), view.staying, [], serving);
  const others = current.filter((instance) => !isStray(instance));
  return [...idle, ...strays, ...pick(others, view.staying, [], serving - strays.length)];
}
