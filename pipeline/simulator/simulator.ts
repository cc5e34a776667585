/**
 * A simulated AWS account on a clock: before it answers it brings its world to the present. All doors lead here:
 * HTTP on loopback (server.ts), the same bodies without a socket (in-memory.ts), and calls within this process, which
 * are never written or parsed.
 */
import type { Clock } from '../clock.ts';
import { loseAnswer } from './loss.ts';
import { advance } from './model/model.ts';
import { nextDue } from './model/queue.ts';
import type { Event, World } from './model/state.ts';
import { answer, type WireAnswer } from './wire/answer.ts';
import type { Gaps } from './wire/call.ts';
import { callDirectly, type DirectAnswer } from './wire/direct.ts';
import type { WireRequest } from './wire/protocol.ts';

export interface Simulator {
  /** The state, for tests and rehearsals to look at and to change. Call `advance` before reading it. */
  readonly world: World;
  readonly clock: Clock;
  /** What clients asked for and did not get. */
  readonly gaps: Gaps;
  /** Lets everything happen that is due by now. */
  advance(): void;
  answer(request: WireRequest): WireAnswer;
  /**
   * Without HTTP: an operation's input becomes its output, or an error in the service's protocol.
   * @throws as a connection fails, when a fault loses the answer
   */
  call(signingName: string, operation: string, input: object): Promise<DirectAnswer>;
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
    async call(signingName, operation, input) {
      catchUp();
      const answer = callDirectly(world, signingName, operation, input, gaps);
      if (answer.lost) await loseAnswer(clock, answer.lost);
      return answer;
    },
    nextEventAt: () => nextDue(world),
  };
}
