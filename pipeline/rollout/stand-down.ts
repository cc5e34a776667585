/**
 * What a process that stops still does to a group: nothing goes on there by itself without anybody asking the gates.
 * What there is to call off is decided by decision/refresh.ts.
 */
import type { GroupObservation } from '../cloud/cloud.ts';
import { act, recordResolved } from './act.ts';
import { isHeld } from './decision/hold.ts';
import { overheard } from './decision/perceive.ts';
import { mayGoOn, standDown } from './decision/refresh.ts';
import type { RolloutDeps } from './drive.ts';
import type { Track } from './lane.ts';
import { glanced } from './patience.ts';

/** A stop is not to take long, and what AWS shows is behind by "a couple of seconds" where nothing is wrong. */
const looksAtMost = 5;
const lookAgainMs = 1_000;

/**
 * Where a call is refused, or the cloud does not show what came of it, the group stays held: Auto Scaling replaces nothing
 * and ends nobody, and whoever goes on ends that.
 * @param seen the last observation, for when the cloud cannot be looked at; null before the first
 */
export async function stoodDown(
  deps: RolloutDeps,
  { assignment, memory: before, progress, seen }: Track & { seen: GroupObservation | null },
): Promise<void> {
  if (!mayGoOn(before)) return;
  const { cloud, clock, journal } = deps;
  // A stop has been asked for already; this is part of it.
  const hands = { ...deps, signal: new AbortController().signal };
  const name = assignment.spec.group;
  let memory = before;
  let group = (await glanced(cloud, name, clock.now())) ?? seen;
  for (let looks = 1; group; looks += 1) {
    memory = overheard({ group, now: clock.now() }, memory);
    await recordResolved(journal, memory);
    const actions = standDown(assignment, memory, { group, now: clock.now() });
    memory = await act(hands, assignment, group, memory, actions);
    const isOver = !isHeld(memory) && (actions.length === 0 || memory.refresh === null);
    if (isOver) return;
    if (looks === looksAtMost) break;
    if (looks > 1) await clock.sleep(lookAgainMs);
    group = await glanced(cloud, name, clock.now());
  }
  progress.note(
    isHeld(memory)
      ? `${name}: Auto Scaling ends no instance (Terminate is suspended) until \`drover resume\`, \`rollback\` or \`recover\``
      : `${name}: its instance refresh could not be called off, and may go on`,
  );
}
