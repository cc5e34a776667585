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
import { failureOf, refusalLimit } from './failure.ts';
import { handOver } from './handover.ts';
import { leaving, outdated } from './members.ts';
import { perceive } from './perceive.ts';
import { isOf, requestOf, underWay } from './refresh-request.ts';
import { look, sizesOf, type View } from './view.ts';

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
  const isOver = isOurs && !underWay.has(refresh!.status);
  if (goal.kind === 'return') {
    return isOurs && !isOver
      ? cancelled(assignment, snapshot, previous, refresh!)
      : decide(assignment, snapshot, previous);
  }
  const isNeeded = snapshot.group.instances.some((one) => !leaving(one) && outdated(assignment, one));
  const isDelegated = spec.strategy.type === 'instance-refresh';
  const isLeftToIt =
    isDelegated && (isOurs ? refresh!.status !== 'Successful' : isNeeded || previous.refresh);
  return isLeftToIt ? delegated(assignment, snapshot, previous) : decide(assignment, snapshot, previous);
}

/**
 * What a stop has to call off (by hand, or because the cloud stays silent), so that Auto Scaling does not go on
 * replacing while no gate is asked. A resumed run starts another refresh, which leaves alone what was replaced already.
 */
export function standDown(
  assignment: Assignment,
  memory: Memory,
  snapshot: Pick<Snapshot, 'group' | 'now'>,
): Action[] {
  const { goal } = assignment;
  const { refresh } = snapshot.group;
  const id = memory.refresh;
  const isOver = id !== null && refresh?.id === id && !underWay.has(refresh.status);
  if (goal.kind === 'return' || !mayHaveStarted(memory) || isOver) return [];
  const which = id === null ? { version: goal.version } : { id };
  const view = look(assignment, snapshot, memory);
  const why = 'Drover was stopped, and nobody would ask the gates';
  const cancel: Action = { type: 'cancel-refresh', ...which, why };
  const raised = Math.min(view.desired + view.raise, view.staying.length);
  return kept(assignment, snapshot, memory, view, raised, cancel);
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
  const [doubt] = memory.uncertain;
  if (doubt)
    return rolling([], `no answer to '${doubt.action.type}' came; looking whether it was carried out`);
  if (memory.refresh !== null) return rolling([], `instance refresh ${memory.refresh} does not show yet`);
  if (memory.pause.since !== null) return rolling([], `not begun: ${memory.pause.reason}`);
  return rolling(begin(assignment, snapshot, memory, view));
}

/** AZRebalance is kept off here too: a refresh leaves zones uneven, and decide evens them out when it is over. */
function begin(assignment: Assignment, snapshot: Snapshot, memory: Memory, view: View): Action[] {
  const { spec, goal } = assignment;
  const request = requestOf(spec, goal.version, view);
  const why = `Auto Scaling replaces ${view.active} instances by version ${goal.version}`;
  return [...setUp(assignment, snapshot, memory, view, {}), { type: 'refresh', request, why }];
}

/**
 * Cancels a refresh. What it had launched ahead is too much from then on, and Auto Scaling would end as many of the oldest,
 * which are those that serve. So desired is raised for them in the same breath; not before, because the refresh would
 * launch as many more. The version is not touched: Auto Scaling refuses that until the refresh is over.
 */
function kept(
  assignment: Assignment,
  snapshot: Pick<Snapshot, 'group'>,
  memory: Memory,
  view: View,
  desired: number,
  cancel: Action,
): Action[] {
  const isClear = memory.divergence === null && memory.uncertain.length === 0;
  if (!isClear || desired <= view.desired) return [cancel];
  const max = desired > snapshot.group.max ? { max: desired } : {};
  const actions = setUp(assignment, snapshot, memory, view, { desired, ifDesired: view.desired, ...max });
  // Marks and whatever else has to come first do; nothing but the cancelling itself stands before the raise.
  return [...actions.slice(0, -1), cancel, ...actions.slice(-1)];
}

/** A return begins when the refresh no longer replaces anything. */
function cancelled(
  assignment: Assignment,
  snapshot: Snapshot,
  previous: Memory,
  refresh: RefreshObservation,
): Decision {
  const memory = perceive(assignment, snapshot, previous);
  const view = look(assignment, snapshot, memory);
  const sizes = sizesOf(assignment, view);
  const isGoingOn = refresh.status !== 'Cancelling' && refresh.status !== 'RollbackInProgress';
  const why = 'it must not go on replacing while the group goes back';
  const cancel: Action = { type: 'cancel-refresh', id: refresh.id, why };
  const raised = view.desired + view.raise;
  const actions = isGoingOn ? kept(assignment, snapshot, memory, view, raised, cancel) : [];
  const reasons = [`instance refresh ${refresh.id} is ${refresh.status}${because(refresh)}`];
  const { refusals, startedAt } = memory;
  if (refusals.count >= refusalLimit) reasons.push(refusals.last);
  if (refusals.count >= refusalLimit || snapshot.now - startedAt >= assignment.spec.deadlineMs) {
    return { actions: [], memory, status: 'failed', reasons, sizes };
  }
  return { actions, memory, status: 'rolling', reasons, sizes };
}

const because = ({ reason }: RefreshObservation): string => (reason ? `: ${reason}` : '');
