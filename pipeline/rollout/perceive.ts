/**
 * Snapshot and previous memory → present memory: what became of uncertain calls, who else changed the group, who
 * passed and who died. Pure, and the first half of every decision.
 */
import { remembered } from './health.ts';
import { counted, leaving } from './members.ts';
import { settled } from './owed.ts';
import type { Assignment, Memory, Owed, Snapshot } from './state.ts';

export function perceive(assignment: Assignment, snapshot: Snapshot, previous: Memory): Memory {
  const { group, now } = snapshot;
  const memory = settled(previous, group);
  const { owed, divergedTo } = wantedNow(memory, snapshot);
  return {
    ...remembered(assignment, snapshot, memory),
    owed: limitsNow(owed, group.max),
    divergedTo,
    drains: presentDrains(memory, snapshot),
    shortSince: shortSince(memory, group, now),
  };
}

/**
 * Desired belongs to the user and the autoscaler. When it reads anything but the engine's own number, that is
 * what they want, taken as absolute: people, schedules and target tracking all set absolute numbers. Reads may be
 * stale just after the engine's own call, so a number counts when it is seen twice; until then nothing is done.
 */
function wantedNow(memory: Memory, { group }: Snapshot): Pick<Memory, 'owed' | 'divergedTo'> {
  const { owed } = memory;
  if (group.desired === owed.expected) return { owed, divergedTo: null };
  if (memory.divergedTo !== group.desired) return { owed, divergedTo: group.desired };
  // Within the engine's own headroom above MaxSize nobody may settle.
  const limit = owed.max && group.max === owed.max.to ? owed.max.from : group.max;
  const wanted = Math.min(group.desired, limit);
  return { owed: { ...owed, wanted, expected: group.desired }, divergedTo: null };
}

/** A MaxSize that is neither ours nor the old one was set by somebody else, and is theirs to keep. */
function limitsNow(owed: Owed, max: number): Owed {
  return owed.max && max !== owed.max.to && max !== owed.max.from ? { ...owed, max: null } : owed;
}

/** A victim that died by itself needs no drain any more. */
function presentDrains(memory: Memory, { group }: Snapshot): Memory['drains'] {
  const present = new Set(group.instances.filter((i) => !leaving(i)).map(({ id }) => id));
  return Object.fromEntries(Object.entries(memory.drains).filter(([id]) => present.has(id)));
}

function shortSince(memory: Memory, group: Snapshot['group'], now: number): number | null {
  if (group.instances.filter(counted).length >= group.desired) return null;
  const appeared = group.instances.some(({ id }) => !memory.instances[id]);
  return appeared ? now : (memory.shortSince ?? now);
}
