/**
 * The loop: observe all groups of a wave in one snapshot, ask gates and drains, decide each group, have it carried out,
 * wait. The same loop rolls forward and back. It knows nothing of waves, baselines or what follows a failure.
 */
import type { Clock } from '../clock.ts';
import type { Cloud, GroupObservation } from '../cloud/cloud.ts';
import { Interrupted, Stuck } from '../errors.ts';
import type { Journal } from '../journal/records.ts';
import type { Progress } from '../report/progress.ts';
import { recordResolved } from './act.ts';
import { expectedInMs } from './decision/expect.ts';
import { assertSafe } from './decision/invariants.ts';
import { decideByStrategy, watchesRefresh } from './decision/refresh.ts';
import { readAlarms } from './gates/alarms.ts';
import { begin, type Ending, type Lane, laneOf, sustain, type Track, underWay } from './lane.ts';
import { firstPace, nextPace, type Pace } from './pace.ts';
import { interrupted, patientlyObserved, rest } from './patience.ts';
import { createQuestions, type Questions } from './questions.ts';
import { type Eyes, see } from './see.ts';
import type { RunCommand } from './services/command.ts';
import type { Http } from './services/http.ts';
import { stoodDown } from './stand-down.ts';
import type { Decision, Snapshot } from './state.ts';

export interface RolloutDeps {
  cloud: Cloud;
  http: Http;
  runCommand: RunCommand;
  journal: Journal;
  clock: Clock;
  progress: Progress;
  signal: AbortSignal;
}

/**
 * How often an instance refresh that somebody else begins is looked for: it takes a call per group, and replaces its
 * first instance about as fast as one boots.
 */
const foreignLookMs = 60_000;

const groupOf = ({ assignment }: Track): string => assignment.spec.group;

/** Of a wave, or of groups that have nothing to do with each other. */
type Course =
  | { together: true; soakMs: number }
  | { together: false; onEnding?: (ending: Ending) => Promise<void> };

/**
 * Runs until every group is finished or failed. With `together`, all soak together and one failure ends all: the others
 * are left as they are, for whoever decides what follows; without it, each group goes its own way to its end.
 * @throws Interrupted when the signal aborts, Stuck when the cloud stays silent
 */
export async function drive(deps: RolloutDeps, tracks: readonly Track[], options: Course): Promise<Ending[]> {
  const { signal, journal } = deps;
  const lanes = tracks.map((track) => laneOf(journal, track));
  const questions = createQuestions(signal);
  try {
    const endings = await looped({ ...deps, questions }, lanes, options);
    await actsEnded(deps, lanes);
    return endings;
  } catch (error) {
    await underWay(lanes);
    // After a lost lease the groups may be somebody else's already, and so may what goes on there.
    const isLost = signal.reason instanceof Stuck;
    const isStopped = error instanceof Interrupted || error instanceof Stuck;
    const open = lanes.filter(({ ending }) => ending === null);
    if (isStopped && !isLost) await Promise.all(open.map((lane) => stoodDown(deps, lane)));
    throw error;
  } finally {
    await questions.end();
  }
}

/** @throws what a group's calls have thrown */
function throwFailure({ journal, signal }: RolloutDeps, lanes: readonly Lane[]): void {
  const failure = lanes.find((lane) => lane.failure)?.failure;
  // A request that was cut short ends with the signal's own reason.
  if (failure) throw signal.aborted ? interrupted(journal.release, signal) : failure.error;
}

async function actsEnded(deps: RolloutDeps, lanes: readonly Lane[]): Promise<void> {
  await underWay(lanes);
  throwFailure(deps, lanes);
}

