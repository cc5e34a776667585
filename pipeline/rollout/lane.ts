/**
 * One group's place in the loop: what was last seen and decided of it, and its calls under way, beside the loop and beside
 * those of the other groups. It decides nothing; drive.ts says when a group's turn is.
 */
import type { GroupObservation } from '../cloud/cloud.ts';
import type { Journal } from '../journal/records.ts';
import type { Progress } from '../report/progress.ts';
import { act, type Hands } from './act.ts';
import { handOver } from './decision/handover.ts';
import { createReporter, type Reporter } from './reporter.ts';
import type { Action, Assignment, Decision, Memory } from './state.ts';

export interface Track {
  assignment: Assignment;
  memory: Memory;
  progress: Progress;
}

export interface Ending {
  group: string;
  status: 'finished' | 'failed';
  reason: string;
  /** The last observation; null when the group has disappeared. */
  after: GroupObservation | null;
}

export interface Lane extends Track {
  reporter: Reporter;
  /** The last observation. */
  seen: GroupObservation | null;
  decision: Decision | null;
  ending: Ending | null;
  /** Its calls under way; null when there are none. */
  acting: Promise<void> | null;
  /** Heartbeats under way beside those. */
  beating: Promise<void> | null;
  /** What they threw, in place of an outcome: a bug, or a stop that cut them short. */
  failure: { error: unknown } | null;
}

export const laneOf = (journal: Journal, track: Track): Lane => ({
  ...track,
  reporter: createReporter(journal, track.assignment, track.progress),
  seen: null,
  decision: null,
  ending: null,
  acting: null,
  beating: null,
  failure: null,
});

/** Everything under way has come to an end. */
export async function underWay(lanes: readonly Lane[]): Promise<void> {
  await Promise.all(lanes.flatMap(({ acting, beating }) => [acting, beating]));
}

/** Begins to carry out what was decided; until it is done, the group has no other turn. */
export function begin(hands: Hands, lane: Lane, group: GroupObservation, actions: readonly Action[]): void {
  if (actions.length === 0) return;
  const work = async (): Promise<void> => {
    lane.memory = await act(hands, lane.assignment, group, lane.memory, actions);
  };
  lane.acting = kept(lane, work).finally(() => {
    lane.acting = null;
  });
}

/**
 * Goes on answering for the hook of a group whose calls are under way: one of them may hang, and a hook that nobody
 * answers for lets an instance go whose work has not ended. Nothing else needs to be in time; whether the work has
 * ended is heard at the group's next turn.
 */
export function sustain(hands: Hands, lane: Lane, groups: readonly GroupObservation[]): void {
  const { assignment, memory } = lane;
  const group = groups.find(({ name }) => name === assignment.spec.group);
  if (!group || lane.beating || !lane.acting) return;
  const unheard = { group, now: hands.clock.now(), handovers: {} };
  const { handovers, actions } = handOver(assignment, unheard, memory);
  if (actions.length === 0) return;
  const work = async (): Promise<void> => {
    const after = await act(hands, assignment, group, { ...memory, handovers }, actions);
    // The other calls know nothing of these: once they have ended, one heartbeat too many is sent.
    if (lane.acting) lane.memory = { ...lane.memory, handovers: after.handovers };
  };
  lane.beating = kept(lane, work).finally(() => {
    lane.beating = null;
  });
}

async function kept(lane: Lane, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    lane.failure = { error };
  }
}
