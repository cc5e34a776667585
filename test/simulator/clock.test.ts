import { expect, test } from 'vitest';
import { virtualClock } from '../../pipeline/simulator/virtual-clock.ts';

test('sleepers wake in the order of their times, each at its own time', async () => {
  const clock = virtualClock(0);
  const log: [string, number][] = [];
  const sleeper = async (name: string, ...naps: number[]) => {
    for (const nap of naps) {
      await clock.sleep(nap);
      log.push([name, clock.now()]);
    }
  };
  await Promise.all([sleeper('a', 3_600_000, 1), sleeper('b', 1_000, 1_000), sleeper('c', 2_000)]);
  expect(log).toEqual([
    ['b', 1_000],
    ['c', 2_000],
    ['b', 2_000],
    ['a', 3_600_000],
    ['a', 3_600_001],
  ]);
});

test('an aborted sleep rejects with the reason and lets no time pass', async () => {
  const clock = virtualClock(0);
  const controller = new AbortController();
  const sleep = clock.sleep(1_000, controller.signal);
  controller.abort(new Error('stop'));
  await expect(sleep).rejects.toThrow('stop');
  await expect(clock.sleep(1, controller.signal)).rejects.toThrow('stop');
  expect(clock.now()).toBe(0);
});

test('work that takes several turns of promises is done before time passes', async () => {
  const clock = virtualClock(0);
  const longWork = async () => {
    for (let turn = 0; turn < 500; turn += 1) await Promise.resolve();
    return clock.now();
  };
  const [, at] = await Promise.all([clock.sleep(60_000), longWork()]);
  expect(at).toBe(0);
});
