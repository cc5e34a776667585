/**
 * What no decision may ever do, checked again, independently of how decide came to it. A violation is a bug: it is
 * thrown before the first call is made.
 */

import type { Assignment, Decision, Memory, Snapshot } from '../state.ts';
import { serving } from './health.ts';
import { counted, standby } from './members.ts';
import { surgeOf, unavailableOf } from './view.ts';

export function assertSafe(
  assignment: Assignment,
  snapshot: Snapshot,
  previous: Memory,
  { actions, memory }: Decision,
): void {
  const { spec } = assignment;
  const { group } = snapshot;
  const { wanted } = memory.owed;
  const byId = new Map(group.instances.map((instance) => [instance.id, instance]));
  const present = group.instances.filter((i) => counted(i) && !memory.instances[i.id]?.terminated);
  // As many as there are may stay, because that launches none.
  const atMost = Math.max(group.desired, present.length, wanted + surgeOf(spec.surge, wanted));
  const removed: string[] = [];
  for (const action of actions) {
    if (action.type === 'update' && (action.change.desired ?? 0) > atMost) {
      throw unsafe(group.name, `desired ${action.change.desired} exceeds ${atMost}`);
    }
    if (action.type === 'update' && (action.change.desired ?? group.desired) < group.desired) {
      throw unsafe(group.name, 'lowering desired would let Auto Scaling choose a victim');
    }
    if (action.type === 'terminate') {
      removed.push(...action.instances);
      const undrained = action.instances.filter((id) => (memory.drains[id]?.step ?? -1) < spec.drain.length);
      if (undrained.length > 0)
        throw unsafe(group.name, `${undrained.join(', ')} would be terminated undrained`);
      const aside = action.decrement && action.instances.some((id) => standby(byId.get(id)!));
      if (aside) throw unsafe(group.name, 'an instance in Standby is not counted in desired');
    }
  }
  // Victims chosen in this very tick serve no longer; together they must not go below the floor.
  const withoutDrains = { ...memory, drains: {} };
  const chosen = present.filter(({ id }) => memory.drains[id] && !previous.drains[id]);
  const lost = chosen.filter((instance) => serving(assignment, withoutDrains, instance)).length;
  const left = present.filter((instance) => serving(assignment, memory, instance)).length;
  const floor = wanted - unavailableOf(spec.unavailable, wanted);
  if (lost > 0 && left < floor) throw unsafe(group.name, `${left} would be serving, ${floor} must`);
}

const unsafe = (group: string, what: string): Error => new Error(`unsafe decision for ${group}: ${what}`);
