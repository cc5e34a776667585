/** The way back: in which order, how fast, and what becomes of a group whose previous version is gone. */
import { describe, expect, test } from 'vitest';
import { Interrupted, Stuck } from '../../pipeline/errors.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { preflight } from '../../pipeline/rollout/preflight.ts';
import type { GroupSpec } from '../../pipeline/rollout/spec.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { type Fleet, fleetOf, newImage, recordsOf, rolledBack, versionsOf, waveOf } from './fleet.ts';

const groups = { staging: { desired: 2 }, 'web-a': { desired: 3 }, 'web-b': { desired: 3 } };

async function promoted(specs = {}): Promise<{ fleet: Fleet; before: Record<string, unknown> }> {
  const staging = { staging: { environment: 'staging' as const } };
  const fleet = fleetOf(groups, { specs: { ...staging, ...specs } });
  const before = fleet.snapshot();
  const image = await newImage(fleet);
  expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
  return { fleet, before };
}

/** When each group's instances were terminated in the rollback. */
const terminatedAt = (fleet: Fleet, group: string): number[] => {
  const records = fleet.journal.records();
  const start = records.findIndex(({ type }) => type === 'rollback.started');
  return records
    .slice(start)
    .flatMap(({ type, data, at }) =>
      type === 'intent' && data.group === group && data.action === 'terminate' ? [Date.parse(at)] : [],
    );
};

describe('a rollback', () => {
  test('takes all production groups at once, and staging when they are back', async () => {
    const { fleet, before } = await promoted();
    await rolledBack(fleet);
    expect(fleet.snapshot()).toEqual(before);
    expect(fleet.violations).toEqual([]);
    const [a, b, staging] = ['web-a', 'web-b', 'staging'].map((group) => terminatedAt(fleet, group));
    expect(a![0]).toBeLessThan(b!.at(-1)!);
    expect(b![0]).toBeLessThan(a!.at(-1)!);
    expect(staging![0]).toBeGreaterThan(Math.max(...a!, ...b!));
  });

  test('that is stopped goes on from where it was', async () => {
    const { fleet, before } = await promoted();
    const stop = new AbortController();
    const stopping = fleet.clock.sleep(60_000).then(() => stop.abort(new Error('SIGINT')));
    const stopped = rolledBack({ ...fleet, deps: { ...fleet.deps, signal: stop.signal } });
    const [outcome] = await Promise.allSettled([stopped, stopping]);
    expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(Interrupted) });
    await rolledBack(fleet);
    expect(fleet.snapshot()).toEqual(before);
    expect(fleet.violations).toEqual([]);
    expect(recordsOf(fleet, 'rollback.started')).toHaveLength(1);
  });
});

