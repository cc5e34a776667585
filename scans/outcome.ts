/** A result or the reason why there is none, as a value: one check's failure must not take another's answer away. */
import { reasonOf } from '../pipeline/errors.ts';

export type Outcome<T> = { value: T } | { reason: string };

/** Waits for `work`. @throws only the abort's reason: an abort is nobody's finding */
export async function outcomeOf<T>(work: Promise<T>, signal?: AbortSignal): Promise<Outcome<T>> {
  try {
    return { value: await work };
  } catch (error) {
    signal?.throwIfAborted();
    return { reason: reasonOf(error) };
  }
}

/** @throws Error with the outcome's reason */
export function unwrap<T>(outcome: Outcome<T>): T {
  if ('reason' in outcome) throw new Error(outcome.reason);
  return outcome.value;
}

/**
 * All results; like Promise.all, but a rejection waits until every other promise has settled, because they hold
 * mounts, processes and files that must be let go in order.
 */
export async function allSettled<T extends readonly Promise<unknown>[]>(
  work: readonly [...T],
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
