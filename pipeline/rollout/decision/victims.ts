/**
 * Who goes: which instances are taken out of service next, which of those taken need not go after all, and how those
 * that are drained are terminated. Pure.
 */
import type { InstanceObservation } from '../../cloud/cloud.ts';
import type { Action, Assignment, Memory, Snapshot } from '../state.ts';
import { gather } from './gather.ts';
import { held, outdated, standby } from './members.ts';
import { isPaused } from './pause.ts';
import { superfluous } from './surplus.ts';
import { desiredGoal, type View } from './view.ts';
import { pick } from './zones.ts';

type Drains = Memory['drains'];

/** Divides all victims, new and old: `going` are to be drained, `released` get their work back. */
export function choose(
  assignment: Assignment,
  { group, now }: Snapshot,
  memory: Memory,
  view: View,
): { going: Drains; released: Drains } & Pick<Memory, 'gatheringSince'> {
  const { drains } = memory;
  const isCurrent = (instance: InstanceObservation): boolean => !outdated(assignment, instance);
  // Auto Scaling is about to scale in by itself and may take any of those we count on.
  const leavingSoon = Math.max(0, view.staying.length - view.desired);
  const spare = Math.max(0, view.serving.length - view.floor - leavingSoon);
  const { victims, gatheringSince } = isPaused(memory)
    ? { victims: [], gatheringSince: null }
    : replaceable(assignment, memory, view, spare, now);

  // Whom a person or the application holds back meanwhile is no victim any more.
  const taken = group.instances.filter(({ id }) => drains[id] !== undefined);
  const kept = taken.filter((one) => isHeldBack(assignment, one));
  // Victims that are not outdated go only as far as more instances are desired than wanted.
  const extra = taken.filter((one) => isCurrent(one) && !kept.includes(one));
  // With nothing left to replace, what exceeds the wanted goes the same way: drained, and chosen by us.
  const surplus = view.active === 0 ? Math.max(0, view.desired - view.wanted) : 0;
  victims.push(...superfluous(assignment, view, surplus - extra.length, spare));

  // A scale-out may fill a canary by itself: then nobody more is to be replaced by it.
  const replaced = taken.filter((one) => !isCurrent(one) && !kept.includes(one));
  const needless = replaced.slice(Math.max(0, replaced.length - view.excess));
  const released = new Set(
    [...kept, ...extra.slice(surplus), ...needless, ...untold(memory, view, taken)].map(({ id }) => id),
  );
  const entries = Object.entries(drains);
  return {
    going: {
      ...Object.fromEntries(entries.filter(([id]) => !released.has(id))),
      ...Object.fromEntries(
        victims.map(({ id }) => [id, { step: 0, started: false, touched: false, since: now }]),
      ),
    },
    released: Object.fromEntries(entries.filter(([id]) => released.has(id))),
    gatheringSince,
  };
}

/**
 * Victims whose drain may never have begun (the call failed, or the process died over it) and who serve on by all that
 * shows: as many as the floor has come to need since. For one whose drain did begin it is undone.
 */
function untold(
  { drains, instances }: Memory,
  { floor, serving }: View,
  taken: readonly InstanceObservation[],
): InstanceObservation[] {
  const isUntold = ({ id }: InstanceObservation): boolean => {
    const { step, touched, started } = drains[id]!;
    return step === 0 && touched && !started && (instances[id]?.passes ?? 0) > 0;
  };
  return taken.filter(isUntold).slice(0, Math.max(0, floor - serving.length));
}

/** Protected from scale-in or in Standby, and nothing says that it is to go all the same. */
function isHeldBack(assignment: Assignment, instance: InstanceObservation): boolean {
  if (outdated(assignment, instance)) return held(assignment, instance) !== 'replace';
  return instance.protectedFromScaleIn || standby(instance);
}

/** Outdated instances to take now: first those that serve nobody, then of those that serve up to `spare`. */
function replaceable(
  assignment: Assignment,
  memory: Memory,
  view: View,
  spare: number,
  now: number,
): { victims: InstanceObservation[] } & Pick<Memory, 'gatheringSince'> {
  const { drains } = memory;
  const { takeable, staying, room } = view;
  const missing = Math.max(0, view.desired - staying.length);
  // What serves nobody costs no capacity, but is still replaced at the pipeline's pace: the gates might be wrong.
  const slots = Math.max(1, view.surge + view.unavailable) - view.draining - view.unproven.length - missing;
  // Where a victim is on its way out, its replacement is expected.
  const received = staying.filter((one) => !outdated(assignment, one) || drains[one.id] !== undefined);
  const useless = pick(takeable.bad, staying, received, Math.min(slots, room));
  const able = Math.min(spare, room - useless.length, takeable.serving.length);
  const { count, gatheringSince } = gather(assignment, memory, view, able, now);
  return { victims: [...useless, ...pick(takeable.serving, staying, received, count)], gatheringSince };
}

/** `ready` are drained; `raised` is what desired will be by then. */
export function terminations(
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
