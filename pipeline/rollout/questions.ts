/**
 * Questions that take time (commands, HTTP requests, reads of a service beside the fleet's own), asked beside the
 * loop: a tick takes the answers that have come and never waits for one. What an answer means is not decided here.
 *
 * Every question is bounded in time by whoever asks it; here the number under way is. One slow answer holds up
 * nobody but itself; many wait their turn in order, and what waits too long meets its gate's or drain's deadline.
 */
export interface Questions {
  /**
   * The newest answer to the question of that name, which is asked again as soon as its last answer has been taken.
   * @throws what the question threw: questions answer with what went wrong, so that is a bug
   */
  ask<T>(name: string, question: (signal: AbortSignal) => Promise<T>): Reply<T>;
  /** Forgets the questions nobody has asked since the last time. */
  sweep(): void;
  /** Cuts off what is under way; resolves when nothing is any more. */
  end(): Promise<void>;
}

export interface Reply<T> {
  /** Null while there is none yet. */
  answer: T | null;
  /** It has not been taken before. */
  isNew: boolean;
}

/**
 * Each may be a process of tens of megabytes or a socket on a small CI runner. At a tenth of a second each, a
 * thousand instances are asked in three seconds; and 31 that hang leave the others a way through.
 */
const atOnceLimit = 32;

interface Slot {
  answer: { value: unknown } | { error: unknown } | null;
  isTaken: boolean;
  isUnderWay: boolean;
  isWanted: boolean;
  isForgotten: boolean;
}

const unasked: Readonly<Slot> = {
  answer: null,
  isTaken: true,
  isUnderWay: false,
  isWanted: true,
  isForgotten: false,
};

export function createQuestions(signal: AbortSignal, atOnce = atOnceLimit): Questions {
  const slots = new Map<string, Slot>();
  const queue: { slot: Slot; question: (signal: AbortSignal) => Promise<unknown> }[] = [];
  const running = new Set<Promise<void>>();
  const over = new AbortController();
  const cut = AbortSignal.any([signal, over.signal]);

  function startNext(): void {
    while (running.size < atOnce && !cut.aborted) {
      const next = queue.shift();
      if (!next) return;
      if (next.slot.isForgotten) continue;
      const work = run(next.slot, next.question).finally(() => {
        running.delete(work);
        startNext();
      });
      running.add(work);
    }
  }

  async function run(slot: Slot, question: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    try {
      slot.answer = { value: await question(cut) };
    } catch (error) {
      if (cut.aborted) return;
      slot.answer = { error };
    }
    slot.isUnderWay = false;
    slot.isTaken = false;
  }

  return {
    ask<T>(name: string, question: (signal: AbortSignal) => Promise<T>): Reply<T> {
      const slot = slots.get(name) ?? { ...unasked };
      slots.set(name, slot);
      const isNew = !slot.isTaken;
      slot.isTaken = true;
      slot.isWanted = true;
      const { answer } = slot;
      if (answer && 'error' in answer) throw answer.error;
      if (!slot.isUnderWay) {
        slot.isUnderWay = true;
        queue.push({ slot, question });
        startNext();
      }
      return { answer: answer && (answer.value as T), isNew };
    },

    sweep() {
      for (const [name, slot] of slots) {
        slot.isForgotten = !slot.isWanted;
        if (slot.isForgotten) slots.delete(name);
        slot.isWanted = false;
      }
    },

    async end() {
      over.abort();
      await Promise.all(running);
    },
  };
}
