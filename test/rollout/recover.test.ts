/**
 * The journal is lost: what a dead process has left on a group is undone from the marks on it, and nothing else is.
 */
import { describe, expect, test } from 'vitest';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import { type RolloutDeps, runWave } from '../../pipeline/rollout/engine.ts';
import { recoverGroup } from '../../pipeline/rollout/recover.ts';
import { restorationOf } from '../../pipeline/rollout/restoration.ts';
import { rollbackGroups } from '../../pipeline/rollout/rollback.ts';
import { servingIn } from '../../pipeline/simulator/capacity.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { setDesired, updateGroup } from '../../pipeline/simulator/model/groups.ts';
import { atEveryPoint, dyingDeps, Killed, type When } from './dying.ts';
import { type Fleet, fleetOf, newImage, waveOf } from './fleet.ts';
import { deadForMs } from './remains.ts';

const request = { reason: 'the disk is gone', actor: 'test' };
const drain = [{ type: 'target-group', deadlineMs: 300_000, on_deadline: 'fail' }] as const;

/** Everything the engine may owe: room above MaxSize, a suspended process, several drains under way. */
const owingFleet = (specs: Parameters<typeof fleetOf>[1] = {}) =>
  fleetOf(
    { web: { desired: 4, min: 4, max: 4 } },
    {
      specs: { web: { surge: { instances: 2 }, soakMs: 1_000, ...specs?.specs?.web } },
      simulator: { boot: '4s', warm_up: '4s', drain: '4s', terminate: '4s' },
    },
  );

async function recovered(fleet: Fleet, deps: RolloutDeps) {
  const [group] = await fleet.cloud.observe(['web'], 0);
  const { web: refresh } = await fleet.cloud.newestRefreshes(['web']);
  const restoration = restorationOf({ ...group!, refresh: refresh! }, drain);
  if (!restoration) return null;
  return {
    restoration,
    ...(await recoverGroup(deps, fleet.specs.web!, group!, restoration, request)),
  };
}

/** Without a journal: of the dead release nothing is left but what is in the account. */
const withoutJournal = (fleet: Fleet) => ({
  ...fleet.deps,
  journal: createMemoryJournal('r-recovery', fleet.clock),
});

/** All that recovery answers for: the versions instances run stay as they are. */
function settingsOf(fleet: Fleet) {
  const { versions: _, ...settings } = fleet.snapshot().web as { versions: string[]; version: string };
  return settings;
}

/** The rollout is killed at the nth call or record; `null` when it came to its end before. */
async function killed(when: When, nth: number, work: 'rollout' | 'rollback') {
  const fleet = owingFleet();
  const image = await newImage(fleet);
  if (work === 'rollback') injectFault(fleet.world, { kind: 'unhealthy', imageId: image.id });
  const before = settingsOf(fleet);
  const { deps, died } = dyingDeps(fleet, when, nth);
  const rolled =
    work === 'rollout'
      ? runWave(deps, waveOf(fleet), image)
      : runWave(fleet.deps, waveOf(fleet), image).then(() =>
          rollbackGroups(deps, { groups: Object.values(fleet.specs), reason: 'bad', actor: 'test' }),
        );
  const end = await rolled.catch((error: unknown) => error);
  if (!died()) return null;
  expect(end).toBeInstanceOf(Killed);
  await fleet.clock.sleep(deadForMs);
  return { fleet, before };
}

test('an instance refresh of the lost release is called off, so that it does not go on after the recovery', async () => {
  const strategy = { type: 'instance-refresh' as const, checkpoints: [25], checkpointSoakMs: 3_600_000 };
  const fleet = owingFleet({ specs: { web: { strategy } } });
  const before = settingsOf(fleet);
  const startRefresh: Fleet['cloud']['startRefresh'] = async (...given) => {
    await fleet.cloud.startRefresh(...given);
    throw new Error('killed');
  };
  const deps = { ...fleet.deps, cloud: { ...fleet.cloud, startRefresh } };
  await expect(runWave(deps, waveOf(fleet), await newImage(fleet))).rejects.toThrow('killed');
  await fleet.clock.sleep(deadForMs);
  const report = await recovered(fleet, withoutJournal(fleet));
  expect(report?.restoration.undone).toContainEqual(
    expect.stringMatching(/^instance refresh \S+ .*: cancelled$/),
  );
  expect(settingsOf(fleet)).toEqual(before);
  const { web: refresh } = await fleet.cloud.newestRefreshes(['web']);
  expect(refresh?.status).toMatch(/^Cancell/);
});

describe.each<When>(['before the call', 'after the call'])('of a process that died %s', (when) => {
  test.each(['rollout', 'rollback'] as const)(
    'in a %s, the group is put back from its marks at every point, and a second recovery finds nothing',
    async (work) => {
      const deaths = await atEveryPoint(async (nth) => {
        const left = await killed(when, nth, work);
        if (!left) return false;
        const { fleet, before } = left;
        // Without marks it had not begun, or was over: then the version is the one it was moved to.
        const isMarked = (await recovered(fleet, withoutJournal(fleet))) !== null;
        const { version } = settingsOf(fleet);
        expect(settingsOf(fleet), `death ${nth}`).toEqual(isMarked ? before : { ...before, version });
        expect(servingIn(fleet.world, fleet.world.groups.web!), `death ${nth}`).toHaveLength(4);
        expect(fleet.violations, `death ${nth}`).toEqual([]);
        expect(await recovered(fleet, withoutJournal(fleet)), `death ${nth}`).toBeNull();
        return true;
      });
      expect(deaths).toBeGreaterThan(work === 'rollout' ? 10 : 5);
    },
  );
});

