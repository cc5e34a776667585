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
import type { GroupChange, InstanceObservation } from '../../cloud/cloud.ts';
import type { Action, Assignment, Decision, Memory, Snapshot } from '../state.ts';
import { marking, markKeys } from '../tags.ts';
import { provenSince, widen } from './canary.ts';
import { abandon, advance } from './drainage.ts';
import { failureOf, shortage } from './failure.ts';
import { handOver, openHandovers } from './handover.ts';
import { outdated, standby } from './members.ts';
import { perceive } from './perceive.ts';
import { superfluous } from './surplus.ts';
import { look, sizesOf, type View } from './view.ts';
import { movesToEven, pick } from './zones.ts';

/** AZRebalance launches and terminates on its own to even out zones, which a rollout disturbs all the time. */
const rebalance = 'AZRebalance';

export function decide(assignment: Assignment, snapshot: Snapshot, previous: Memory): Decision {
  const perceived = perceive(assignment, snapshot, previous);
  const before = look(assignment, snapshot, perceived);
  const failure = failureOf(assignment, snapshot, perceived, before);
  if (failure) return failed(assignment, perceived, before, failure);
  const doubt = doubtOf(perceived);
  if (doubt) {
    const sizes = sizesOf(assignment, before);
    return { actions: [], memory: perceived, status: 'rolling', reasons: [doubt], sizes };
  }

  const { going, released } = choose(assignment, snapshot, perceived, before);
  const drainage = advance(assignment.spec, snapshot, going);
  // Released victims stay remembered until their work has been given back: applied() forgets them then.
  const advanced = { ...perceived, drains: { ...drainage.drains, ...released } };
  if (drainage.failure) return failed(assignment, advanced, before, drainage.failure);

  const view = look(assignment, snapshot, advanced);
  const moves = unevenness(snapshot, advanced, view);
  const { handovers, actions: handing, failure: unhanded } = handOver(assignment, snapshot, advanced);
  if (unhanded) return failed(assignment, { ...advanced, handovers }, before, unhanded);
  const canary = { ...advanced.canary, provenSince: provenSince(advanced, view, snapshot.now) };
  const memory = { ...advanced, handovers, canary, evened: advanced.evened || moves > 0 };
  const raised = Math.max(view.desired, desiredGoal(view, view.active + moves));
  const actions = [
    ...setUp(assignment, snapshot, memory, view, raised),
    ...abandon(released, 'it need not be replaced any more'),
    ...drainage.start,
    ...terminations(assignment, snapshot, view, drainage.ready, raised),
    ...handing,
    ...widen(assignment, memory, view, snapshot.now),
    ...(raised === view.desired ? giveBack(snapshot, memory, view) : []),
  ];
  return conclude(assignment, snapshot, memory, view, actions);
}

/** What must be seen again before anything may be built on it; null when all is clear. */
function doubtOf({ divergence, owed, uncertain, pause }: Memory): string | null {
  if (divergence) return `desired reads ${divergence.to}, not ${owed.expected}; looking again`;
  const [first] = uncertain;
  if (first) return `no answer to '${first.action.type}' came; looking whether it was carried out`;
  return isPaused({ pause }) && !owed.tagged ? `not begun: ${pause.reason}` : null;
}

/** Nothing new is taken, nothing is completed: a gate over the group has not passed. */
const isPaused = ({ pause }: Pick<Memory, 'pause'>): boolean => pause.since !== null;

/** Desired while `active` instances are still to be replaced. */
const desiredGoal = (view: View, active: number): number => view.wanted + Math.min(view.surge, active);

/** Everything is replaced, proven and counted, and nothing is under way. */
const isSettled = (view: View): boolean =>
  view.remaining === 0 &&
  view.draining === 0 &&
  view.unproven.length === 0 &&
  view.desired === view.wanted &&
  view.staying.length === view.wanted;

/**
 * Instances to move before AZRebalance is resumed: it would launch and terminate too, but without drain and gates,
 * and count an instance as capacity that does not serve yet. We launch first, into the emptiest zone, then drain
 * from the fullest. Tried once: a zone may have no capacity.
 */
