/**
 * Instances that wait behind a termination lifecycle hook Drover has been given: terminated, no longer counted, their
 * replacement already launching, while what is left of their work ends. Drover asks whether it has, keeps the hook
 * from timing out meanwhile, and then completes it. So work that may outlive the instance's capacity takes none.
 *
 * Every instance of the group that waits is meant, also one that a scale-in ended. What is seen decides, so a resumed
 * run just goes on. Pure, but for the refusal of a hook that does not exist.
 */
import type { GroupObservation, InstanceObservation } from '../../cloud/cloud.ts';
import { Refused } from '../../errors.ts';
import type { GroupSpec } from '../spec.ts';
import type { Action, Answer, Assignment, Memory, Snapshot } from '../state.ts';

/** Well before the timeout: a beat may have to wait for a slow tick. */
const beatsPerTimeout = 3;

export const waitsBehindHook = ({ lifecycle }: InstanceObservation): boolean =>
  lifecycle === 'Terminating:Wait';

export interface Handovers {
  handovers: Memory['handovers'];
  actions: Action[];
  failure: string | null;
}

export function handOver(
  { spec }: Assignment,
  snapshot: Pick<Snapshot, 'group' | 'now' | 'handovers'>,
  memory: Pick<Memory, 'handovers'>,
): Handovers {
  const { group, now } = snapshot;
  const result: Handovers = { handovers: {}, actions: [], failure: null };
  if (!spec.handover) return result;
  const { hook } = spec.handover;
  const due: string[] = [];
  const ended: string[] = [];
  for (const { id } of group.instances.filter(waitsBehindHook)) {
    const known = memory.handovers[id] ?? { since: now, beatAt: null, isCompleted: false };
    result.handovers[id] = known;
    // Another hook may still hold it.
    if (known.isCompleted) continue;
    const verdict = verdictOn(spec.handover, snapshot.handovers[id], now - known.since);
    const beatAfterMs = (group.hooks.heartbeatMs[hook] ?? 0) / beatsPerTimeout;
    if (verdict === 'done') ended.push(id);
    else if (verdict !== 'wait') result.failure ??= `${id}: ${verdict.failure}`;
    else if (known.beatAt === null || now - known.beatAt >= beatAfterMs) due.push(id);
  }
  if (ended.length > 0) {
    result.actions.push({ type: 'complete', hook, instances: ended, why: 'their work is done or given up' });
  }
  if (due.length > 0) {
    result.actions.push({
      type: 'heartbeat',
      hook,
      instances: due,
      at: now,
      why: 'their work has not ended yet',
    });
  }
  return result;
}

/** How many instances wait for us. */
export const openHandovers = ({ handovers }: Pick<Memory, 'handovers'>): number =>
  Object.values(handovers).filter(({ isCompleted }) => !isCompleted).length;

function verdictOn(
  { until }: NonNullable<GroupSpec['handover']>,
  answer: Answer | undefined,
  forMs: number,
): 'done' | 'wait' | { failure: string } {
  // A deadline may have passed while nobody was there to ask: an answer is heard first, and asking is bounded in time.
  if (!answer) return 'wait';
  if (answer.status === 'passed') return 'done';
  const isLate = forMs >= until.deadlineMs;
  if (!isLate && answer.status === 'waiting') return 'wait';
  if (until.on_deadline !== 'fail') return 'done';
  const why = answer.reason;
  return {
    failure: isLate
      ? `handover ${until.name} did not end within ${until.deadlineMs / 1000} s: ${why}`
      : `handover ${until.name} failed: ${why}`,
  };
}

/** @throws Refused when the group lacks the hook: its instances would be gone before anybody asked about them */
export function requireHook({ handover }: GroupSpec, { name, hooks }: GroupObservation): void {
  if (!handover || hooks.terminating.includes(handover.hook)) return;
  throw new Refused(
    'invalid',
    `group ${name} has no termination lifecycle hook '${handover.hook}'`,
    `Create it (aws autoscaling put-lifecycle-hook), or correct \`handover\` in drover.yaml.`,
  );
}
