/**
 * The strategy instance-refresh: Auto Scaling itself replaces the instances, within the same limits and to a numbered
 * template version, and pauses at checkpoints; Drover asks its gates all the while, and when one fails the refresh is
 * cancelled and the group goes back by the ordinary return. Pure, like decide.ts, which does all that is not the
 * refresh: a group with nothing to replace, the soak after it, the return once it is cancelled.
 *
 * Auto Scaling allows one refresh per group. The one this release started is known by its id (from the journal after
 * a crash), or by the template version, which no other release has made; so there is never a second.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-overview.html
 */
import type { RefreshObservation } from '../../cloud/cloud.ts';
import type { Action, Assignment, Decision, Memory, Snapshot } from '../state.ts';
import { setUp } from './borrow.ts';
import { decide } from './decide.ts';
import { doubtOf } from './doubts.ts';
import { failureOf, refusalLimit } from './failure.ts';
import { handOver } from './handover.ts';
import { hold, isHeld, showsHold, unhold } from './hold.ts';
import { leaving, outdated } from './members.ts';
import { perceive } from './perceive.ts';
import { isOf, isReplacing, requestOf, underWay } from './refresh-request.ts';
import { look, sizesOf, surgeOf, type View } from './view.ts';

/** A refresh was started, or may have been: the answer is lost. */
const mayHaveStarted = ({ refresh, uncertain }: Memory): boolean =>
  refresh !== null || uncertain.some(({ action }) => action.type === 'refresh');

/**
 * Whether the group's newest refresh has to be looked at in every tick, by whichever strategy it is rolled now: when it
 * may be the release's own, or was under way when it was last seen. Somebody else's is looked for now and then (drive.ts).
 */
export const watchesRefresh = (
  { spec }: Assignment,
  memory: Memory,
  seen: RefreshObservation | null | undefined,
): boolean =>
  spec.strategy.type === 'instance-refresh' ||
  mayHaveStarted(memory) ||
  (seen ? underWay.has(seen.status) : false);

/** What to do next for one group, by whichever strategy it is rolled. */
export function decideByStrategy(assignment: Assignment, snapshot: Snapshot, previous: Memory): Decision {
  const { goal, spec } = assignment;
  const refresh = snapshot.group.refresh ?? null;
  const isOurs = isOf(assignment, previous, refresh);
  if (isHeld(previous) || (goal.kind !== 'replace' && isOurs && underWay.has(refresh!.status))) {
    return calledOff(assignment, snapshot, previous, isOurs ? refresh : null);
  }
  if (goal.kind !== 'replace') return decide(assignment, snapshot, previous);
  const isNeeded = snapshot.group.instances.some((one) => !leaving(one) && outdated(assignment, one));
  const isDelegated = spec.strategy.type === 'instance-refresh';
  const isLeftToIt =
    isDelegated &&
    (isOurs
      ? refresh!.status !== 'Successful'
      : previous.refresh !== null || (isNeeded && !isCrowded(assignment, snapshot, previous)));
  return isLeftToIt ? delegated(assignment, snapshot, previous) : decide(assignment, snapshot, previous);
}

/**
 * A refresh keeps as many as are desired. Where that is more than the surge allows, because fewer are wanted than when an
 * earlier one was called off, those too many are drained and ended first.
 */
function isCrowded({ spec }: Assignment, { group }: Snapshot, { owed, drains }: Memory): boolean {
  const most = owed.wanted + surgeOf(spec.surge, owed.wanted);
  return group.desired > most || Object.keys(drains).length > 0;
}

/** Whether a stop may have something to call off. */
export const mayGoOn = (memory: Memory): boolean => mayHaveStarted(memory) || isHeld(memory);

/**
 * What a stop does next, so that Auto Scaling does not go on replacing while no gate is asked: it calls the refresh off,
 * and by a look at what that has left it ends the hold. A resumed run starts another refresh, which leaves alone what was
 * replaced already.
 */
export function standDown(
  assignment: Assignment,
  memory: Memory,
  snapshot: Pick<Snapshot, 'group' | 'now'>,
): Action[] {
  const { goal } = assignment;
  const { group } = snapshot;
  const { refresh: id } = memory;
  const view = look(assignment, snapshot, memory);
  const isOver =
    id === null ? !mayHaveStarted(memory) : group.refresh?.id === id && !isReplacing(group.refresh);
  if (isOver) {
    const mayEnd = isHeld(memory) && showsHold(group) && doubtOf(memory) === null;
    return mayEnd ? unhold(assignment, snapshot, memory, view) : [];
  }
  const why = 'Drover was stopped, and nobody would ask the gates';
  // One that does not show has launched nothing yet.
  if (id === null) return [{ type: 'cancel-refresh', version: goal.abandoned ?? goal.version, why }];
  return [...hold(assignment, snapshot, memory, view), { type: 'cancel-refresh', id, why }];
}

