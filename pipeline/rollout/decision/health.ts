/**
 * From single answers to verdicts. An instance is serving after N consecutive passes; InService alone is not
 * serving. N consecutive failures condemn it, as do a deadline missed and a lapse that lasts. Pure.
 */
import type { InstanceObservation } from '../../cloud/cloud.ts';
import type { Assignment, InstanceMemory, Memory, Snapshot } from '../state.ts';
import { leaving, onTrial } from './members.ts';

/** One round of EC2's status checks: an answer that was not renewed within a round is no noise any more. */
const lapseLimitMs = 60_000;

/** Chance takes single instances (hosts fail, spot capacity is reclaimed); it does not take a tenth of a fleet. */
export const lossesAllowed = (wanted: number): number => Math.max(1, Math.floor(wanted / 10));

/** Previous instances serve already: one look is enough. Those on trial must convince. */
const passesNeeded = (assignment: Assignment, instance: InstanceObservation): number =>
  onTrial(assignment, instance) ? assignment.spec.passes : 1;

export function serving(assignment: Assignment, memory: Memory, instance: InstanceObservation): boolean {
  if (instance.lifecycle !== 'InService' || memory.drains[instance.id]) return false;
  return (memory.instances[instance.id]?.passes ?? 0) >= passesNeeded(assignment, instance);
}

/** It has not passed for so long that it can be taken for bad: replacing it costs no capacity. */
export const bad = (assignment: Assignment, memory: Memory, instance: InstanceObservation): boolean =>
  (memory.instances[instance.id]?.misses ?? 0) >= assignment.spec.passes;

/** Remembers this tick's answers, and who died on the target version. */
export function remembered(assignment: Assignment, snapshot: Snapshot, memory: Memory): Memory {
  const instances: Memory['instances'] = {};
  let { losses } = memory;
  for (const instance of snapshot.group.instances) {
    const before = memory.instances[instance.id] ?? firstSight(instance, snapshot.now);
    const after = updated(assignment, snapshot, before, instance);
    if (after.leaving && !before.leaving && isLoss(assignment, after))
      losses = lossOf(losses, instance.id, after);
    instances[instance.id] = after;
  }
  for (const [id, before] of Object.entries(memory.instances)) {
    if (!instances[id] && !before.leaving && isLoss(assignment, before)) losses = lossOf(losses, id, before);
  }
  return { ...memory, instances, losses };
}

const firstSight = ({ templateVersion }: InstanceObservation, now: number): InstanceMemory => ({
  version: templateVersion,
  seenAt: now,
  passes: 0,
  failures: 0,
  misses: 0,
  served: false,
  lapsedSince: null,
  reason: 'not asked yet',
  unhealthy: false,
  terminated: false,
  leaving: false,
});

function updated(
  assignment: Assignment,
  { answers, now }: Snapshot,
  before: InstanceMemory,
  instance: InstanceObservation,
): InstanceMemory {
  const common = { ...before, unhealthy: !instance.healthy, leaving: leaving(instance) };
  const answer = answers[instance.id];
  if (common.leaving || !answer) return { ...common, passes: 0, failures: 0 };
  if (answer.standing) return common;
  if (answer.status === 'passed') {
    const passes = before.passes + 1;
    const served = before.served || passes >= passesNeeded(assignment, instance);
    return { ...common, passes, served, failures: 0, misses: 0, lapsedSince: null };
  }
  return {
    ...common,
    passes: 0,
    failures: answer.status === 'failed' ? before.failures + 1 : 0,
    misses: before.misses + 1,
    lapsedSince: before.served ? (before.lapsedSince ?? now) : null,
    reason: `${answer.source}: ${answer.reason}`,
  };
}

/** Scale-in and terminations by hand leave an instance healthy; Auto Scaling marks the dead and the dying unhealthy. */
const isLoss = ({ goal }: Assignment, instance: InstanceMemory): boolean =>
  goal.kind === 'replace' && instance.version === goal.version && instance.unhealthy && !instance.terminated;

const lossOf = (losses: Memory['losses'], id: string, { reason }: InstanceMemory): Memory['losses'] => ({
  count: losses.count + 1,
  last: `${id} (${reason})`,
});

/** Why this instance fails the rollout; null while it does not. */
export function condemned(
  assignment: Assignment,
  memory: Memory,
  instance: InstanceObservation,
  now: number,
): string | null {
  const known = memory.instances[instance.id];
  if (!known || known.leaving || known.terminated || memory.drains[instance.id]) return null;
  if (!onTrial(assignment, instance)) return null;
  const { spec } = assignment;
  if (known.failures >= spec.passes) {
    return `${instance.id} ${known.served ? 'turned bad after it had been serving' : 'failed its gates'}: ${known.reason}`;
  }
  if (!known.served && now - known.seenAt >= spec.gateDeadlineMs) {
    return `${instance.id} did not pass its gates within ${spec.gateDeadlineMs / 1000} s: ${known.reason}`;
  }
  if (known.lapsedSince !== null && now - known.lapsedSince >= lapseLimitMs) {
    return `${instance.id} turned bad after it had been serving: ${known.reason}`;
  }
  return null;
}