describe('a group whose previous version cannot be had', () => {
  const gone = {
    'template version': {
      take(fleet: Fleet) {
        const { id } = fleet.world.groups['web-a']!.template!;
        const template = fleet.world.templates[id]!;
        delete (template.versions as unknown as Record<string, unknown>)['1'];
      },
      reason: /web-a: version 1 of launch template web-a, which it had, has been deleted; make the group one/,
    },
    image: {
      take(fleet: Fleet) {
        const { imageId } = recordsOf(fleet, 'group.baseline').find(({ group }) => group === 'web-a')!;
        const image = fleet.world.images[imageId!]!;
        delete fleet.world.images[imageId!];
        return () => {
          fleet.world.images[imageId!] = image;
        };
      },
      reason: /image ami-\S+, which it had, is gone; restore it \(aws ec2 restore-image-from-recycle-bin/,
    },
  };

  test('because the template version was deleted is left serving as it is, and the others go back', async () => {
    const { fleet, before } = await promoted();
    gone['template version'].take(fleet);
    const stuck = await rolledBack(fleet).catch((error: unknown) => error);
    expect(stuck).toBeInstanceOf(Stuck);
    expect(stuck).toMatchObject({
      message: expect.stringMatching(gone['template version'].reason),
      remedy:
        'Nothing more is done to web-a; remove the cause, then `drover rollback r-1` goes on from there.',
    });
    expect(versionsOf(fleet, 'web-a')).toEqual(['2', '2', '2']);
    expect(fleet.world.groups['web-a']!.template!.version).toBe('2');
    const after = fleet.snapshot();
    expect(after['web-b']).toEqual(before['web-b']);
    expect(after.staging).toEqual(before.staging);
    const ends = recordsOf(fleet, 'group.finished').slice(3);
    expect(Object.fromEntries(ends.map(({ group, outcome }) => [group, outcome]))).toEqual({
      'web-a': 'stuck',
      'web-b': 'rolled-back',
      staging: 'rolled-back',
    });
    expect(fleet.violations).toEqual([]);
  });

  test('because the image is gone is stuck too, and goes back when the image is restored', async () => {
    const { fleet, before } = await promoted();
    const restore = gone.image.take(fleet);
    const stuck = await rolledBack(fleet).catch((error: unknown) => error);
    expect(stuck).toBeInstanceOf(Stuck);
    expect(stuck).toMatchObject({ message: expect.stringMatching(gone.image.reason) });
    expect(versionsOf(fleet, 'web-b')).toEqual(['2', '2', '2']);
    restore();
    await rolledBack(fleet);
    expect(fleet.snapshot()).toEqual(before);
    expect(fleet.violations).toEqual([]);
  });

  test('but has nothing to put back is no trouble', async () => {
    const gates = [{ type: 'alarms' as const, names: ['absent'], insufficient_data: 'wait' as const }];
    const fleet = fleetOf({ 'web-a': { desired: 2 } }, { specs: { 'web-a': { gates } } });
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toMatchObject({
      outcome: 'failed',
      reason: "web-a: alarms: there is no alarm 'absent'",
    });
    gone.image.take(fleet);
    await expect(rolledBack(fleet)).resolves.toMatchObject({ outcome: 'rolled-back' });
    expect(fleet.snapshot()).toEqual(before);
  });
});

test('a rollback demands of what it launches that it passes the gates, and is stuck with the reason when it does not', async () => {
  const { fleet } = await promoted();
  const { imageId } = recordsOf(fleet, 'group.baseline')[0]!;
  injectFault(fleet.world, { kind: 'never-boots', imageId: imageId! });
  const stuck = await rolledBack(fleet).catch((error: unknown) => error);
  expect(stuck).toBeInstanceOf(Stuck);
  expect(stuck).toMatchObject({
    message: expect.stringMatching(/web-a: i-\S+ did not pass its gates within 180 s/),
  });
  expect(fleet.violations).toEqual([]);
});

test('a group that is back carries no marks any more, however long another one takes', async () => {
  const slow: Partial<GroupSpec> = { surge: { instances: 1 }, protectedInstances: 'wait' };
  const { fleet } = await promoted({ 'web-a': { surge: { instances: 3 } }, 'web-b': slow });
  const back = rolledBack(fleet);
  const isOver = (group: string): boolean =>
    recordsOf(fleet, 'group.finished').some((one) => one.group === group && one.outcome === 'rolled-back');
  while (!isOver('web-a')) await fleet.clock.sleep(1_000);
  expect(fleet.world.groups['web-a']!.tags).not.toHaveProperty('drover:release');
  expect(isOver('web-b')).toBe(false);
  await back;
});

test('one that waits for an instance protected from scale-in says by which command it is let go, in plan and status', async () => {
  const { fleet } = await promoted();
  fleet.world.groups['web-a']!.newInstancesProtected = true;
  const [plan] = await preflight(fleet.deps, [{ ...waveOf(fleet), groups: [fleet.specs['web-a']!] }]);
  expect(plan!.notices).toContainEqual(
    expect.stringMatching(
      /^new instances are protected from scale-in: a rollback waits, .*set-instance-protection/,
    ),
  );
  const [id] = Object.keys(fleet.world.groups['web-a']!.members);
  await fleet.cloud.setScaleInProtection('web-a', [id!], true);
  const back = rolledBack(fleet);
  await fleet.clock.sleep(1_200_000);
  const last = recordsOf(fleet, 'answer').findLast(({ source }) => source === 'held back');
  expect(last).toMatchObject({ group: 'web-a', instance: 'web-a', status: 'waiting' });
  expect(last!.reason).toContain(`--instance-ids ${id} --no-protected-from-scale-in`);
  await fleet.cloud.setScaleInProtection('web-a', [id!], false);
  await back;
});
