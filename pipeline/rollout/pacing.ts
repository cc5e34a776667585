/**
 * How long one instance's replacement takes in a group, as far as the past and the settings tell, and the least a whole
 * group can take at that pace. Pure. What could not be measured is assumed, and said.
 */
import type { GroupObservation, GroupTimes } from '../cloud/cloud.ts';
import type { GroupSpec } from './spec.ts';

export interface Pacing {
  /** From the launch until the instance is in service. */
  launchMs: number;
  /** From there until its gates can pass. */
  readyMs: number;
  drainMs: number;
  /**
   * How long an instance refresh waits when an instance is in service, before it goes on to the next: "the value of the
   * DefaultInstanceWarmup property, if defined (which is recommended in all cases), or the HealthCheckGracePeriod
   * property otherwise" (RefreshPreferences, InstanceWarmup). Null where Drover replaces, which waits for gates alone.
   */
  warmUpMs: number | null;
  /** One sentence for each of these that was not measured. */
  assumed: string[];
}

/** Between a small instance's boot and a large one's; used only where Auto Scaling has no activity to show. */
const unmeasuredLaunchMs = 60_000;
/** EC2 reports 'initializing' for its first rounds of checks, one a minute. */
const statusChecksMs = 120_000;

/** @param given what a person knows better */
export function pacingOf(
  spec: GroupSpec,
  { targetGroups, warmUpMs, healthCheckGraceMs }: GroupObservation,
  times: GroupTimes,
  given: Partial<Pick<Pacing, 'launchMs' | 'readyMs' | 'drainMs'>> = {},
): Pacing {
  const gates = spec.gates.map(({ type }) => type);
  const drains = spec.drain.map(({ type }) => type);
  const isBalanced = targetGroups.length > 0;
  const launchMs = given.launchMs ?? median(times.launchesMs);
  const checksMs = gates.includes('status-checks') ? statusChecksMs : 0;
  const healthyMs = gates.includes('target-health') && isBalanced ? times.healthyMs : 0;
  const unknownGates = gates.filter((type) => !readyKnown.has(type));
  const unknownDrains = drains.filter((type) => type !== 'target-group');
  const assumed = [
    launchMs === null && `a launch takes ${unmeasuredLaunchMs / 1000} s: no scaling activity shows one`,
    given.readyMs === undefined && checksMs > 0 && `status checks pass ${checksMs / 1000} s after the launch`,
    given.readyMs === undefined && unknownGates.length > 0 && `${unknownGates.join(', ')}: pass at once`,
    given.drainMs === undefined &&
      drains.includes('target-group') &&
      isBalanced &&
      'every drain takes the whole deregistration delay',
    unknownDrains.length > 0 && `${unknownDrains.join(', ')}: drained at once`,
  ].filter((sentence) => sentence !== false);
  return {
    launchMs: launchMs ?? unmeasuredLaunchMs,
    readyMs: given.readyMs ?? Math.max(checksMs, healthyMs),
    drainMs: drains.includes('target-group') && isBalanced ? (given.drainMs ?? times.drainMs) : 0,
    warmUpMs: spec.strategy.type === 'instance-refresh' ? (warmUpMs ?? healthCheckGraceMs) : null,
    assumed,
  };
}

/** Gates whose time is known from the cloud's own checks. */
const readyKnown: ReadonlySet<string> = new Set(['in-service', 'status-checks', 'target-health']);

/**
 * Each replaced instance costs a launch, its way into service, and the drain of the one it replaces; the limits allow
 * `slots` of them at a time. Nothing can be faster, whatever the order.
 */
export function leastMs(
  { launchMs, readyMs, drainMs, warmUpMs }: Pacing,
  toReplace: number,
  slots: number,
): number {
  const intoServiceMs = launchMs + Math.max(readyMs, warmUpMs ?? 0);
  return slots > 0 ? Math.ceil(toReplace / slots) * (intoServiceMs + drainMs) : 0;
}

/** Of several measurements the usual one: a single stuck launch does not count. */
function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!;
}
