/**
 * An instance refresh is called off while it has launched ahead. Whatever dies between the calls that takes, Auto Scaling
 * ends nobody who serves, and whoever goes on gives everything back: a resumed run, a rollback, a recovery from the marks.
 */
import { describe, expect, test } from 'vitest';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import { type RolloutDeps, runWave } from '../../pipeline/rollout/engine.ts';
import { recoverGroup } from '../../pipeline/rollout/recover.ts';
import { restorationOf } from '../../pipeline/rollout/restoration.ts';
import { rollbackGroups } from '../../pipeline/rollout/rollback.ts';
import { putHook } from '../../pipeline/simulator/model/hooks.ts';
import { activeRefresh, refreshesOf } from '../../pipeline/simulator/model/refresh-state.ts';
import { atEveryPoint, dyingDeps, Killed, type When } from './dying.ts';
import { type Fleet, fleetOf, newImage, promotedFrom, recordsOf, waveOf } from './fleet.ts';

type Image = Awaited<ReturnType<typeof newImage>>;

/** The refresh launches two ahead of three, and has ended none of them when it is called off. */
const refreshedFleet = (): Fleet => {
  const fleet = fleetOf(
    { web: { desired: 3, min: 3, max: 3 } },
    {
      specs: {
        web: {
          strategy: { type: 'instance-refresh', checkpoints: [], checkpointSoakMs: 0 },
          surge: { instances: 2 },
          soakMs: 1_000,
        },
      },
      simulator: { boot: '4s', warm_up: '4s', drain: '4s', terminate: '4s' },
    },
  );
  fleet.world.groups.web!.warmUpMs = 5_000;
  return fleet;
};
const aheadMs = 8_000;
/** Longer than Auto Scaling needs to end what is too much. */
const deadForMs = 120_000;

const stopped = async (deps: RolloutDeps, fleet: Fleet, image: Image): Promise<unknown> => {
  const stop = new AbortController();
  const [end] = await Promise.allSettled([
    runWave({ ...deps, signal: stop.signal }, waveOf(fleet), image),
    fleet.clock.sleep(aheadMs).then(() => stop.abort(new Error('SIGINT'))),
  ]);
  return end.status === 'rejected' ? end.reason : end.value;
};
const back = (deps: RolloutDeps, fleet: Fleet) =>
  rollbackGroups(deps, { groups: Object.values(fleet.specs), reason: 'by hand', actor: 'test' });

/** The process that started the refresh is gone, and the refresh has launched ahead. */
async function orphaned(fleet: Fleet, image: Image): Promise<void> {
  const startRefresh: Fleet['cloud']['startRefresh'] = async (...given) => {
    await fleet.cloud.startRefresh(...given);
    throw new Error('gone');
  };
  const gone = { ...fleet.deps, cloud: { ...fleet.cloud, startRefresh } };
  await expect(runWave(gone, waveOf(fleet), image)).rejects.toThrow('gone');
  await fleet.clock.sleep(aheadMs);
}
const abandoned = async (deps: RolloutDeps, fleet: Fleet, image: Image): Promise<unknown> => {
  await orphaned(fleet, image);
  return await back(deps, fleet).catch((error: unknown) => error);
};
const orphanRecovered = async (deps: RolloutDeps, fleet: Fleet, image: Image): Promise<unknown> => {
  await orphaned(fleet, image);
  return await recovered(fleet, deps).catch((error: unknown) => error);
};

const withoutJournal = (fleet: Fleet): RolloutDeps => ({
  ...fleet.deps,
  journal: createMemoryJournal('r-recovery', fleet.clock),
});

async function recovered(fleet: Fleet, deps = withoutJournal(fleet)): Promise<void> {
  const [group] = await fleet.cloud.observe(['web'], 0);
  const { web: refresh } = await fleet.cloud.newestRefreshes(['web']);
  const restoration = restorationOf({ ...group!, refresh: refresh! }, []);
  if (!restoration) return;
  await recoverGroup(deps, fleet.specs.web!, group!, restoration, { reason: 'lost', actor: 'test' });
}

const settingsOf = (fleet: Fleet) => {
  const { versions: _, ...settings } = fleet.snapshot().web as Record<string, unknown>;
  return settings;
};

