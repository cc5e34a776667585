/**
 * What the gates over the group mean for its rollout: while they have not passed nothing new is taken and nothing is
 * completed; when they fail as often in a row as an instance may, or have not passed by the gates' deadline, the
 * rollout has failed. Pure.
 */
import type { Assignment, Memory, Snapshot } from '../state.ts';

export const unpaused: Memory['pause'] = { since: null, failures: 0, reason: '' };

/** Nothing new is taken, nothing is completed: a gate over the group has not passed. */
export const isPaused = ({ pause }: Pick<Memory, 'pause'>): boolean => pause.since !== null;

export function pauseAfter({ groupAnswer, now }: Snapshot, { pause }: Memory): Memory['pause'] {
  const { status, source, reason, standing } = groupAnswer;
  if (status === 'passed') return unpaused;
  if (standing) return pause;
  const failures = status === 'failed' ? pause.failures + 1 : 0;
  return { since: pause.since ?? now, failures, reason: `${source}: ${reason}` };
}

/** Why the gates over the group fail the rollout; null while they do not. */
export function refusedByGroup({ spec }: Assignment, { pause }: Memory, now: number): string | null {
  if (pause.failures >= spec.passes) return pause.reason;
  if (pause.since === null || now - pause.since < spec.gateDeadlineMs) return null;
  return `the gates over the group did not pass within ${spec.gateDeadlineMs / 1000} s: ${pause.reason}`;
}
