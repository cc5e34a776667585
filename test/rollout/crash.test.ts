/**
 * Death at every point: after every mutating call with the call done and its outcome unwritten, before it with the
 * intent written, and after every journal record. Each time another process goes on, from the journal and from what
 * is there, and must reach the same fleet with every limit held throughout.
 */
import { describe, expect, test } from 'vitest';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { rollbackGroups } from '../../pipeline/rollout/rollback.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { atEveryPoint, deadForMs, dyingDeps, Killed, type When } from './dying.ts';
import { fleetOf, newImage, promotedFrom, waveOf } from './fleet.ts';

/** Small, but with everything the engine owes back: a raised MaxSize, a suspended process, several steps of surge. */
const smallFleet = () =>
  fleetOf(
    { web: { desired: 2, min: 2, max: 2 } },
    {
      specs: { web: { soakMs: 1_000 } },
      simulator: { boot: '4s', warm_up: '4s', drain: '4s', terminate: '4s' },
    },
  );

describe.each<When>(['before the call', 'after the call', 'after the record'])(
  'a process that dies %s',
  (when) => {
    test('in a rollout is replaced by one that brings it to the same end', async () => {
      const deaths = await atEveryPoint(async (nth) => {
        const fleet = smallFleet();
        const image = await newImage(fleet);
        const before = fleet.snapshot();
        const { deps, died } = dyingDeps(fleet, when, nth);
        const first = await runWave(deps, waveOf(fleet), image).catch((error: unknown) => error);
        if (died()) {
          expect(first).toBeInstanceOf(Killed);
          await fleet.clock.sleep(deadForMs);
          expect(await runWave(fleet.deps, waveOf(fleet), image), `death ${nth}`).toEqual({
            outcome: 'promoted',
          });
        }
        expect(fleet.snapshot(), `death ${nth}`).toEqual(promotedFrom(before));
        expect(fleet.violations, `death ${nth}`).toEqual([]);
        expect(Object.keys(fleet.world.templates)).toHaveLength(1);
        expect(Object.values(fleet.world.templates)[0]!.latestVersion, `death ${nth}`).toBe(2);
        return died();
      });
      expect(deaths).toBeGreaterThan(10);
    });

    test('in a rollback is replaced by one that puts everything back', async () => {
      const deaths = await atEveryPoint(async (nth) => {
        const fleet = smallFleet();
        const image = await newImage(fleet);
        injectFault(fleet.world, { kind: 'unhealthy', imageId: image.id });
        const before = fleet.snapshot();
        expect(await runWave(fleet.deps, waveOf(fleet), image)).toMatchObject({ outcome: 'failed' });
        const request = { groups: Object.values(fleet.specs), reason: 'bad image', actor: 'test' };
        const { deps, died } = dyingDeps(fleet, when, nth);
        const first = await rollbackGroups(deps, request).catch((error: unknown) => error);
        if (died()) {
          expect(first).toBeInstanceOf(Killed);
          await fleet.clock.sleep(deadForMs);
          await rollbackGroups(fleet.deps, request);
        }
        expect(fleet.snapshot(), `death ${nth}`).toEqual(before);
        expect(fleet.violations, `death ${nth}`).toEqual([]);
        return died();
      });
      expect(deaths).toBeGreaterThan(5);
    });

    test('in a rollout can also be followed by a rollback', async () => {
      await atEveryPoint(async (nth) => {
        const fleet = smallFleet();
        const image = await newImage(fleet);
        const before = fleet.snapshot();
        const { deps, died } = dyingDeps(fleet, when, nth);
        await runWave(deps, waveOf(fleet), image).catch((error: unknown) => error);
        await fleet.clock.sleep(deadForMs);
        const request = { groups: Object.values(fleet.specs), reason: 'by hand', actor: 'test' };
        await rollbackGroups(fleet.deps, request);
        expect(fleet.snapshot(), `death ${nth}`).toEqual(before);
        expect(fleet.violations, `death ${nth}`).toEqual([]);
        return died();
      });
    });
  },
);
