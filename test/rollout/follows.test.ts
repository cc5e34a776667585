/** Groups that follow $Latest or $Default: pinned while a release may move them, and let follow again where that is safe. */
import { describe, expect, test } from 'vitest';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { recoverGroup } from '../../pipeline/rollout/recover.ts';
import { restorationOf } from '../../pipeline/rollout/restoration.ts';
import { updateGroup } from '../../pipeline/simulator/model/groups.ts';
import { atEveryPoint, dyingDeps, Killed } from './dying.ts';
import { type Fleet, fleetOf, newImage, recordsOf, rolledBack, waveOf } from './fleet.ts';

const follower = (version: '$Latest' | '$Default'): Fleet => {
  const fleet = fleetOf(
    { web: { desired: 2 } },
    {
      specs: { web: { soakMs: 1_000 } },
      simulator: { boot: '4s', warm_up: '4s', drain: '4s', terminate: '4s' },
    },
  );
  const group = fleet.world.groups.web!;
  updateGroup(fleet.world, group, {}, { template: { ...group.template!, version } });
  return fleet;
};
const versionOf = (fleet: Fleet) => fleet.world.groups.web!.template!.version;
const isMade = (fleet: Fleet) => Object.values(fleet.world.templates)[0]!.latestVersion > 1;

/** Without the journal, from the marks. */
async function recovered(fleet: Fleet): Promise<boolean> {
  const [group] = await fleet.cloud.observe(['web'], 0);
  const restoration = restorationOf({ ...group!, refresh: null }, fleet.specs.web!.drain);
  if (!restoration) return false;
  const deps = { ...fleet.deps, journal: createMemoryJournal('r-recovery', fleet.clock) };
  await recoverGroup(deps, fleet.specs.web!, group!, restoration, { reason: 'lost', actor: 'test' });
  return true;
}

test('$Default is followed again after a rollback, because the release has not changed what it means', async () => {
  const fleet = follower('$Default');
  const before = fleet.snapshot();
  await runWave(fleet.deps, waveOf(fleet), await newImage(fleet));
  expect(versionOf(fleet)).toBe('2');
  expect(await rolledBack(fleet)).toMatchObject({ exceptions: [] });
  expect(fleet.snapshot()).toEqual(before);
});

test('after a rollback $Latest would mean the image just left, so the group stays pinned, and the outcome says so', async () => {
  const fleet = follower('$Latest');
  await runWave(fleet.deps, waveOf(fleet), await newImage(fleet));
  const exception = 'pinned to version 1, because $Latest means another one now';
  expect(await rolledBack(fleet)).toMatchObject({ exceptions: [`web: ${exception}`] });
  expect(versionOf(fleet)).toBe('1');
  expect(recordsOf(fleet, 'group.finished').at(-1)!.reason).toBe(
    `back on the previous version; ${exception}`,
  );
});

describe.each(['$Latest', '$Default'] as const)(
  'a process that dies while it rolls a group on %s',
  (version) => {
    const ends = [
      { by: 'a rollback', end: async (fleet: Fleet) => void (await rolledBack(fleet)) },
      {
        by: 'a recovery from the marks alone',
        // Without marks nothing has been changed yet, or everything is over.
        end: async (fleet: Fleet) => {
          if (await recovered(fleet)) expect(await recovered(fleet)).toBe(false);
          else expect([version, '2']).toContain(versionOf(fleet));
        },
      },
    ];
    test.each(ends)('is followed by $by, which leaves it on what it meant before', async ({ by, end }) => {
      for (const when of ['before the call', 'after the call'] as const) {
        let restored = 0;
        await atEveryPoint(async (nth) => {
          const fleet = follower(version);
          const image = await newImage(fleet);
          const { deps, died } = dyingDeps(fleet, when, nth);
          const ended = await runWave(deps, waveOf(fleet), image).catch((error: unknown) => error);
          if (!died()) return false;
          expect(ended).toBeInstanceOf(Killed);
          await fleet.clock.sleep(20_000);
          const isOver =
            versionOf(fleet) === '2' && fleet.world.groups.web!.tags['drover:release'] === undefined;
          await end(fleet);
          const isSafe = version === '$Default' || !isMade(fleet);
          const expected = isSafe ? version : '1';
          if (!(isOver && by !== 'a rollback'))
            expect(versionOf(fleet), `${when}, death ${nth}`).toBe(expected);
          if (isSafe) restored += 1;
          expect(fleet.world.groups.web!.tags).not.toHaveProperty('drover:release');
          return true;
        });
        expect(restored).toBeGreaterThan(1);
      }
    });
  },
);

describe('instances that stay by policy', () => {
  const withGuarded = async () => {
    const fleet = fleetOf(
      { web: { desired: 3 } },
      { specs: { web: { protectedInstances: 'ignore', soakMs: 1_000 } } },
    );
    const image = await newImage(fleet);
    const guard = (version: string) => {
      const one = Object.values(fleet.world.groups.web!.members).find(
        (m) => m.template!.version === version,
      )!;
      one.protectedFromScaleIn = true;
      return one.instanceId;
    };
    return { fleet, image, guard };
  };

  test('are named when the others are back', async () => {
    const { fleet, image, guard } = await withGuarded();
    await runWave(fleet.deps, waveOf(fleet), image);
    const id = guard('2');
    const stays = `1 of 3 stays on version 2: ${id} protected from scale-in (by policy ignored)`;
    expect(await rolledBack(fleet)).toMatchObject({ exceptions: [`web: ${stays}`] });
    expect(recordsOf(fleet, 'group.finished').at(-1)!.reason).toBe(`back on the previous version; ${stays}`);
    expect(recordsOf(fleet, 'rollback.finished').at(-1)!.reason).toContain(stays);
  });

  test('are named when the others are promoted', async () => {
    const { fleet, image, guard } = await withGuarded();
    const id = guard('1');
    await runWave(fleet.deps, waveOf(fleet), image);
    expect(recordsOf(fleet, 'group.finished')).toMatchObject([
      { reason: `runs base-2; 1 of 3 stays on version 1: ${id} protected from scale-in (by policy ignored)` },
    ]);
  });
});