async function looped(
  deps: RolloutDeps & { questions: Questions },
  lanes: readonly Lane[],
  options: Course,
): Promise<Ending[]> {
  const { clock, signal, journal } = deps;
  const startedAt = clock.now();
  let soakEndsAt: number | null = null;
  let pace: Pace = firstPace;
  let foreignLookAt = startedAt;
  for (;;) {
    if (signal.aborted) throw interrupted(journal.release, signal);
    throwFailure(deps, lanes);
    const open = lanes.filter(({ ending, acting }) => ending === null && acting === null);
    const isForeignLook = clock.now() >= foreignLookAt;
    if (isForeignLook) foreignLookAt = clock.now() + foreignLookMs;
    const refreshing = open.filter(
      ({ assignment, memory, seen }) => isForeignLook || watchesRefresh(assignment, memory, seen?.refresh),
    );
    const hooked = lanes.filter((lane) => lane.acting && lane.assignment.spec.handover);
    const groups = await patientlyObserved(deps, [...open, ...hooked].map(groupOf), {
      since: startedAt,
      refreshing: refreshing.map(groupOf),
    });
    for (const lane of hooked) sustain(deps, lane, groups);

    // Those that go their own way wait for nobody, and have nothing to soak.
    const isSoaked = !options.together || (soakEndsAt !== null && clock.now() >= soakEndsAt);
    const { isBusy, expectedMs } = await tick(deps, lanes, open, groups, {
      isSoaked,
      together: options.together,
    }).catch((error) => {
      // A command that was cut short ends with the signal's own reason.
      throw signal.aborted ? interrupted(journal.release, signal) : error;
    });
    if (!options.together) for (const { ending } of open) if (ending) await options.onEnding?.(ending);
    const endings = lanes.flatMap(({ ending }) => ending ?? []);
    const hasFailed = endings.some(({ status }) => status === 'failed');
    if (endings.length === lanes.length || (options.together && hasFailed)) return endings;

    const replaced = lanes.every(({ ending, decision }) => ending || decision?.status === 'replaced');
    if (replaced && options.together) soakEndsAt ??= clock.now() + options.soakMs;
    const untilSoaked = soakEndsAt === null ? Number.POSITIVE_INFINITY : soakEndsAt - clock.now();
    pace = nextPace(pace, isBusy || untilSoaked <= 0, expectedMs);
    await rest(deps, pace, isSoaked ? Number.POSITIVE_INFINITY : untilSoaked);
  }
}

/**
 * One tick over the open lanes that have no calls under way. What they decide is carried out beside the loop, so that a
 * call that takes long holds up its own group and no other. @returns whether anything happened, and when something is
 * expected to
 */
async function tick(
  deps: RolloutDeps & { questions: Questions },
  lanes: readonly Lane[],
  open: readonly Lane[],
  groups: readonly GroupObservation[],
  { isSoaked, together }: { isSoaked: boolean; together: boolean },
): Promise<{ isBusy: boolean; expectedMs: number }> {
  const byName = new Map(groups.map((group) => [group.name, group]));
  const { questions, cloud } = deps;
  const gates = lanes.flatMap(({ assignment }) => assignment.spec.gates);
  const eyes = { ...deps, alarms: questions.ask('alarms', () => readAlarms(cloud, gates)) };
  const decided = fulfilled(
    await Promise.allSettled(open.map((lane) => decideLane(eyes, lane, byName.get(groupOf(lane)), isSoaked))),
  ).flatMap((turn) => turn ?? []);
  // What the others were asking is still wanted.
  if (lanes.every(({ acting }) => acting === null)) questions.sweep();
  // One failure ends the wave: nothing more is done to the others.
  if (together && open.some(({ ending }) => ending?.status === 'failed')) {
    return { isBusy: true, expectedMs: 0 };
  }
  for (const { lane, snapshot, decision } of decided) begin(deps, lane, snapshot.group, decision.actions);
  return {
    isBusy: decided.some(({ isBusy }) => isBusy),
    expectedMs: Math.min(
      ...decided.map(({ lane, snapshot }) => expectedInMs(lane.assignment, snapshot, lane.memory)),
    ),
  };
}

interface Turn {
  lane: Lane;
  snapshot: Snapshot;
  decision: Decision;
  isBusy: boolean;
}

async function decideLane(
  eyes: Eyes & Pick<RolloutDeps, 'journal'>,
  lane: Lane,
  group: GroupObservation | undefined,
  isSoaked: boolean,
): Promise<Turn | null> {
  const { assignment, memory } = lane;
  const name = groupOf(lane);
  if (!group) {
    lane.ending = { group: name, status: 'failed', reason: 'the group has disappeared', after: null };
    return null;
  }
  // What was not looked at is as it was.
  const seen = {
    ...group,
    refresh: group.refresh === undefined ? (lane.seen?.refresh ?? null) : group.refresh,
  };
  const snapshot = see(eyes, assignment, memory, seen, isSoaked);
  const decision = decideByStrategy(assignment, snapshot, memory);
  assertSafe(assignment, snapshot, memory, decision);
  await recordResolved(eyes.journal, decision.memory);
  const isNew = await lane.reporter.report(snapshot, decision);
  lane.seen = seen;
  lane.decision = decision;
  lane.memory = decision.memory;
  const { status, reasons, actions } = decision;
  if (status === 'failed' || status === 'finished') {
    lane.ending = { group: name, status, reason: reasons.join('; '), after: seen };
  }
  return { lane, snapshot, decision, isBusy: isNew || actions.length > 0 || isConvincing(decision) };
}

/** Something has been seen that must be seen again, the sooner the better. */
const isConvincing = ({ memory }: Decision): boolean =>
  memory.divergence !== null ||
  memory.uncertain.length > 0 ||
  Object.values(memory.instances).some(({ passes, served }) => passes > 0 && !served);

/** All values, or the first error; but only after everything under way has come to an end. */
function fulfilled<T>(results: readonly PromiseSettledResult<T>[]): T[] {
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
