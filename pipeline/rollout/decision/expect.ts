/**
 * When something under way is likely to end, so that the loop looks then: often around that time, seldom before.
 * Pure. What is under way is as old as the world says, and takes about as long as the quickest of its kind has taken
 * here; until one has ended, nothing is known but its age, and a wait in proportion to that is never far off.
 */

import type { Assignment, Memory, Snapshot } from '../state.ts';
import { counted, onTrial } from './members.ts';

/** How much earlier than the quickest so far the next may be: boots are spread, and few of them may have been seen. */
const earlier = 0.3;
/** How late, in proportion to what it has taken, an end may be noticed. */
const lateness = 0.015;

/** The quickest so far of each kind, in milliseconds: 'boot', and every drain by its step. */
export function quickest(
  assignment: Assignment,
  { group, answers, drains, now }: Snapshot,
  memory: Memory,
): Memory['quickest'] {
  const all = { ...memory.quickest };
  const took = (kind: string, ms: number): void => {
    all[kind] = Math.min(ms, all[kind] ?? ms);
  };
  for (const instance of group.instances) {
    const { id, launchedAt } = instance;
    const known = memory.instances[id];
    const drain = memory.drains[id];
    if (drain && drains[id]?.status === 'passed') took(`drain ${drain.step}`, now - drain.since);
    const isFirst = known && !known.served && known.passes === 0 && answers[id]?.status === 'passed';
    if (isFirst && onTrial(assignment, instance)) took('boot', now - (launchedAt ?? known.seenAt));
  }
  return all;
}

/** Milliseconds until something under way should be looked at; infinite when nothing is. */
export function expectedInMs(assignment: Assignment, { group, now }: Snapshot, memory: Memory): number {
  const boots = group.instances.flatMap((instance) => {
    const { id, launchedAt } = instance;
    const known = memory.instances[id];
    const boots = known && !known.served && !known.terminated && !memory.drains[id];
    if (!boots || !counted(instance) || !onTrial(assignment, instance)) return [];
    return [['boot', now - (launchedAt ?? known.seenAt)] as const];
  });
  const drains = Object.values(memory.drains).map(
    ({ step, since }) => [`drain ${step}`, now - since] as const,
  );
  return [...boots, ...drains].reduce((soonest, [kind, ageMs]) => {
    const lateMs = ageMs - (memory.quickest[kind] ?? 0) * (1 - earlier);
    return Math.min(soonest, lateMs < 0 ? -lateMs : ageMs * lateness);
  }, Number.POSITIVE_INFINITY);
}