function unevenness({ group }: Snapshot, { owed, evened }: Memory, view: View): number {
  if (evened || !isSettled(view) || !owed.suspended.includes(rebalance)) return 0;
  const movable = view.serving.filter(({ protectedFromScaleIn }) => !protectedFromScaleIn).length;
  return Math.min(view.surge, movable, movesToEven(group.zones, view.staying));
}

/** Pins the version, marks the group and makes room, before anything is taken. */
function setUp(
  { release, baseline, goal }: Assignment,
  { group }: Snapshot,
  memory: Memory,
  view: View,
  raised: number,
): Action[] {
  const { owed } = memory;
  const change: GroupChange = {};
  if (group.template?.version !== String(goal.version)) change.templateVersion = goal.version;
  if (raised > view.desired) Object.assign(change, { desired: raised, ifDesired: view.desired });
  if (raised > group.max) change.max = raised;
  const suspend =
    view.active > 0 && group.zones.length > 1 && !group.suspendedProcesses.includes(rebalance)
      ? [rebalance]
      : [];
  const changes = Object.keys(change).length > 0;
  if (!changes && suspend.length === 0 && view.active === 0) return [];

  const max = owed.max?.from ?? (change.max !== undefined ? group.max : null);
  const actions = marking(group, {
    release,
    version: goal.abandoned ?? goal.version,
    previousVersion: baseline.resolvedVersion,
    wanted: view.wanted,
    raise: Math.max(raised - view.wanted, Number(group.tags['drover:raise'] ?? 0)),
    max,
    maxRaised: [...(owed.max?.raised ?? []), ...(change.max === undefined ? [] : [change.max])],
    suspended: [...new Set([...owed.suspended, ...suspend])],
  });
  if (suspend.length > 0) {
    actions.push({
      type: 'suspend',
      processes: suspend,
      why: 'zones are uneven while instances are replaced',
    });
  }
  if (changes) {
    const parts = [
      change.templateVersion !== undefined && `new instances come from version ${goal.version}`,
      change.max !== undefined && `MaxSize ${group.max} leaves no room for the surge`,
      change.desired !== undefined &&
        `${raised - view.desired} above the wanted ${view.wanted} while replacing`,
    ];
    actions.push({
      type: 'update',
      change,
      wanted: view.wanted,
      maxFrom: change.max === undefined ? null : max,
      why: parts.filter(Boolean).join('; '),
    });
  }
  return actions;
}

/** Takes new victims (`going` holds all), lets go of those that need not go any more. */
function choose(
  assignment: Assignment,
  { group, now }: Snapshot,
  memory: Memory,
  view: View,
): { going: Memory['drains']; released: Memory['drains'] } {
  // Auto Scaling is about to scale in by itself and may take any of those we count on.
  const leavingSoon = Math.max(0, view.staying.length - view.desired);
  const spare = Math.max(0, view.serving.length - view.floor - leavingSoon);
  const missing = Math.max(0, view.desired - view.staying.length);
  // What serves nobody costs no capacity, but is still replaced at the pipeline's pace: the gates might be wrong.
  const slots = Math.max(1, view.surge + view.unavailable) - view.draining - view.unproven.length - missing;
  const room = isPaused(memory) ? 0 : view.room;
  const isCurrent = (instance: InstanceObservation): boolean => !outdated(assignment, instance);
  // Where a victim is on its way out, its replacement is expected.
  const received = view.staying.filter((one) => isCurrent(one) || memory.drains[one.id] !== undefined);
  const useless = pick(view.takeable.bad, view.staying, received, Math.min(slots, room));
  const useful = Math.min(spare, room - useless.length);
  const victims = [...useless, ...pick(view.takeable.serving, view.staying, received, useful)];

  const kept = new Set(group.instances.filter(isCurrent).map(({ id }) => id));
  const extra = Object.keys(memory.drains).filter((id) => kept.has(id));
  // With nothing left to replace, what exceeds the wanted goes the same way: drained, and chosen by us.
  const surplus = view.active === 0 ? Math.max(0, view.desired - view.wanted) : 0;
  victims.push(...superfluous(assignment, view, surplus - extra.length, spare));
  const released = new Set(extra.slice(surplus));
  const entries = Object.entries(memory.drains);
  return {
    going: {
      ...Object.fromEntries(entries.filter(([id]) => !released.has(id))),
      ...Object.fromEntries(victims.map(({ id }) => [id, { step: 0, started: false, since: now }])),
    },
    released: Object.fromEntries(entries.filter(([id]) => released.has(id))),
  };
}

