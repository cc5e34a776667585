/**
 * One group, counted: the numbers every rule of decide.ts is written in. Pure; weighs nothing.
 *
 * "Total" counts what Auto Scaling counts towards desired: an instance whose termination has been asked for is no
 * longer part of it, though it still exists for a while.
 */
import type { InstanceObservation } from '../../cloud/cloud.ts';
import type { Allowance } from '../spec.ts';
import type { Assignment, Memory, Sizes, Snapshot } from '../state.ts';
import { bad, serving } from './health.ts';
import { heldBack } from './held.ts';
import { counted, held, onTrial, outdated, standby } from './members.ts';

/** Percentages of desired as it is now: surge rounds up, unavailable down, so that neither surprises. */
export const surgeOf = (surge: Allowance, desired: number): number =>
  'instances' in surge ? surge.instances : Math.ceil(surge.fraction * desired);
export const unavailableOf = (unavailable: Allowance, desired: number): number =>
  'instances' in unavailable ? unavailable.instances : Math.floor(unavailable.fraction * desired);

/** How many instances may be on the target version while a canary is tried; Infinity when nothing limits them. */
function canaryLimit({ goal, spec: { strategy } }: Assignment, { canary }: Memory, wanted: number): number {
  const isTried = strategy.type === 'canary' && goal.kind === 'replace' && !canary.isOver;
  return isTried ? Math.max(1, surgeOf(strategy.size, wanted)) : Number.POSITIVE_INFINITY;
}

/** Desired while `active` instances are still to be replaced. */
export const desiredGoal = ({ wanted, surge }: Pick<View, 'wanted' | 'surge'>, active: number): number =>
  wanted + Math.min(surge, active);

export interface View {
  wanted: number;
  desired: number;
  surge: number;
  unavailable: number;
  /** The least that must be serving. */
  floor: number;
  /**
   * How many may be on the target version; by how many desired is to be raised for the surge; and how many may be taken
   * besides before that many are: both are replaced by the target version. `excess`: how many too many it will be.
   */
  limit: number;
  raise: number;
  room: number;
  excess: number;
  /** Counted by Auto Scaling and not terminated by us. */
  staying: InstanceObservation[];
  serving: InstanceObservation[];
  /** Outdated, free to be taken, not yet taken: those that serve or may come to, and those that are of no use. */
  takeable: { serving: InstanceObservation[]; bad: InstanceObservation[] };
  /** Not outdated and not taken: those that serve, and those of which nothing is to be expected any more. */
  current: InstanceObservation[];
  idle: InstanceObservation[];
  /** Outdated and to be replaced (victims included), counted towards desired: what surge is for. */
  active: number;
  /** Outdated and waiting for a person or the application to release them. */
  waiting: InstanceObservation[];
  /** Everything outdated that must go before the group counts as replaced. */
  remaining: number;
  /** Must pass their gates and do not yet. */
  unproven: InstanceObservation[];
  draining: number;
}

export function look(
  assignment: Assignment,
  { group, now }: Pick<Snapshot, 'group' | 'now'>,
  memory: Memory,
): View {
  const { spec } = assignment;
  const { wanted } = memory.owed;
  const present = group.instances.filter((i) => !memory.instances[i.id]?.terminated);
  const staying = present.filter(counted);
  const concerned = present.filter((i) => (counted(i) || standby(i)) && outdated(assignment, i));
  const taken = (i: InstanceObservation) => memory.drains[i.id] !== undefined;
  const replaceable = concerned.filter((i) => taken(i) || held(assignment, i) === 'replace');
  const waiting = heldBack(assignment, group, memory);
  const serves = (i: InstanceObservation) => serving(assignment, memory, i);
  const free = replaceable.filter((i) => !taken(i));
  const stuckPending = (i: InstanceObservation) =>
    now - (memory.instances[i.id]?.seenAt ?? now) >= spec.gateDeadlineMs;
  // Auto Scaling may refuse to terminate what it is still launching; given time it becomes InService or goes.
  const terminable = (i: InstanceObservation) => !i.lifecycle.startsWith('Pending') || stuckPending(i);
  const unavailable = unavailableOf(spec.unavailable, wanted);
  const current = staying.filter((i) => !outdated(assignment, i) && !taken(i));
  const limit = canaryLimit(assignment, memory, wanted);
  const active = replaceable.filter(counted).length;
  const surge = surgeOf(spec.surge, wanted);
  const missing = Math.max(0, group.desired - staying.length);
  const vacancies = limit - current.length - missing - replaceable.filter(taken).length;
  const raise = Math.min(
    Math.max(0, vacancies),
    Math.max(0, desiredGoal({ wanted, surge }, active) - group.desired),
  );
  const hopeless = (i: InstanceObservation) =>
    terminable(i) && !onTrial(assignment, i) && bad(assignment, memory, i);
  return {
    wanted,
    desired: group.desired,
    surge,
    limit,
    raise,
    room: Math.max(0, vacancies) - raise,
    excess: Math.max(0, -vacancies),
    unavailable,
    floor: Math.max(0, wanted - unavailable),
    staying,
    serving: staying.filter(serves),
    takeable: {
      serving: free.filter(serves),
      bad: free.filter((i) => !serves(i) && terminable(i) && (standby(i) || bad(assignment, memory, i))),
    },
    current: current.filter(serves),
    idle: current.filter((i) => !serves(i) && hopeless(i)),
    active,
    waiting,
    remaining: replaceable.length + waiting.length,
    unproven: staying.filter((i) => onTrial(assignment, i) && !taken(i) && !serves(i)),
    draining: Object.keys(memory.drains).length,
  };
}

/** Everything is replaced, proven and counted, and nothing is under way. */
export const isSettled = (view: View): boolean =>
  view.remaining === 0 &&
  view.draining === 0 &&
  view.unproven.length === 0 &&
  view.desired === view.wanted &&
  view.staying.length === view.wanted;

export function sizesOf(assignment: Assignment, view: View): Sizes {
  const target = view.staying.filter((i) => i.templateVersion === assignment.goal.version).length;
  return {
    target,
    previous: view.staying.length - target,
    healthy: view.serving.length,
    total: view.staying.length,
    desired: view.wanted,
    draining: view.draining,
    floor: view.floor,
  };
}

/** "2/4 on the new image, 3 other, 1 draining, healthy 4 (floor 4)" */
export function describe(sizes: Sizes, goal: Assignment['goal']['kind']): string {
  const image = goal === 'replace' ? 'new' : 'previous';
  const others = sizes.previous > 0 ? `, ${sizes.previous} other` : '';
  const draining = sizes.draining > 0 ? `, ${sizes.draining} draining` : '';
  return `${sizes.target}/${sizes.desired} on the ${image} image${others}${draining}, healthy ${sizes.healthy} (floor ${sizes.floor})`;
}
