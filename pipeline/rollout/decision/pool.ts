/**
 * The group's warm pool: instances prepared beside it, which Auto Scaling draws into it when it grows. They keep the
 * version they were launched from ("existing instances are not affected" by another one), so each that is outdated
 * would bring the image that was left behind into service with the next scale-out. Auto Scaling replaces those it is
 * told are unhealthy; they serve nobody, so there is nothing to drain and no floor to keep. Pure.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-warm-pools.html#update-warm-pool
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/warm-pools-health-checks-monitor-view-status.html
 */
import { type GroupObservation, isPrepared, type WarmInstance } from '../../cloud/cloud.ts';
import type { Action, Assignment, Memory } from '../state.ts';
import { isLaunchedFrom } from './borrow.ts';
import { outdated } from './members.ts';
import { isPaused } from './pause.ts';
import type { View } from './view.ts';

/** Without them Auto Scaling ends, or launches, none. */
const needed = ['ReplaceUnhealthy', 'Terminate', 'Launch'];

/** What an operator has suspended that keeps the pool as it is; null when nothing does. */
export const poolKeptBy = ({ suspendedProcesses }: Pick<GroupObservation, 'suspendedProcesses'>) =>
  needed.find((process) => suspendedProcesses.includes(process)) ?? null;

const isGoing = ({ lifecycle, healthy }: WarmInstance): boolean =>
  !healthy || lifecycle.startsWith('Warmed:Terminat');

/** Those in the pool that are still to be replaced. */
export const outdatedInPool = (assignment: Assignment, { warmPool }: GroupObservation): WarmInstance[] =>
  (warmPool ?? []).filter((one) => outdated(assignment, one) && !isGoing(one));

/** Whether the pool has yet to be replaced, and can be. */
export const isPoolOpen = (assignment: Assignment, group: GroupObservation): boolean =>
  poolKeptBy(group) === null && outdatedInPool(assignment, group).length > 0;

/**
 * On the way forward half of what the pool holds at a time, so that a scale-out still finds some; and none while a
 * canary is tried or a gate has not passed. What a return leaves behind goes at once: better a cold start than that.
 * Whoever is still being prepared is no business of the health checks yet.
 */
export function renewal(
  assignment: Assignment,
  group: GroupObservation,
  memory: Memory,
  { limit, remaining }: Pick<View, 'limit' | 'remaining'>,
): Action[] {
  // A canary that leaves nothing to replace is the whole group, and is never widened.
  const isTried = Number.isFinite(limit) && remaining > 0;
  if (isPaused(memory) || isTried || poolKeptBy(group) !== null) return [];
  // What came from the version left behind would be replaced by its like.
  if (!isLaunchedFrom(assignment.goal, group)) return [];
  const pool = group.warmPool ?? [];
  const stale = outdatedInPool(assignment, group).filter(({ lifecycle }) => isPrepared(lifecycle));
  const unprepared = pool.filter((one) => !isPrepared(one.lifecycle) || isGoing(one)).length;
  const atOnce = assignment.goal.kind === 'replace' ? Math.ceil(pool.length / 2) - unprepared : stale.length;
  const instances = stale.slice(0, Math.max(0, atOnce)).map(({ id }) => id);
  if (instances.length === 0) return [];
  return [{ type: 'renew', instances, why: 'the next scale-out would bring them into service' }];
}