function terminations(
  assignment: Assignment,
  { group }: Snapshot,
  view: View,
  ready: readonly string[],
  raised: number,
): Action[] {
  const byId = new Map(group.instances.map((instance) => [instance.id, instance]));
  let { active } = view;
  let desired = raised;
  const replaced: string[] = [];
  const removed: string[] = [];
  for (const id of ready) {
    const instance = byId.get(id)!;
    if (standby(instance)) {
      // Entering Standby has already decremented desired.
      replaced.push(id);
    } else if (outdated(assignment, instance)) {
      active -= 1;
      if (desired > desiredGoal(view, active)) {
        desired -= 1;
        removed.push(id);
      } else replaced.push(id);
    } else if (active === 0 && desired > view.wanted) {
      desired -= 1;
      removed.push(id);
    }
  }
  const action = (instances: string[], decrement: boolean, why: string): Action[] =>
    instances.length > 0 ? [{ type: 'terminate', instances, decrement, wanted: view.wanted, why }] : [];
  return [
    ...action(replaced, false, 'drained; Auto Scaling launches the replacement'),
    ...action(removed, true, `drained; brings desired back towards the wanted ${view.wanted}`),
  ];
}

/** As soon as everything is replaced, before the soak: the user's limits hold again. */
function giveBack({ group }: Snapshot, { owed }: Memory, view: View): Action[] {
  if (!isSettled(view)) return [];
  const actions: Action[] = [];
  if (owed.max && view.desired <= owed.max.from) {
    const { from } = owed.max;
    const change = { max: from };
    actions.push({
      type: 'update',
      change,
      wanted: view.wanted,
      maxFrom: null,
      why: `MaxSize back to ${from}`,
    });
  }
  if (owed.suspended.length > 0) {
    const isOurs = owed.suspended.some((name) => group.suspendedProcesses.includes(name));
    const why = isOurs ? 'nothing is being replaced any more' : 'already resumed by somebody else';
    actions.push({ type: 'resume', processes: owed.suspended, why });
  }
  return actions;
}

function conclude(
  assignment: Assignment,
  snapshot: Snapshot,
  memory: Memory,
  view: View,
  actions: Action[],
): Decision {
  const sizes = sizesOf(assignment, view);
  const reasons = [
    ...(isPaused(memory) ? [memory.pause.reason] : []),
    ...view.waiting.map(({ id }) => `${id} is protected or in Standby and on the previous image`),
    ...view.unproven.map(({ id }) => `${id}: ${memory.instances[id]?.reason ?? 'not seen yet'}`),
    ...(view.staying.length < view.desired ? [shortage(snapshot, view)] : []),
    ...(openHandovers(memory) === 0 ? [] : [`${openHandovers(memory)} wait behind a termination hook`]),
    ...(memory.canary.provenSince === null ? [] : [`the canary of ${view.limit} soaks`]),
  ];
  const isOver = isSettled(view) && !isPaused(memory) && openHandovers(memory) === 0;
  const complete = actions.length === 0 && isOver;
  if (!complete) return { actions, memory, status: 'rolling', reasons, sizes };
  const replaced = { ...memory, replacedAt: memory.replacedAt ?? snapshot.now };
  if (!snapshot.soaked) return { actions, memory: replaced, status: 'replaced', reasons, sizes };
  if (!memory.owed.tagged) return { actions, memory: replaced, status: 'finished', reasons, sizes };
  const keys = markKeys.filter((key) => snapshot.group.tags[key] !== undefined);
  const untag: Action = { type: 'untag', keys, why: 'nothing of the release is left on the group' };
  return { actions: [untag], memory: replaced, status: 'replaced', reasons, sizes };
}

function failed(assignment: Assignment, memory: Memory, view: View, reason: string): Decision {
  return { actions: [], memory, status: 'failed', reasons: [reason], sizes: sizesOf(assignment, view) };
}
