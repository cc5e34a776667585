/**
 * Steps that go over a network and may be repeated as a whole: an index read, a download, a registration that is
 * idempotent by name. Single AWS calls are retried by the SDK itself; apt and mirrors are not.
 */
import pRetry, { AbortError } from 'p-retry';
import { DroverError, reasonOf } from './errors.ts';
import type { Progress } from './report/progress.ts';

/** A mirror that is being synchronized, or a link that drops, is back within seconds; what takes longer is down. */
const retries = 3;
const firstWaitMs = 1_000;
const longestWaitMs = 10_000;

/** Repeats `step` with growing, jittered waits. What Drover itself refused is not tried again. */
export function overNetwork<T>(
  step: () => Promise<T>,
  { signal, progress }: { signal?: AbortSignal | undefined; progress?: Progress } = {},
): Promise<T> {
  const once = async () => {
    try {
      return await step();
    } catch (error) {
      if (error instanceof DroverError) throw new AbortError(error);
      throw error;
    }
  };
  return pRetry(once, {
    retries,
    minTimeout: firstWaitMs,
    maxTimeout: longestWaitMs,
    randomize: true,
    ...(signal && { signal }),
    onFailedAttempt: ({ error, retriesLeft }) => {
      if (retriesLeft > 0) progress?.update(`trying again: ${reasonOf(error).split('\n')[0]}`);
    },
  });
}
