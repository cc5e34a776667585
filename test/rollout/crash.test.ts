/**
 * Death at every point: after every mutating call with the call done and its outcome unwritten, before it with the
 * intent written, and after every journal record. Each time another process goes on, from the journal and from what
 * is there, and must reach the same fleet with every limit held throughout.
 */
import { describe, expect, test } from 'vitest';
import type { Cloud } from '../../pipeline/cloud/cloud.ts';
import type { Journal } from '../../pipeline/journal/records.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { rollbackGroups } from '../../pipeline/rollout/rollback.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { type Fleet, fleetOf, newImage, promotedFrom, waveOf } from './fleet.ts';

class Killed extends Error {}

const mutations = [
  'createTemplateVersion',
  'updateGroup',
  'suspendProcesses',
  'resumeProcesses',
  'setGroupTags',
  'removeGroupTags',
  'terminateInstances',
  'deregisterTargets',
  'registerTargets',
] as const;

type When = 'before the call' | 'after the call' | 'after the record';

/** Dies at the nth call or record; from then on nothing works, as in a dead process. `died` says whether it came to it. */
function dyingDeps(fleet: Fleet, when: When, nth: number) {
  let count = 0;
  let dead = false;
  const live = (): void => {
    if (dead) throw new Killed('dead');
  };
  const die = (): void => {
    dead = true;
    throw new Killed(`killed ${when} ${nth}`);
  };
  const cloud = { ...fleet.cloud } as Record<string, unknown>;
  for (const name of Object.keys(fleet.cloud) as (keyof Cloud)[]) {
    const real = fleet.cloud[name] as (...given: unknown[]) => Promise<unknown>;
    cloud[name] = async (...given: unknown[]) => {
      live();
      const counts = (mutations as readonly string[]).includes(name);
      if (counts && when !== 'after the record') count += 1;
      if (counts && when === 'before the call' && count === nth) die();
      const answer = await real(...given);
      if (counts && when === 'after the call' && count === nth) die();
      return answer;
    };
  }
  const journal: Journal = {
    release: fleet.journal.release,
    records: () => fleet.journal.records(),
    async append(entry) {
      live();
      const record = await fleet.journal.append(entry);
      if (when === 'after the record') {
        count += 1;
        if (count === nth) die();
      }
      return record;
    },
  };
  return { deps: { ...fleet.deps, cloud: cloud as unknown as Cloud, journal }, died: () => dead };
}

/** Small, but with everything the engine owes back: a raised MaxSize, a suspended process, several steps of surge. */
const smallFleet = () =>
  fleetOf(
    { web: { desired: 2, min: 2, max: 2 } },
    {
      specs: { web: { soakMs: 1_000 } },
      simulator: { boot: '4s', warm_up: '4s', drain: '4s', terminate: '4s' },
    },
  );

/** A process that died leaves the account to itself for a while before somebody resumes. */
const deadForMs = 20_000;

/** Repeats `scenario` with death at 1, 2, 3, … until it is survived. @returns how many deaths there were */
async function atEveryPoint(scenario: (nth: number) => Promise<boolean>): Promise<number> {
  for (let nth = 1; nth < 500; nth += 1) if (!(await scenario(nth))) return nth - 1;
  throw new Error('the scenario never ends without dying');
}

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
