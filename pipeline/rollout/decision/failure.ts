/**
 * When a group's rollout has failed, and in which words. Pure. Drains that miss their deadline are in drainage.ts;
 * everything else that ends a rollout badly is here, so that every rollout does end.
 */

import type { Assignment, Memory, Snapshot } from '../state.ts';
import { condemned, lossesAllowed } from './health.ts';
import { heldReasons } from './held.ts';
import { refusedByGroup } from './pause.ts';
import { outdatedInPool } from './pool.ts';
import { pausesMs } from './refresh-request.ts';
import { obstacle } from './surplus.ts';
import { isSettled, type View } from './view.ts';

/** A call refused this often in a row will be refused again: the reason is ours or the user's, not the weather's. */
export const refusalLimit = 5;

/** Why the group's rollout has failed; null while it has not. */
export function failureOf(
  assignment: Assignment,
  { group, now }: Snapshot,
  memory: Memory,
  view: View,
): string | null {
  const { spec, goal, baseline } = assignment;
  const ours = [goal.version, baseline.resolvedVersion, goal.abandoned].map(String);
  const pinned = group.template?.version ?? 'none';
  if (!ours.includes(pinned) && pinned !== baseline.templateVersion) {
    return `somebody else set the template version to ${pinned}`;
  }
  if (view.wanted > 0 && view.active > 0 && view.surge + view.unavailable === 0) {
    return `surge and unavailable both come to 0 of ${view.wanted}: no instance can be replaced`;
  }
  const refused = refusedByGroup(assignment, memory, now);
  if (refused) return refused;
  for (const instance of view.staying) {
    const verdict = condemned(assignment, memory, instance, now);
    if (verdict) return verdict;
  }
  if (memory.losses.count > lossesAllowed(view.wanted)) {
    return `${memory.losses.count} instances on the new image died, last ${memory.losses.last}`;
  }
  if (memory.shortSince !== null && now - memory.shortSince >= spec.gateDeadlineMs) {
    return `for ${spec.gateDeadlineMs / 1000} s ${shortage({ group }, view)}`;
  }
  if (memory.refusals.count >= refusalLimit) return memory.refusals.last;
  const pauseMs = spec.strategy.type === 'canary' ? spec.strategy.soakMs : pausesMs(spec);
  const limitMs = spec.deadlineMs + pauseMs + (memory.replacedAt === null ? 0 : spec.soakMs);
  // Who is done and waits for the other groups of the wave is not late.
  const isDone = memory.replacedAt !== null && isSettled(view);
  if (!isDone && now - memory.startedAt >= limitMs) {
    const inPool = outdatedInPool(assignment, group).length;
    const reasons = [
      `${view.remaining} still to replace`,
      `${view.unproven.length} not serving`,
      inPool > 0 && `${inPool} in the warm pool`,
      ...heldReasons(assignment, view.waiting),
      obstacle(view),
    ];
    return `not done within ${limitMs / 1000} s: ${reasons.filter(Boolean).join(', ')}`;
  }
  return null;
}

/** How many instances Auto Scaling owes, and why as far as it says. */
export function shortage({ group }: Pick<Snapshot, 'group'>, view: View): string {
  const missing = view.desired - view.staying.length;
  const suspended = group.suspendedProcesses.includes('Launch') ? ': the process Launch is suspended' : '';
  const activity = group.failedActivities[0] ? `: ${group.failedActivities[0].message}` : suspended;
  return `Auto Scaling has not launched ${missing} of ${view.desired} instances${activity}`;
}
