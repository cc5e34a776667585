/**
 * What Auto Scaling is asked for when it is to replace a group's instances, the configuration's limits in its own words;
 * and what the states mean in which it is. Pure, but for the refusal of what it could not do.
 */
import type { GroupObservation, RefreshObservation, RefreshRequest } from '../../cloud/cloud.ts';
import { Refused } from '../../errors.ts';
import type { GroupSpec } from '../spec.ts';
import type { Answer, Assignment, Memory } from '../state.ts';
import type { View } from './view.ts';

export const underWay: ReadonlySet<string> = new Set([
  'Pending',
  'InProgress',
  'Baking',
  'Cancelling',
  'RollbackInProgress',
]);

/** It goes on replacing, or will. */
export const isReplacing = ({ status }: RefreshObservation): boolean =>
  underWay.has(status) && status !== 'Cancelling' && status !== 'RollbackInProgress';

export const cameToNothing = ({ status }: RefreshObservation): boolean =>
  !underWay.has(status) && status !== 'Successful';

/**
 * Whether it is the release's: by its id; without one (before it was started, after a stop cancelled it) by its version,
 * unless it came to nothing.
 */
export function isOf(
  { goal }: Assignment,
  { refresh: id }: Memory,
  refresh: RefreshObservation | null,
): boolean {
  if (refresh === null || id !== null) return refresh?.id === id;
  const version = goal.kind === 'replace' ? goal.version : goal.abandoned;
  return version !== null && refresh.version === version && !cameToNothing(refresh);
}

/**
 * Somebody else's refresh replaces the same instances, and AWS refuses to change the template meanwhile ("An active
 * instance refresh with a desired configuration exists. All configuration options derived from the desired
 * configuration are not available for update while the instance refresh is active."). So while one is under way it is
 * a gate over the group that waits.
 */
export function foreignRefresh(
  assignment: Assignment,
  memory: Memory,
  { name, refresh = null }: GroupObservation,
): Answer[] {
  if (refresh === null || !underWay.has(refresh.status) || isOf(assignment, memory, refresh)) return [];
  const reason = `somebody else's instance refresh ${refresh.id} is under way: ${waitOrCancel(name)}`;
  return [{ status: 'waiting', source: 'instance-refresh', reason }];
}

export const waitOrCancel = (group: string): string =>
  `wait for its end, or cancel it (aws autoscaling cancel-instance-refresh --auto-scaling-group-name ${group})`;

/** @throws Refused when somebody else's refresh is under way in a group that has not been begun */
export function requireNoRefresh(group: string, refresh: RefreshObservation | null | undefined): void {
  if (!refresh || !underWay.has(refresh.status)) return;
  throw new Refused(
    'busy',
    `Auto Scaling is replacing the instances of group ${group} already: instance refresh ${refresh.id} is ${refresh.status} (${refresh.percent} %)`,
    `Drover leaves it alone: ${waitOrCancel(group)}.`,
  );
}

/**
 * Surge and unavailable as percentages of desired: the fewest healthy rounds up, the most present down, so these are
 * the widest whole percentages that keep both limits. At most 100 apart, as StartInstanceRefresh wants it.
 */
export function requestOf(
  spec: GroupSpec,
  version: number,
  { wanted, desired, unavailable, surge }: Pick<View, 'wanted' | 'desired' | 'unavailable' | 'surge'>,
): RefreshRequest {
  const { strategy } = spec;
  const checkpoints = strategy.type === 'instance-refresh' ? strategy.checkpoints : [];
  const floor = Math.max(0, wanted - unavailable);
  // An earlier refresh that was cancelled may have left desired raised. A group of which none is wanted may have some in
  // Standby; percentages of nothing are as good as those of one.
  const whole = Math.max(1, desired);
  const below = Math.floor((floor * 100) / whole);
  const least = Math.ceil((whole * below) / 100) < floor ? below + 1 : below;
  const most = Math.max(100, Math.ceil(((wanted + surge + 1) * 100) / whole) - 1);
  return {
    version,
    minHealthy: least,
    maxHealthy: Math.min(most, 200, least + 100),
    // After the last checkpoint Auto Scaling calls the refresh done, whatever percentage that is.
    checkpoints: checkpoints.length === 0 || checkpoints.at(-1) === 100 ? checkpoints : [...checkpoints, 100],
    checkpointDelayMs: checkpointDelayMs(spec),
    protectedInstances: spec.protectedInstances ?? 'wait',
    standbyInstances: spec.standbyInstances ?? 'wait',
  };
}

/** After the delay Auto Scaling goes on by itself, so it is never shorter than the time the gates may take. */
const checkpointDelayMs = ({ strategy, gateDeadlineMs }: GroupSpec): number =>
  strategy.type === 'instance-refresh' ? Math.max(strategy.checkpointSoakMs, gateDeadlineMs) : 0;

/** How much longer than its deadline a rollout may take because it pauses. */
export const pausesMs = (spec: GroupSpec): number =>
  spec.strategy.type === 'instance-refresh' ? spec.strategy.checkpoints.length * checkpointDelayMs(spec) : 0;

/** @throws Refused for drains a refresh would never run: Auto Scaling deregisters targets and knows no others */
export function requireDelegable({ group, strategy, drain }: GroupSpec): void {
  const own = drain.find(({ type }) => type !== 'target-group');
  if (strategy.type !== 'instance-refresh' || !own) return;
  throw new Refused(
    'invalid',
    `group ${group} is rolled by instance-refresh, which would skip its ${own.type} drain`,
    'Use the strategy rolling or canary, or hand the work over behind a termination hook (`handover`).',
  );
}
