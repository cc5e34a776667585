/**
 * A clock that runs only while everybody waits. When all work that is ready has been done, the earliest sleeper is
 * woken and it is then that time; so an hour of waiting costs nothing, and the same program gives the same times.
 */
import type { Clock } from '../clock.ts';

export interface VirtualClock extends Clock {
  /** Lets `ms` pass at once, for tests that do not sleep themselves. Sleepers due meanwhile wake afterwards. */
  skip(ms: number): void;
}

interface Sleeper {
  wakeAt: number;
  order: number;
  wake(): void;
}

/** Turns of the event loop without a new sleeper after which everybody is taken to be waiting. */
const quietTurns = 3;

export function virtualClock(startMs = Date.UTC(2026, 0, 1)): VirtualClock {
  let now = startMs;
  let order = 0;
  let sleepers: Sleeper[] = [];
  let turning = false;

  const turn = (remaining: number): void => {
    if (sleepers.length === 0) {
      turning = false;
      return;
    }
    if (remaining > 0) {
      setImmediate(turn, remaining - 1);
      return;
    }
    const next = sleepers.reduce((a, b) =>
      b.wakeAt < a.wakeAt || (b.wakeAt === a.wakeAt && b.order < a.order) ? b : a,
    );
    sleepers = sleepers.filter((sleeper) => sleeper !== next);
    now = Math.max(now, next.wakeAt);
    next.wake();
    setImmediate(turn, quietTurns);
  };

  return {
    now: () => now,
    skip(ms) {
      now += ms;
    },
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        order += 1;
        const sleeper: Sleeper = {
          wakeAt: now + Math.max(0, ms),
          order,
          wake() {
            signal?.removeEventListener('abort', giveUp);
            resolve();
          },
        };
        const giveUp = (): void => {
          sleepers = sleepers.filter((other) => other !== sleeper);
          reject(signal?.reason);
        };
        signal?.addEventListener('abort', giveUp, { once: true });
        sleepers.push(sleeper);
        if (!turning) {
          turning = true;
          setImmediate(turn, quietTurns);
        }
      });
    },
  };
}
