/**
 * Calls of which nobody knows whether they were carried out: the answer was lost, or the process died before it was
 * written. Nothing is built on them until looking has told. Pure.
 */
import type { GroupObservation } from '../../cloud/cloud.ts';
import type { Action, Memory, Owed } from '../state.ts';
import { leaving } from './members.ts';
import { applied, owedAfter } from './owed.ts';
import { cameToNothing } from './refresh-request.ts';

/** What one reading shows may be a slip between two servers of the service; three in a row agree. */
export const sightings = 3;
/**
 * A reading may show what was true before a change for as long as this. AWS says "a couple of seconds [...] up to a
 * few minutes" of eventual consistency without naming a bound; a longer echo of the engine's own number would be
 * taken for a user's wish, which costs capacity the user had a moment ago, and never the floor.
 * https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
 */
export const consistentAfterMs = 60_000;

const repeatable: ReadonlySet<Action['type']> = new Set([
  'drain',
  'undrain',
  'renew',
  'widen',
  'heartbeat',
  'complete',
  'cancel-refresh',
  'untag',
]);

/**
 * Memory after a call whose outcome is unknown. What it may have changed is owed from now on, because giving back
 * too much does no harm; whether it moved desired or ended instances must be seen first. Starting and aborting a
 * drain, renewing a warm pool, ending a canary, answering for a hook and removing the marks are idempotent, so they are
 * simply done again.
 */
export function doubted(memory: Memory, key: string, action: Action, sinceMs: number): Memory {
  if (repeatable.has(action.type)) return memory;
  const { owed } = memory;
  const after = owedAfter(owed, action);
  const least: Owed = {
    ...owed,
    max: after.max ?? owed.max,
    suspended: [...new Set([...owed.suspended, ...after.suspended])],
    tagged: owed.tagged || after.tagged,
  };
  return { ...memory, owed: least, uncertain: [...memory.uncertain, { key, action, sinceMs, unseen: 0 }] };
}

/** What must be seen again before anything may be built on it; null when all is clear. */
export function doubtOf({ divergence, owed, uncertain }: Memory): string | null {
  if (divergence) return `desired reads ${divergence.to}, not ${owed.expected}; looking again`;
  const [first] = uncertain;
  return first ? `no answer to '${first.action.type}' came; looking whether it was carried out` : null;
}

/** Resolves calls whose outcome is unknown by what is there: at once when it shows, else when it never does. */
export function settled(memory: Memory, group: GroupObservation, now: number): Memory {
  let result: Memory = { ...memory, uncertain: [], resolved: [] };
  for (const { key, action, sinceMs, unseen } of memory.uncertain) {
    const done = carriedOutOf(action, group, memory.owed);
    const isWhole = done !== null && instancesOf(done).length === instancesOf(action).length;
    const isOver = unseen + 1 >= sightings && now - sinceMs >= consistentAfterMs;
    if (isWhole || isOver) {
      if (done) result = applied(result, done);
      result = { ...result, resolved: [...result.resolved, { key, done }] };
    } else {
      result = { ...result, uncertain: [...result.uncertain, { key, action, sinceMs, unseen: unseen + 1 }] };
    }
  }
  return result;
}

const instancesOf = (action: Action): string[] => ('instances' in action ? action.instances : []);

/** The part of an uncertain action that did happen; null when none of it did. */
function carriedOutOf(action: Action, group: GroupObservation, { expected }: Owed): Action | null {
  switch (action.type) {
    case 'tag':
      return Object.entries(action.tags).every(([key, value]) => group.tags[key] === value) ? action : null;
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
      // Who went by himself was not ended by the call: desired tells how many it has ended.
      const ended = action.decrement ? gone.slice(0, Math.max(0, expected - group.desired)) : gone;
      return ended.length > 0 ? { ...action, instances: ended } : null;
    }
    case 'refresh': {
      const { refresh } = group;
      // One that is being cancelled comes to nothing too.
      const isAlive = refresh && !cameToNothing(refresh) && refresh.status !== 'Cancelling';
      const isIt = isAlive && refresh.version === action.request.version;
      return isIt ? { ...action, id: refresh.id } : null;
    }
    default:
      return null;
  }
}
