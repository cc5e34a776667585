import { expect, test } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { startSimulator } from '../../pipeline/simulator/server.ts';
import { emptyWorld } from '../../pipeline/simulator/world.ts';
import { conformsToAws } from './session.ts';

/** Everything happens, but soon: the session is the same, only shorter. */
const timing = { bootMs: 50, warmUpMs: 50, drainMs: 50, terminateMs: 50, reactionMs: 10, imageMs: 20 };

let gaps: ReadonlyMap<string, number> = new Map();

conformsToAws(async () => {
  const server = await startSimulator({
    world: () => emptyWorld({ nowMs: wallClock.now(), timing }),
    statePath: null,
    clock: wallClock,
  });
  gaps = server.simulator.gaps;
  return server;
});

test('the session asked nothing of the simulator that it does not do', () => {
  expect([...gaps.keys()]).toEqual([]);
});
