/**
 * A simulated AWS account on a clock: before it answers it brings its world to the present. Both doors, HTTP on
 * loopback (server.ts) and the SDK's own request handler (in-memory.ts), lead here.
 */
import type { Clock } from '../clock.ts';
import { advance } from './model/model.ts';
import { nextDue } from './model/queue.ts';
import type { Event, World } from './model/state.ts';
import { answer, type Gaps, type WireAnswer, type WireRequest } from './wire/answer.ts';

export interface Simulator {
  /** The state, for tests and rehearsals to look at and to change. Call `advance` before reading it. */
  readonly world: World;
  readonly clock: Clock;
  /** What clients asked for and did not get. */
  readonly gaps: Gaps;
  /** Lets everything happen that is due by now. */
  advance(): void;
  answer(request: WireRequest): WireAnswer;
  /** When something next happens by itself (epoch ms); null when the world is at rest. */
  nextEventAt(): number | null;
}

/**
 * @param observe called after every event that happens by itself, for whoever checks invariants
 */
export function createSimulator(options: {
  world: World;
  clock: Clock;
  observe?: (world: World, event: Event) => void;
}): Simulator {
  const { world, clock, observe } = options;
  const gaps: Gaps = new Map();
  const catchUp = (): void => advance(world, clock.now(), observe);
  return {
    world,
    clock,
    gaps,
    advance: catchUp,
    answer(request) {
      catchUp();
      return answer(world, request, gaps);
    },
    nextEventAt: () => nextDue(world),
  };
}