describe.each<When>(['before the call', 'after the call', 'after the record'])('dies %s', (when) => {
  test.each([
    { who: 'a stop', next: 'a resumed run', calledOff: stopped },
    { who: 'a stop', next: 'a rollback', calledOff: stopped },
    { who: 'a stop', next: 'a recovery', calledOff: stopped },
    { who: 'a rollback', next: 'a rollback', calledOff: abandoned },
    { who: 'a rollback', next: 'a recovery', calledOff: abandoned },
    // At once, while the refresh goes on.
    { who: 'a recovery', next: 'a recovery', calledOff: orphanRecovered, waitMs: 0 },
  ])('$who, at any point, and $next goes on', async ({ next, calledOff, waitMs = deadForMs }) => {
    const deaths = await atEveryPoint(async (nth) => {
      const label = `death ${nth}`;
      const fleet = refreshedFleet();
      const image = await newImage(fleet);
      const before = fleet.snapshot();
      const { deps, died } = dyingDeps(fleet, when, nth);
      const end = await calledOff(deps, fleet, image);
      if (!died()) return false;
      expect(end, label).toBeInstanceOf(Killed);
      await fleet.clock.sleep(waitMs);
      fleet.simulator.advance();
      if (next === 'a resumed run') {
        expect(await runWave(fleet.deps, waveOf(fleet), image), label).toEqual({ outcome: 'promoted' });
        expect(fleet.snapshot(), label).toEqual(promotedFrom(before));
      } else if (next === 'a rollback') {
        await back(fleet.deps, fleet);
        expect(fleet.snapshot(), label).toEqual(before);
      } else {
        const isGoingOn = activeRefresh(fleet.world, 'web') !== null;
        const { version, ...others } = settingsOf(fleet);
        await recovered(fleet);
        const { versions: _, version: previous, ...was } = before.web as Record<string, unknown>;
        const { version: present, ...is } = settingsOf(fleet);
        expect(is, `${label}, ${JSON.stringify(others)}`).toEqual(was);
        expect([previous, version], label).toContain(present);
        if (isGoingOn) expect(refreshesOf(fleet.world, 'web').at(-1)?.status, label).toBe('Cancelled');
      }
      expect(fleet.violations, label).toEqual([]);
      return true;
    });
    expect(deaths).toBeGreaterThan(5);
  });
});

test('a recovery knows the refresh it has called off for its release’s own, and waits for it however long that takes', async () => {
  const fleet = refreshedFleet();
  const { world, specs, clock } = fleet;
  putHook(world.groups.web!, {
    name: 'slow',
    transition: 'terminating',
    heartbeatMs: 2 * specs.web!.gateDeadlineMs,
    defaultResult: 'CONTINUE',
  });
  const before = settingsOf(fleet);
  await orphaned(fleet, await newImage(fleet));
  // "Cancelling" lasts until whoever is on the way out has gone.
  await fleet.cloud.terminateInstances('web', [Object.keys(world.groups.web!.members)[0]!], {
    decrementDesired: false,
  });
  const deps = withoutJournal(fleet);
  const begunAt = clock.now();
  await recovered(fleet, deps);
  expect(JSON.stringify(deps.journal.records())).not.toContain('somebody else');
  expect(settingsOf(fleet)).toEqual(before);
  expect(refreshesOf(world, 'web')).toMatchObject([{ status: 'Cancelled' }]);
  expect(clock.now() - begunAt).toBeGreaterThan(specs.web!.gateDeadlineMs);
});

test('Terminate is suspended for no longer than it takes to cancel and to look once', async () => {
  const fleet = refreshedFleet();
  await stopped(fleet.deps, fleet, await newImage(fleet));
  expect(refreshesOf(fleet.world, 'web')).toMatchObject([{ status: expect.stringMatching(/^Cancell/) }]);
  const intents = recordsOf(fleet, 'intent').map(({ action }) => action);
  expect(intents.slice(-6)).toEqual(['tag', 'suspend', 'cancel-refresh', 'tag', 'update', 'resume']);
  const { desired, suspended, members } = fleet.world.groups.web!;
  expect([desired, Object.keys(members).length]).toEqual([5, 5]);
  expect(suspended).not.toHaveProperty('Terminate');
});

test('where an operator has suspended Terminate, it is neither suspended nor resumed', async () => {
  const fleet = refreshedFleet();
  await fleet.cloud.suspendProcesses('web', ['Terminate']);
  await stopped(fleet.deps, fleet, await newImage(fleet));
  expect(fleet.world.groups.web!.suspended).toHaveProperty('Terminate');
  expect(refreshesOf(fleet.world, 'web')).toMatchObject([{ status: expect.stringMatching(/^Cancell/) }]);
});
