/**
 * How long to wait before looking again: soon while things happen or are about to, ever less often while nothing is.
 * Pure. The jitter keeps several releases from asking in step; it comes from the release's name, so that a rehearsal with
 * the same name is the same rehearsal.
 */
import { sha256 } from '../json.ts';

/** Faster than instances change, and slow enough that a reading is worth its calls. */
const shortestMs = 1_000;
/** The longest anybody waits for Drover to notice: small against a boot of a minute. */
const longestMs = 10_000;
const growth = 1.5;
const jitter = 0.1;

export interface Pace {
  waitMs: number;
  tick: number;
}

export const firstPace: Pace = { waitMs: shortestMs, tick: 0 };

/** @param expectedMs when something under way is likely to end */
export const nextPace = (
  { waitMs, tick }: Pace,
  isBusy = false,
  expectedMs = Number.POSITIVE_INFINITY,
): Pace => ({
  waitMs: isBusy ? shortestMs : Math.max(shortestMs, Math.min(longestMs, waitMs * growth, expectedMs)),
  tick: tick + 1,
});

/** Milliseconds to sleep; `limitMs` is when something is due anyway. */
export function delayMs({ waitMs, tick }: Pace, seed: string, limitMs: number): number {
  const fraction = Number.parseInt(sha256(`${seed} ${tick}`).slice(0, 8), 16) / 2 ** 32;
  const jittered = Math.round(waitMs * (1 + jitter * (2 * fraction - 1)));
  return Math.max(1, Math.min(jittered, limitMs));
}
