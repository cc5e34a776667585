/** Death after death: the process that resumes dies too, at every point, with a drain of two steps under way. */
import { expect, test } from 'vitest';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { deathPoints } from '../simulation/death.ts';
import { atEveryPoint, deadForMs, dyingDeps, Killed } from './dying.ts';
import { fleetOf, newImage, promotedFrom, rolledBack, waveOf } from './fleet.ts';

const policy = { deadlineMs: 300_000, on_deadline: 'fail' } as const;

/** Small, with everything the engine owes back in it. */
const smallFleet = () =>
  fleetOf(
    { web: { desired: 2, min: 2, max: 2 } },
    {
      specs: {
        web: {
          soakMs: 1_000,
          drain: [
            { type: 'target-group', ...policy },
            { type: 'command', name: 'leave', argv: ['true'], ...policy },
          ],
        },
      },
      simulator: { boot: '4s', warm_up: '4s', drain: '4s', terminate: '4s' },
    },
  );

/** The first process dies in the set-up, in the middle, and where things are given back. */
const firstDeaths = [4, 12, 20];

test.each(deathPoints.flatMap((when) => firstDeaths.map((first) => ({ when, first }))))(
  'a release whose first process dies $when $first, and whose second dies anywhere, ends as if none had',
  async ({ when, first }) => {
    await atEveryPoint(async (second) => {
      const fleet = smallFleet();
      const image = await newImage(fleet);
      const before = fleet.snapshot();
      for (const nth of [first, second]) {
        const { deps, died } = dyingDeps(fleet, when, nth);
        const ended = await runWave(deps, waveOf(fleet), image).catch((error: unknown) => error);
        if (!died()) {
          expect(ended).toEqual({ outcome: 'promoted' });
          expect(fleet.snapshot()).toEqual(promotedFrom(before));
          expect(fleet.violations).toEqual([]);
          return false;
        }
        expect(ended).toBeInstanceOf(Killed);
        await fleet.clock.sleep(deadForMs);
      }
      expect(await runWave(fleet.deps, waveOf(fleet), image), `death ${second}`).toEqual({
        outcome: 'promoted',
      });
      expect(fleet.snapshot(), `death ${second}`).toEqual(promotedFrom(before));
      expect(fleet.violations, `death ${second}`).toEqual([]);
      return true;
    });
  },
);

test('a rollback of what two dead processes have left restores everything exactly', async () => {
  for (const when of deathPoints) {
    const fleet = smallFleet();
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    for (const nth of [6, 2]) {
      const { deps } = dyingDeps(fleet, when, nth);
      await expect(runWave(deps, waveOf(fleet), image)).rejects.toBeInstanceOf(Killed);
      await fleet.clock.sleep(deadForMs);
    }
    await rolledBack(fleet);
    expect(fleet.snapshot(), when).toEqual(before);
    expect(fleet.violations, when).toEqual([]);
  }
});
