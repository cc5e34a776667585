/**
 * What to do next for one group. Pure: it waits for nothing and calls nobody. It looks only at what is, so a run
 * resumed after SIGKILL is simply the next tick.
 *
 * How surge works with Auto Scaling. Desired is raised by the surge once, in the same call that pins the target
 * version: Auto Scaling then launches the extra instances from it. From then on every drained victim is terminated
 * through Auto Scaling WITHOUT decrement, so the service launches the replacement by itself, from the pinned
 * version, with no second call of ours. Only the last `surge` victims are terminated WITH decrement, which brings
 * desired back to what is wanted. So a replaced instance costs one termination and its drain; desired is never set
 * below the number of instances, hence there is no moment in which Auto Scaling would choose a victim by its own
 * termination policy; and as desired exceeds what is wanted whenever we decrement, it never meets MinSize.
 *
 * Capacity is a pipeline, not batches: whenever more than the floor serve, victims are taken; whenever one is gone,
 * its replacement is already launching.
 */
import type { Action, Assignment, Decision, Memory, Snapshot } from '../state.ts';
import { markKeys } from '../tags.ts';
import { changeFor, giveBack, setUp, unevenness } from './borrow.ts';
import { provenSince, widen } from './canary.ts';
import { doubtOf } from './doubts.ts';
import { abandon, advance } from './drainage.ts';
import { failureOf, shortage } from './failure.ts';
import { handOver, openHandovers } from './handover.ts';
import { heldReasons } from './held.ts';
import { isPaused } from './pause.ts';
import { perceive } from './perceive.ts';
import { isPoolOpen, outdatedInPool, renewal } from './pool.ts';
import { obstacle } from './surplus.ts';
import { choose, terminations } from './victims.ts';
import { isSettled, look, sizesOf, type View } from './view.ts';

export function decide(assignment: Assignment, snapshot: Snapshot, previous: Memory): Decision {
  const perceived = perceive(assignment, snapshot, previous);
  const before = look(assignment, snapshot, perceived);
  const failure = failureOf(assignment, snapshot, perceived, before);
  if (failure) return failed(assignment, perceived, before, failure);
  const { handovers, actions: handing, failure: unhanded } = handOver(assignment, snapshot, perceived);
  const answered = { ...perceived, handovers };
  const notBegun = isPaused(answered) && !answered.owed.tagged ? `not begun: ${answered.pause.reason}` : null;
  const doubt = doubtOf(answered) ?? notBegun;
  if (doubt) {
    // A hook waits for no doubt of ours: unheard, it would let an instance go whose work has not ended.
    const sizes = sizesOf(assignment, before);
    return { actions: handing, memory: answered, status: 'rolling', reasons: [doubt], sizes };
  }

  const { going, released, gatheringSince } = choose(assignment, snapshot, answered, before);
  const drainage = advance(assignment.spec, snapshot, going);
  // Released victims stay remembered until their work has been given back: applied() forgets them then.
  const advanced = { ...answered, drains: { ...drainage.drains, ...released }, gatheringSince };
  if (drainage.failure) return failed(assignment, advanced, before, drainage.failure);

  const view = look(assignment, snapshot, advanced);
  const { moves, uneven } = unevenness(snapshot, advanced, view);
  if (unhanded) return failed(assignment, advanced, before, unhanded);
  const canary = { ...advanced.canary, provenSince: provenSince(advanced, view, snapshot.now) };
  const memory = { ...advanced, canary, uneven };
  const change = changeFor(assignment, snapshot, memory, view, moves);
  const raised = change.desired ?? view.desired;
  const actions = [
    // First, because what comes after a call that is refused is not done.
    ...handing,
    ...setUp(assignment, snapshot, memory, view, change),
    ...abandon(released, 'it need not be replaced any more'),
    ...drainage.start,
    ...terminations(assignment, snapshot, view, drainage.ready, raised),
    ...widen(assignment, memory, view, snapshot.now),
    ...renewal(assignment, snapshot.group, memory, view),
  ];
  const returned = raised === view.desired ? giveBack(snapshot, memory, view) : [];
  return conclude(assignment, snapshot, memory, view, actions, returned);
}

/** `returned` gives back what was borrowed: that much may still be under way when the soak begins. */
function conclude(
  assignment: Assignment,
  snapshot: Snapshot,
  memory: Memory,
  view: View,
  moving: Action[],
  returned: Action[],
): Decision {
  const sizes = sizesOf(assignment, view);
  const keptAbove = obstacle(view);
  const { group } = snapshot;
  const isPooled = isPoolOpen(assignment, group);
  const reasons = [
    ...(isPaused(memory) ? [memory.pause.reason] : []),
    ...heldReasons(assignment, view.waiting),
    ...view.unproven.map(({ id }) => `${id}: ${memory.instances[id]?.reason ?? 'not seen yet'}`),
    ...(view.staying.length < view.desired ? [shortage(snapshot, view)] : []),
    ...(keptAbove === null ? [] : [keptAbove]),
    ...(isPooled ? [`${outdatedInPool(assignment, group).length} in the warm pool on the other image`] : []),
    ...(openHandovers(memory) === 0 ? [] : [`${openHandovers(memory)} wait behind a termination hook`]),
    ...(memory.canary.provenSince === null ? [] : [`the canary of ${view.limit} soaks`]),
  ];
  const isOver = isSettled(view) && !isPooled && !isPaused(memory) && openHandovers(memory) === 0;
  if (moving.length > 0 || !isOver) {
    return { actions: [...moving, ...returned], memory, status: 'rolling', reasons, sizes };
  }
  const actions = [...returned, ...(snapshot.soaked ? lastActions(assignment, snapshot, memory, view) : [])];
  return {
    actions,
    memory: { ...memory, replacedAt: memory.replacedAt ?? snapshot.now },
    status: snapshot.soaked && actions.length === 0 ? 'finished' : 'replaced',
    reasons,
    sizes,
  };
}

/**
 * What ends the release's stay: the marks go last, because they say what is still to be done. In a wave that is when all
 * of it has soaked, because until then a gate of any of its groups may send all of them back. What a user would miss, room
 * up to MaxSize and suspended processes, each group has got back by then, as soon as it was replaced (borrow.ts).
 */
function lastActions(
  { goal, baseline }: Assignment,
  { group }: Snapshot,
  { owed }: Memory,
  view: View,
): Action[] {
  const actions: Action[] = [];
  if (goal.follows !== null && group.template?.version !== goal.follows) {
    actions.push({
      type: 'update',
      change: { templateVersion: goal.follows },
      wanted: view.wanted,
      maxFrom: null,
      why: `it followed ${goal.follows}, which means version ${baseline.resolvedVersion}`,
    });
  }
  if (owed.tagged) {
    // All of them, whatever the reading shows: it may be from before they were set.
    actions.push({ type: 'untag', keys: [...markKeys], why: 'nothing of the release is left on the group' });
  }
  return actions;
}

function failed(assignment: Assignment, memory: Memory, view: View, reason: string): Decision {
  return { actions: [], memory, status: 'failed', reasons: [reason], sizes: sizesOf(assignment, view) };
}
