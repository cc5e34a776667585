/** When Auto Scaling next looks at a group. What it does then is scaling.ts. */
import { schedule } from './queue.ts';
import type { Group, World } from './state.ts';

/** Auto Scaling looks at the group after `delayMs`, or sooner if it was going to. */
export function lookAt(world: World, group: Group, delayMs = world.timing.reactionMs): void {
  const due = world.now + delayMs;
  if (group.reconcileDue !== null && group.reconcileDue <= due) return;
  group.reconcileDue = due;
  schedule(world, delayMs, { kind: 'group.reconcile', group: group.name });
}
