/**
 * What the engine has changed on a group and owes back, folded from its own actions: in memory as they succeed,
 * and after a crash from the journal's intents and outcomes, by the same rules. Pure. It never looks at a clock
 * and never decides what to do next.
 */
import type { GroupObservation } from '../cloud/cloud.ts';
import type { JournalRecord } from '../journal/records.ts';
import { leaving } from './members.ts';
import type { Action, Memory, Owed } from './state.ts';

export const freshMemory = (desired: number, now: number): Memory => ({
  startedAt: now,
  owed: { wanted: desired, expected: desired, max: null, suspended: [], tagged: false },
  instances: {},
  drains: {},
  shortSince: null,
  losses: { count: 0, last: '' },
  refusals: { count: 0, last: '' },
  divergedTo: null,
  evened: false,
  replacedAt: null,
  uncertain: [],
});

/** Memory after an action has succeeded. */
export function applied(memory: Memory, action: Action): Memory {
  const owed = owedAfter(memory.owed, action);
  switch (action.type) {
    case 'drain':
      return { ...memory, owed, drains: begun(memory, action.step, action.instances) };
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

function begun(memory: Memory, step: number, ids: string[]): Memory['drains'] {
  const since = (id: string) => memory.drains[id]?.since ?? memory.startedAt;
  const started = ids.map((id) => [id, { step, started: true, since: since(id) }] as const);
  return { ...memory.drains, ...Object.fromEntries(started) };
}

function without<T>(record: Record<string, T>, keys: readonly string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}

function owedAfter(owed: Owed, action: Action): Owed {
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
        change.max === undefined ? owed.max : maxFrom === null ? null : { from: maxFrom, to: change.max };
      return change.desired === undefined
        ? { ...owed, max }
        : { ...owed, max, wanted, expected: change.desired };
    }
    default:
      return owed;
  }
}

/** Resolves calls whose outcome is unknown by what is there now. */
export function settled(memory: Memory, group: GroupObservation): Memory {
  let result: Memory = { ...memory, uncertain: [] };
  for (const action of memory.uncertain) {
    const carriedOut = carriedOutOf(action, group);
    if (carriedOut) result = applied(result, carriedOut);
  }
  return result;
}

/** The part of an uncertain action that did happen; null when none of it did. */
function carriedOutOf(action: Action, group: GroupObservation): Action | null {
  switch (action.type) {
    case 'tag':
      return Object.entries(action.tags).every(([key, value]) => group.tags[key] === value) ? action : null;
    case 'untag':
      return action.keys.every((key) => group.tags[key] === undefined) ? action : null;
    case 'suspend':
      return action.processes.every((name) => group.suspendedProcesses.includes(name)) ? action : null;
    case 'resume':
      return action.processes.every((name) => !group.suspendedProcesses.includes(name)) ? action : null;
    case 'update': {
      const { desired, max } = action.change;
      const done =
        (desired === undefined || group.desired === desired) && (max === undefined || group.max === max);
      return done ? action : null;
    }
    case 'terminate': {
      const present = new Set(group.instances.filter((i) => !leaving(i)).map((i) => i.id));
      const gone = action.instances.filter((id) => !present.has(id));
      return gone.length > 0 ? { ...action, instances: gone } : null;
    }
    // Starting and aborting a drain are idempotent: done again they do no harm, left out they might.
    case 'drain':
    case 'undrain':
      return null;
  }
}

/**
 * The memory of a group whose rollout another process began, from the journal alone. Gates are asked afresh and
 * drains under way begin their deadline anew, because nobody watched them meanwhile.
 */
export function recalled(records: readonly JournalRecord[], group: string, fresh: Memory): Memory {
  let memory = fresh;
  const open = new Map<string, Action>();
  for (const record of records) {
    if (record.type === 'intent' && record.data.group === group) {
      const action = actionOf(record.data.action, record.data.arguments, record.data.why);
      if (!action) continue;
      open.set(record.data.key, action);
      // From the intent on, the instance may have lost its traffic.
      if (action.type === 'drain') memory = applied(memory, action);
    } else if (record.type === 'outcome') {
      const action = open.get(record.data.key);
      if (!action || record.data.status === 'unknown') continue;
      open.delete(record.data.key);
      if (record.data.status === 'done') memory = applied(memory, action);
    }
  }
  const drains = Object.entries(memory.drains).map(
    ([id, { step }]) => [id, { step, started: false, since: fresh.startedAt }] as const,
  );
  return { ...memory, drains: Object.fromEntries(drains), uncertain: [...open.values()] };
}

const actionTypes = ['tag', 'suspend', 'update', 'drain', 'undrain', 'terminate', 'resume', 'untag'];

/** An intent's arguments are the action itself (act.ts writes them so); null for intents of other kinds. */
function actionOf(type: string, given: object, why: string): Action | null {
  return actionTypes.includes(type) ? ({ type, why, ...given } as unknown as Action) : null;
}