function delegated(assignment: Assignment, snapshot: Snapshot, previous: Memory): Decision {
  const perceived = perceive(assignment, snapshot, previous);
  const view = look(assignment, snapshot, perceived);
  const sizes = sizesOf(assignment, view);
  const { handovers, actions: handing, failure: unhanded } = handOver(assignment, snapshot, perceived);
  const memory = { ...perceived, handovers };
  const rolling = (actions: Action[], ...reasons: string[]): Decision => {
    return { actions, memory, status: 'rolling', reasons: reasons.filter(Boolean), sizes };
  };
  const failure = failureOf(assignment, snapshot, memory, view) ?? unhanded;
  if (failure) return { actions: [], memory, status: 'failed', reasons: [failure], sizes };

  const refresh = snapshot.group.refresh ?? null;
  const unproven = view.unproven.map(({ id }) => `${id}: ${memory.instances[id]?.reason ?? 'not seen yet'}`);
  if (isOf(assignment, memory, refresh)) {
    const told = `instance refresh ${refresh!.id} is ${refresh!.status} (${refresh!.percent} %)${because(refresh!)}`;
    if (underWay.has(refresh!.status)) return rolling(handing, told, ...unproven);
    return { actions: [], memory, status: 'failed', reasons: [told], sizes };
  }
  const doubt = doubtOf(memory);
  if (doubt) return rolling(handing, doubt);
  if (memory.refresh !== null)
    return rolling(handing, `instance refresh ${memory.refresh} does not show yet`);
  if (memory.pause.since !== null) return rolling(handing, `not begun: ${memory.pause.reason}`);
  return rolling([...handing, ...begin(assignment, snapshot, memory, view)]);
}

/** AZRebalance is kept off here too: a refresh leaves zones uneven, and decide evens them out when it is over. */
function begin(assignment: Assignment, snapshot: Snapshot, memory: Memory, view: View): Action[] {
  const { spec, goal } = assignment;
  const request = requestOf(spec, goal.version, view);
  const why = `Auto Scaling replaces ${view.active} instances by version ${goal.version}`;
  return [...setUp(assignment, snapshot, memory, view, {}), { type: 'refresh', request, why }];
}

/**
 * A refresh is cancelled before its group goes back, and everything waits until it no longer replaces anything: Auto
 * Scaling refuses to change the template version before. What a stop or a crash has left half done is done first,
 * whatever the goal is.
 */
function calledOff(
  assignment: Assignment,
  snapshot: Snapshot,
  previous: Memory,
  refresh: RefreshObservation | null,
): Decision {
  const perceived = perceive(assignment, snapshot, previous);
  const isGoingOn = refresh !== null && isReplacing(refresh);
  // Cancelled by us, though the answer may be lost: what follows it in a resumed run is another.
  const id = isHeld(perceived) && !isGoingOn ? null : perceived.refresh;
  // Cancelling waits for instances that wait behind a hook. Work that fails there is told when the refresh is over.
  const { handovers, actions: handing } = handOver(assignment, snapshot, perceived);
  const memory = { ...perceived, refresh: id, handovers };
  const view = look(assignment, snapshot, memory);
  const sizes = sizesOf(assignment, view);
  const { refusals, startedAt } = memory;
  const told = refresh ? [`instance refresh ${refresh.id} is ${refresh.status}${because(refresh)}`] : [];
  const reasons = isHeld(memory) ? [...told, 'Auto Scaling is kept from ending instances'] : told;
  if (refusals.count >= refusalLimit) reasons.push(refusals.last);
  if (refusals.count >= refusalLimit || snapshot.now - startedAt >= assignment.spec.deadlineMs) {
    return { actions: [], memory, status: 'failed', reasons, sizes };
  }
  const rolling = (actions: Action[]): Decision => {
    return { actions: [...handing, ...actions], memory, status: 'rolling', reasons, sizes };
  };
  if (isGoingOn) {
    const why = 'it must not go on replacing while the group goes back';
    const cancel: Action = { type: 'cancel-refresh', id: refresh.id, why };
    return rolling([...hold(assignment, snapshot, memory, view), cancel]);
  }
  if (!isHeld(memory)) return rolling([]);
  // A reading that does not show the hold is older than it, or somebody else has ended it.
  if (!showsHold(snapshot.group)) return rolling(hold(assignment, snapshot, memory, view));
  return rolling(doubtOf(memory) === null ? unhold(assignment, snapshot, memory, view) : []);
}

const because = ({ reason }: RefreshObservation): string => (reason ? `: ${reason}` : '');