test('a recovery that dies at any point is ended by the next one', async () => {
  const deaths = await atEveryPoint(async (nth) => {
    const { fleet, before } = (await killed('after the call', 9, 'rollout'))!;
    const { deps, died } = dyingDeps(fleet, 'after the call', nth);
    const end = await recovered(fleet, deps).catch((error: unknown) => error);
    if (died()) {
      expect(end).toBeInstanceOf(Killed);
      await fleet.clock.sleep(deadForMs);
      await recovered(fleet, withoutJournal(fleet));
    }
    expect(settingsOf(fleet), `death ${nth}`).toEqual(before);
    expect(fleet.violations, `death ${nth}`).toEqual([]);
    return died();
  });
  expect(deaths).toBeGreaterThan(2);
});

test('instances of the new version that never served go first, so that what served before stays', async () => {
  const fleet = owingFleet();
  const image = await newImage(fleet);
  injectFault(fleet.world, { kind: 'unhealthy', imageId: image.id });
  const before = fleet.snapshot();
  expect(await runWave(fleet.deps, waveOf(fleet), image)).toMatchObject({ outcome: 'failed' });
  const report = await recovered(fleet, withoutJournal(fleet));
  expect(report!.instances).toEqual([{ version: 1, count: 4 }]);
  expect(fleet.snapshot()).toEqual(before);
});

test('what somebody else has changed since is left, and said', async () => {
  const { fleet } = (await killed('after the call', 4, 'rollout'))!;
  const group = fleet.world.groups.web!;
  updateGroup(fleet.world, group, { max: 20 }, {});
  setDesired(fleet.world, group, 9);
  fleet.wanted.web = 9;
  await fleet.cloud.resumeProcesses('web', ['AZRebalance']);
  fleet.settling.web = fleet.clock.now() + 60_000;
  const { restoration } = (await recovered(fleet, withoutJournal(fleet)))!;
  expect(restoration.left).toEqual([
    expect.stringMatching(/^desired 9: /),
    expect.stringMatching(/^MaxSize 20: /),
    'AZRebalance: runs already',
  ]);
  expect(settingsOf(fleet)).toMatchObject({ desired: 9, max: 20, suspended: [], version: '1' });
  expect(fleet.world.groups.web!.tags).not.toHaveProperty('drover:release');
});

test('a template version that somebody else has set stays', async () => {
  const { fleet } = (await killed('after the call', 4, 'rollout'))!;
  const [template] = Object.values(fleet.world.templates);
  await fleet.cloud.createTemplateVersion({
    templateId: template!.id,
    sourceVersion: '1',
    imageId: String(template!.versions[1]!.data.ImageId),
    description: 'by hand',
    token: 'by-hand',
  });
  await fleet.cloud.updateGroup('web', { templateVersion: 3 });
  const { restoration } = (await recovered(fleet, withoutJournal(fleet)))!;
  expect(restoration.left).toContain('template version 3: somebody set it after the release (1 before it)');
  expect(settingsOf(fleet)).toMatchObject({ desired: 4, max: 4, version: '3' });
});

test('what the release has left in the warm pool is told: a recovery replaces no instance', async () => {
  const { fleet } = (await killed('after the call', 4, 'rollout'))!;
  const [group] = await fleet.cloud.observe(['web'], 0);
  const warm = { lifecycle: 'Warmed:Stopped', healthy: true } as const;
  const warmPool = [
    { ...warm, id: 'i-warm', templateVersion: 2 },
    { ...warm, id: 'i-before', templateVersion: 1 },
  ];
  expect(restorationOf({ ...group!, warmPool }, drain)!.left).toContainEqual(
    expect.stringMatching(/^1 in the warm pool on version 2: .*--instance-id i-warm/),
  );
});

describe('the marks of a group', () => {
  const marked = async () => {
    const { fleet } = (await killed('after the call', 6, 'rollout'))!;
    return (await fleet.cloud.observe(['web'], 0))[0]!;
  };

  test('that are incomplete or were edited are refused with what there is', async () => {
    const group = await marked();
    const { 'drover:desired': _, ...others } = group.tags;
    const tags = { ...others, 'drover:max': 'four' };
    expect(() => restorationOf({ ...group, tags }, drain)).toThrow(
      /incomplete: drover:max=four, drover:desired=\(missing\)/,
    );
  });

  test('on a group that follows $Latest again are refused: nothing can be told from it', async () => {
    const group = await marked();
    const template = { ...group.template!, version: '$Latest' };
    expect(() => restorationOf({ ...group, template }, drain)).toThrow(/follows \$Latest/);
  });

  test('say nothing about drains that do not show in the cloud, and the report says so', async () => {
    const restoration = restorationOf(await marked(), [
      ...drain,
      {
        type: 'command',
        name: 'queue',
        argv: ['true'],
        timeoutMs: 30_000,
        deadlineMs: 1,
        on_deadline: 'fail',
      } as never,
    ]);
    expect(restoration!.left.join()).toMatch(/drain had begun \(command\)/);
  });

  test('are nobody’s when there are none', async () => {
    const fleet = owingFleet();
    const [group] = await fleet.cloud.observe(['web'], 0);
    expect(restorationOf(group!, drain)).toBeNull();
  });
});
