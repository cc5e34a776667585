/**
 * Snapshot and previous memory → present memory: what became of uncertain calls, who else changed the group, who
 * passed and who died. Pure, and the first half of every decision.
 */

import type { Assignment, Memory, Owed, Snapshot } from '../state.ts';
import { consistentAfterMs, settled, sightings } from './doubts.ts';
import { quickest } from './expect.ts';
import { remembered } from './health.ts';
import { counted, leaving } from './members.ts';
import { pauseAfter } from './pause.ts';

export function perceive(assignment: Assignment, snapshot: Snapshot, previous: Memory): Memory {
  const { group, now } = snapshot;
  const memory = overheard(snapshot, previous);
  return {
    ...remembered(assignment, snapshot, memory),
    quickest: quickest(assignment, snapshot, memory),
    drains: drainsUnderWay(memory, snapshot),
    shortSince: shortSince(memory, group, now),
    pause: pauseAfter(snapshot, memory),
  };
}

/** What the group itself says: what became of uncertain calls, and what its user and others want. */
export function overheard({ group, now }: Pick<Snapshot, 'group' | 'now'>, previous: Memory): Memory {
  const memory = settled(previous, group, now);
  const { owed, divergence, echoes } = wantedNow(memory, { group, now });
  return { ...memory, owed: limitsNow(owed, group.max), divergence, echoes };
}

/**
 * Desired belongs to the user and the autoscaler. When it reads anything but the engine's own number, that is
 * what they want, taken as absolute: people, schedules and target tracking all set absolute numbers. Until it is
 * certain nothing is done that depends on it: a number that was expected a moment ago may be an echo of then, so it
 * must outlast every echo; any other must only be seen again.
 */
function wantedNow(
  memory: Memory,
  { group, now }: Pick<Snapshot, 'group' | 'now'>,
): Pick<Memory, 'owed' | 'divergence' | 'echoes'> {
  const { owed, divergence } = memory;
  const to = group.desired;
  const echoes = [
    // Up to now this was the number to read; should the engine change it, it may still echo for a while.
    { desired: owed.expected, untilMs: now + consistentAfterMs },
    ...memory.echoes.filter(({ desired, untilMs }) => desired !== owed.expected && untilMs > now),
  ];
  if (to === owed.expected) return { owed, divergence: null, echoes };
  const seen = divergence?.to === to ? divergence.seen + 1 : 1;
  if (seen < sightings || echoes.some(({ desired }) => desired === to)) {
    return { owed, divergence: { to, seen }, echoes };
  }
  // Within the engine's own headroom above MaxSize nobody may settle.
  const limit = owed.max?.raised.includes(group.max) ? owed.max.from : group.max;
  return { owed: { ...owed, wanted: Math.min(to, limit), expected: to }, divergence: null, echoes };
}

/** A MaxSize that is neither ours nor the old one was set by somebody else, and is theirs to keep. */
function limitsNow(owed: Owed, max: number): Owed {
  if (!owed.max || max === owed.max.from || owed.max.raised.includes(max)) return owed;
  return { ...owed, max: null };
}

/**
 * A victim that died by itself needs no drain any more. One of which nothing has been asked yet, because a call before
 * it was refused or is in doubt, still serves: it is chosen anew, by what serves now.
 */
function drainsUnderWay(memory: Memory, { group }: Snapshot): Memory['drains'] {
  const present = new Set(group.instances.filter((i) => !leaving(i)).map(({ id }) => id));
  const entries = Object.entries(memory.drains);
  return Object.fromEntries(entries.filter(([id, { touched }]) => touched && present.has(id)));
}

function shortSince(memory: Memory, group: Snapshot['group'], now: number): number | null {
  if (group.instances.filter(counted).length >= group.desired) return null;
  const appeared = group.instances.some(({ id }) => !memory.instances[id]);
  return appeared ? now : (memory.shortSince ?? now);
}
