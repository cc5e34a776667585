/**
 * Victims on their way out: each goes through the drain steps in order, each step with its deadline and what its
 * policy says then; at the end it may be terminated, never before. Pure.
 */
import type { GroupObservation } from '../../cloud/cloud.ts';
import type { DrainSpec, GroupSpec } from '../spec.ts';
import type { Action, Answer, DrainMemory, Memory, Snapshot } from '../state.ts';

export interface Drainage {
  drains: Memory['drains'];
  /** Steps to start now. */
  start: Action[];
  /** Every step passed, or its policy let it go. */
  ready: string[];
  /** A deadline whose policy is `fail`. */
  failure: string | null;
}

/** Advances every victim as far as it goes this tick. */
export function advance(
  spec: GroupSpec,
  { group, drains: answers, now }: Snapshot,
  drains: Memory['drains'],
): Drainage {
  const next: Memory['drains'] = {};
  const toStart = new Map<number, string[]>();
  const ready: string[] = [];
  let failure: string | null = null;
  for (const [id, before] of Object.entries(drains)) {
    const outcome = step(spec, group, before, answers[id], now);
    if ('failure' in outcome) {
      failure ??= `${id}: ${outcome.failure}`;
      next[id] = before;
      continue;
    }
    next[id] = outcome;
    if (outcome.step >= spec.drain.length) ready.push(id);
    else if (!outcome.started) {
      // A deadline is for a drain that goes on, not for one that could not be started.
      next[id] = { ...outcome, since: now };
      toStart.set(outcome.step, [...(toStart.get(outcome.step) ?? []), id]);
    }
  }
  const start = [...toStart].map(
    ([index, instances]): Action => ({
      type: 'drain',
      step: index,
      instances,
      why: `drained (${spec.drain[index]!.type}) before termination`,
    }),
  );
  return { drains: next, start, ready, failure };
}

function step(
  spec: GroupSpec,
  group: GroupObservation,
  before: DrainMemory,
  answer: Answer | undefined,
  now: number,
): DrainMemory | { failure: string } {
  const at = (index: number): DrainMemory => {
    let needed = index;
    while (needed < spec.drain.length && isVoid(spec.drain[needed]!, group)) needed += 1;
    return needed === before.step ? before : { ...before, step: needed, started: false, since: now };
  };
  const current = at(before.step);
  const drain = spec.drain[current.step];
  if (!drain || !current.started || !answer) return current;
  if (answer.status === 'passed') return at(current.step + 1);
  const late = now - current.since >= drain.deadlineMs;
  if (!late && answer.status === 'waiting') return current;
  switch (drain.on_deadline) {
    case 'skip':
      return at(current.step + 1);
    case 'force':
      return { ...current, step: spec.drain.length };
    case 'fail':
      return {
        failure:
          answer.status === 'failed'
            ? `drain ${answer.source} failed: ${answer.reason}`
            : `drain ${answer.source} did not end within ${drain.deadlineMs / 1000} s: ${answer.reason}`,
      };
  }
}

/** Nothing to drain there, so no call and no waiting either. */
const isVoid = (drain: DrainSpec, group: GroupObservation): boolean =>
  drain.type === 'target-group' && group.targetGroups.length === 0;

/** Gives victims their work back: one action per step they had reached. */
export function abandon(drains: Memory['drains'], why: string): Action[] {
  const byStep = new Map<number, string[]>();
  for (const [id, { step, undoneFrom = 0 }] of Object.entries(drains)) {
    const reached = Math.max(step, undoneFrom);
    byStep.set(reached, [...(byStep.get(reached) ?? []), id]);
  }
  return [...byStep].map(([step, instances]) => ({ type: 'undrain', step, instances, why }));
}
