/**
 * Time, injected. Everything in Drover that waits or writes a time stamp does so through a Clock, so that
 * a test or a rehearsal can run an hour of fleet time in milliseconds. Only the composition root
 * (pipeline/cli.ts) creates the real one.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason as soon as `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const wallClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    signal?.throwIfAborted();
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
};

/** RFC 3339 in UTC with milliseconds, the only way Drover writes a time. */
export const timestamp = (ms: number): string => new Date(ms).toISOString();
