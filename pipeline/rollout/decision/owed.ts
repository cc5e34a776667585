/**
 * What the engine has changed on a group and owes back, folded from its own actions: as they succeed, and after a
 * crash from the journal (recall.ts), by the same rules. Pure; it never decides what to do next.
 */

import type { Action, Memory, Owed } from '../state.ts';
import { unpaused } from './pause.ts';

export const freshMemory = (desired: number, now: number): Memory => ({
  startedAt: now,
  owed: { wanted: desired, expected: desired, max: null, suspended: [], tagged: false },
  instances: {},
  drains: {},
  gatheringSince: null,
  handovers: {},
  shortSince: null,
  losses: { count: 0, last: '' },
  pause: unpaused,
  refusals: { count: 0, last: '' },
  divergence: null,
  canary: { provenSince: null, isOver: false },
  refresh: null,
  echoes: [],
  quickest: {},
  uneven: null,
  replacedAt: null,
  uncertain: [],
  resolved: [],
});

/** Memory after an action has succeeded. */
export function applied(memory: Memory, action: Action): Memory {
  const owed = owedAfter(memory.owed, action);
  switch (action.type) {
    case 'drain':
      return { ...memory, owed, drains: begun(memory, action.step, action.instances) };
    case 'heartbeat':
      return { ...memory, handovers: handled(memory, action.instances, { beatAt: action.at }) };
    case 'complete':
      return { ...memory, handovers: handled(memory, action.instances, { isCompleted: true }) };
    case 'refresh':
      return { ...memory, refresh: action.id ?? memory.refresh };
    case 'cancel-refresh':
      return { ...memory, refresh: null };
    case 'widen':
      return { ...memory, canary: { provenSince: null, isOver: true } };
    case 'undrain':
      return { ...memory, owed, drains: without(memory.drains, action.instances) };
    case 'terminate': {
      const ended = action.instances.flatMap((id) => {
        const known = memory.instances[id];
        return known ? [[id, { ...known, terminated: true }] as const] : [];
      });
      return {
        ...memory,
        owed,
        drains: without(memory.drains, action.instances),
        instances: { ...memory.instances, ...Object.fromEntries(ended) },
      };
    }
    default:
      return { ...memory, owed };
  }
}

function handled(
  { handovers, startedAt }: Memory,
  ids: string[],
  change: Partial<Memory['handovers'][string]>,
): Memory['handovers'] {
  // One that is not known yet is met in a journal: the first heartbeat is sent as soon as an instance is seen to wait.
  const unknown = { since: change.beatAt ?? startedAt, beatAt: null, isCompleted: false };
  const changed = ids.map((id) => [id, { ...(handovers[id] ?? unknown), ...change }] as const);
  return { ...handovers, ...Object.fromEntries(changed) };
}

function begun(memory: Memory, step: number, ids: string[]): Memory['drains'] {
  const since = (id: string) => memory.drains[id]?.since ?? memory.startedAt;
  const started = ids.map(
    (id) => [id, { ...memory.drains[id], step, started: true, touched: true, since: since(id) }] as const,
  );
  return { ...memory.drains, ...Object.fromEntries(started) };
}

/**
 * Memory once a call is about to be made. From then on an instance to be drained may have lost its traffic; its deadline
 * begins only now, however long the calls before this one have taken. One to be given back may have been so in part: should
 * it be a victim again, it is drained from the first step, and whatever it is given back then is all it had reached before.
 */
export function announced(memory: Memory, action: Action, now: number): Memory {
  if (action.type !== 'drain' && action.type !== 'undrain') return memory;
  const victims = action.instances.flatMap((id) => {
    const known = memory.drains[id];
    if (!known) return [];
    const touched = { ...known, touched: true, since: now };
    if (action.type === 'drain') return [[id, touched] as const];
    const undoneFrom = Math.max(action.step, known.undoneFrom ?? 0);
    return [[id, { ...touched, step: 0, started: false, undoneFrom }] as const];
  });
  return { ...memory, drains: { ...memory.drains, ...Object.fromEntries(victims) } };
}

function without<T>(record: Record<string, T>, keys: readonly string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}

export function owedAfter(owed: Owed, action: Action): Owed {
  switch (action.type) {
    case 'tag':
      return { ...owed, tagged: true };
    case 'untag':
      return { ...owed, tagged: false };
    case 'suspend':
      return { ...owed, suspended: [...new Set([...owed.suspended, ...action.processes])] };
    case 'resume':
      return { ...owed, suspended: owed.suspended.filter((name) => !action.processes.includes(name)) };
    case 'terminate':
      return action.decrement
        ? { ...owed, wanted: action.wanted, expected: owed.expected - action.instances.length }
        : owed;
    case 'update': {
      const { change, wanted, maxFrom } = action;
      const max =
        change.max === undefined
          ? owed.max
          : maxFrom === null
            ? null
            : { from: maxFrom, raised: [...(owed.max?.raised ?? []), change.max] };
      return change.desired === undefined
        ? { ...owed, max }
        : { ...owed, max, wanted, expected: change.desired };
    }
    default:
      return owed;
  }
}
