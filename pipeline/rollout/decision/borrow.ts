/**
 * What the engine changes on a group for as long as it replaces, and how that is given back: the pinned version, room
 * above desired and MaxSize, and AZRebalance, which would launch and terminate by itself to even out the zones that a
 * rollout makes uneven all the time. Pure.
 */
import type { GroupChange, GroupObservation } from '../../cloud/cloud.ts';
import type { Action, Assignment, Memory, Snapshot } from '../state.ts';
import { followedIn, marking } from '../tags.ts';
import { isPaused } from './pause.ts';
import { desiredGoal, isSettled, type View } from './view.ts';
import { movesToEven } from './zones.ts';

const rebalance = 'AZRebalance';

/** What of the group's settings is to change before instances are taken; `moves` as in unevenness. */
export function changeFor(
  { goal }: Assignment,
  { group }: Snapshot,
  memory: Memory,
  view: View,
  moves: number,
): GroupChange {
  if (isPaused(memory)) return {};
  const raised = moves > 0 ? desiredGoal(view, moves) : view.desired + view.raise;
  return {
    ...(!isLaunchedFrom(goal, group) && { templateVersion: goal.version }),
    ...(raised > view.desired && { desired: raised, ifDesired: view.desired }),
    ...(raised > group.max && { max: raised }),
  };
}

/** What Auto Scaling launches from now on is what the goal wants. */
export const isLaunchedFrom = (
  { version, follows }: Assignment['goal'],
  { template }: GroupObservation,
): boolean => template?.version === String(version) || (follows !== null && template?.version === follows);

/** What has to be changed before instances are replaced; AZRebalance is kept off for as long as that takes. */
export function setUp(
  assignment: Assignment,
  { group }: Pick<Snapshot, 'group'>,
  memory: Memory,
  view: View,
  change: GroupChange,
): Action[] {
  if (isPaused(memory)) return [];
  const suspend =
    view.active > 0 && group.zones.length > 1 && !group.suspendedProcesses.includes(rebalance)
      ? [rebalance]
      : [];
  if (Object.keys(change).length === 0 && suspend.length === 0 && view.active === 0) return [];
  const why = 'zones are uneven while instances are replaced';
  return borrowed(assignment, { group }, memory, view, { suspend, why, change });
}

/** Marks the group, suspends processes, and makes the change, in this order: the marks tell of what follows. */
export function borrowed(
  { release, baseline, goal }: Assignment,
  { group }: Pick<Snapshot, 'group'>,
  { owed }: Memory,
  view: View,
  { suspend, why, change }: { suspend: string[]; why: string; change: GroupChange },
): Action[] {
  const desired = change.desired ?? view.desired;
  const max = owed.max?.from ?? (change.max !== undefined ? group.max : null);
  const actions: Action[] = marking(group, {
    release,
    version: goal.abandoned ?? goal.version,
    previousVersion: baseline.resolvedVersion,
    follows: followedIn(baseline),
    wanted: view.wanted,
    raise: Math.max(desired - view.wanted, Number(group.tags['drover:raise'] ?? 0)),
    max,
    maxRaised: [...(owed.max?.raised ?? []), ...(change.max === undefined ? [] : [change.max])],
    suspended: [...new Set([...owed.suspended, ...suspend])],
  });
  if (suspend.length > 0) actions.push({ type: 'suspend', processes: suspend, why });
  if (Object.keys(change).length > 0) {
    const parts = [
      change.templateVersion !== undefined && `new instances come from version ${goal.version}`,
      change.max !== undefined && `MaxSize ${group.max} leaves no room for the surge`,
      change.desired !== undefined &&
        `${desired - view.desired} above the wanted ${view.wanted} while replacing`,
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

/** As soon as everything is replaced, before the soak: the user's limits hold again. */
export function giveBack({ group }: Snapshot, memory: Memory, view: View): Action[] {
  if (isPaused(memory) || !isSettled(view)) return [];
  const { owed } = memory;
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

/**
 * Instances to move before AZRebalance is resumed: it would launch and terminate too, but without drain and gates,
 * and count an instance as capacity that does not serve yet. We launch first, into the emptiest zone, then drain
 * from the fullest; a surge at a time, again for as long as that leaves fewer to move. When it does not (a zone has no
 * capacity, the fullest is protected), the rest is AZRebalance's to try.
 * @returns how many now, and how many there are left to beat
 */
export function unevenness(
  { group }: Snapshot,
  { owed, pause, uneven }: Memory,
  view: View,
): { moves: number; uneven: number | null } {
  if (isPaused({ pause }) || !isSettled(view) || !owed.suspended.includes(rebalance))
    return { moves: 0, uneven };
  const needed = movesToEven(group.zones, view.staying);
  if (uneven !== null && needed >= uneven) return { moves: 0, uneven };
  const movable = view.serving.filter(({ protectedFromScaleIn }) => !protectedFromScaleIn).length;
  const moves = Math.min(view.surge, movable, needed);
  return { moves, uneven: moves > 0 ? needed : uneven };
}
