import { describe, expect, test } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { startSimulator } from '../../pipeline/simulator/server.ts';
import { emptyWorld } from '../../pipeline/simulator/world.ts';
import { conformsToAws, type Endpoint } from './session.ts';
import { membersConformToAws } from './session-members.ts';
import { servicesConformToAws } from './session-services.ts';

/** Everything happens, but soon: the session is the same, only shorter. */
const timing = { bootMs: 50, warmUpMs: 50, drainMs: 50, terminateMs: 50, reactionMs: 10, imageMs: 20 };

describe.each<[string, (connect: () => Promise<Endpoint>) => void]>([
  ['a rollout by hand', conformsToAws],
  ['members of a group', membersConformToAws],
  ['services around it', servicesConformToAws],
])('%s', (_what, conforms) => {
  let gaps: ReadonlyMap<string, number> = new Map();

  conforms(async () => {
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
});
