/**
 * Whether victims that might be drained now wait a moment for others, to be drained and terminated by the same calls:
 * one names up to a hundred. Pure.
 *
 * They wait while a replacement is seen that has begun to pass its gates, so that another victim can go as soon as it has
 * passed often enough; and never longer than a fortieth of the time a replacement takes. Only the last victims,
 * which go without being replaced, wait for one another until all of them can go: nothing ends sooner because some of
 * them begin sooner, as long as every drain takes the same time. A rollback hurries: there nobody waits.
 */
import type { Assignment, Memory } from '../state.ts';
import type { View } from './view.ts';

/** Of the quickest replacement here so far. */
const share = 0.025;

const patienceMs = ({ quickest }: Memory): number =>
  share * Object.values(quickest).reduce((sum, ms) => sum + ms, 0);

/** @returns how many of the `able` victims go now, and since when any have been waiting */
export function gather(
  { goal, spec }: Assignment,
  memory: Memory,
  view: View,
  able: number,
  now: number,
): { count: number } & Pick<Memory, 'gatheringSince'> {
  const coming = view.unproven.length + Math.max(0, view.desired - view.staying.length);
  if (able <= 0 || coming === 0 || goal.kind !== 'replace') return { count: able, gatheringSince: null };
  const since = memory.gatheringSince ?? now;
  const isLast = view.active <= view.desired - view.wanted;
  const isAlike = spec.drain.every(({ type }) => type === 'target-group');
  const isOneAtHand = view.unproven.some(({ id }) => (memory.instances[id]?.passes ?? 0) > 0);
  const waits = (isLast && isAlike) || (isOneAtHand && now - since < patienceMs(memory));
  return waits ? { count: 0, gatheringSince: since } : { count: able, gatheringSince: null };
}
