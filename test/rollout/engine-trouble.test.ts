/** The engine when the cloud misbehaves, images are bad, or somebody stops it. */
import { describe, expect, test } from 'vitest';
import { type Cloud, CloudError } from '../../pipeline/cloud/cloud.ts';
import { Interrupted, Refused, Stuck } from '../../pipeline/errors.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { terminate } from '../../pipeline/simulator/model/instances.ts';
import {
  type Fleet,
  fleetOf,
  newImage,
  promotedFrom,
  recordsOf,
  rolledBack,
  versionsOf,
  waveOf,
} from './fleet.ts';

describe('a cloud that misbehaves', () => {
  test('stale answers delay the rollout and change nothing else', async () => {
    const fleet = fleetOf({ web: { desired: 4, min: 1 } }, { specs: { web: { surge: { instances: 2 } } } });
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    let last: Awaited<ReturnType<typeof fleet.cloud.observe>> = [];
    let calls = 0;
    const cloud = {
      ...fleet.cloud,
      async observe(...given: Parameters<typeof fleet.cloud.observe>) {
        calls += 1;
        // Two of three answers are what was true one answer before.
        if (calls > 1 && calls % 3 !== 0) return last;
        last = await fleet.cloud.observe(...given);
        return last;
      },
    };
    const outcome = await runWave({ ...fleet.deps, cloud }, waveOf(fleet), image);
    expect(outcome).toEqual({ outcome: 'promoted' });
    expect(fleet.violations).toEqual([]);
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
  });

  test('calls refused now and then, also when they were carried out, are made good', async () => {
    const fleet = fleetOf({ web: { desired: 4 } }, { specs: { web: { surge: { instances: 2 } } } });
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    let calls = 0;
    const unreliable = { ...fleet.cloud } as unknown as Record<
      string,
      (...given: unknown[]) => Promise<unknown>
    >;
    for (const name of [
      'updateGroup',
      'terminateInstances',
      'deregisterTargets',
      'suspendProcesses',
      'setGroupTags',
    ]) {
      const real = unreliable[name]!;
      unreliable[name] = async (...given) => {
        calls += 1;
        if (calls % 4 === 1) throw new CloudError(name, 'Throttling', 'Rate exceeded');
        const answer = await real(...given);
        if (calls % 4 === 3)
          throw new CloudError(name, 'EndpointUnreachable', 'socket hang up', { outcomeUnknown: true });
        return answer;
      };
    }
    const outcome = await runWave(
      { ...fleet.deps, cloud: unreliable as unknown as Cloud },
      waveOf(fleet),
      image,
    );
    expect(outcome).toEqual({ outcome: 'promoted' });
    expect(fleet.violations).toEqual([]);
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
  });

  test.each([
    {
      name: 'had all gone by themselves',
      async end(fleet: Fleet, instances: readonly string[]) {
        fleet.settling.web = fleet.clock.now() + 300_000;
        for (const id of instances) terminate(fleet.world, fleet.world.instances[id]!);
        await fleet.clock.sleep(60_000);
        fleet.simulator.advance();
        const options = { decrementDesired: true };
        const ended = await fleet.cloud.terminateInstances('web', instances, options);
        expect(ended).toEqual([]);
        return ended;
      },
    },
    {
      name: 'were refused but for the first',
      end: (fleet: Fleet, instances: readonly string[]) =>
        fleet.cloud.terminateInstances('web', instances.slice(0, 1), { decrementDesired: true }),
    },
  ])('desired ends as it was when instances to end with decrement $name', async ({ end }) => {
    const fleet = fleetOf({ web: { desired: 2 } }, { specs: { web: { surge: { instances: 2 } } } });
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    let isFirst = true;
    const cloud: Cloud = {
      ...fleet.cloud,
      async terminateInstances(group, instances, options) {
        if (!options.decrementDesired || !isFirst)
          return fleet.cloud.terminateInstances(group, instances, options);
        isFirst = false;
        expect(instances).toHaveLength(2);
        return end(fleet, instances);
      },
    };
    const outcome = await runWave({ ...fleet.deps, cloud }, waveOf(fleet), image);
    expect(outcome).toEqual({ outcome: 'promoted' });
    expect(isFirst).toBe(false);
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
    expect(fleet.violations).toEqual([]);
  });

  test('a call that is refused every time fails the wave with the refusal', async () => {
    const fleet = fleetOf({ web: { desired: 2 } });
    const cloud: Cloud = {
      ...fleet.cloud,
      terminateInstances: async () => {
        throw new CloudError('TerminateInstanceInAutoScalingGroup', 'AccessDenied', 'not authorized');
      },
    };
    const outcome = await runWave({ ...fleet.deps, cloud }, waveOf(fleet), await newImage(fleet));
    expect(outcome).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('AccessDenied') });
    expect(fleet.violations).toEqual([]);
  });
});

describe('images that are bad', () => {
  const sizes = { 'web-a': { desired: 4 }, 'web-b': { desired: 3, min: 3, max: 3 }, worker: { desired: 2 } };

  test.each([{ kind: 'unhealthy' as const }, { kind: 'never-boots' as const }])(
    'an image that is $kind fails the wave, and the rollback restores everything exactly',
    async (fault) => {
      const fleet = fleetOf(sizes);
      const image = await newImage(fleet);
      injectFault(fleet.world, { ...fault, imageId: image.id });
      const before = fleet.snapshot();
      const outcome = await runWave(fleet.deps, waveOf(fleet), image);
      expect(outcome).toMatchObject({
        outcome: 'failed',
        reason: expect.stringMatching(/did not pass its gates/),
      });
      await expect(rolledBack(fleet)).resolves.toMatchObject({ outcome: 'rolled-back' });
      expect(fleet.violations).toEqual([]);
      expect(fleet.snapshot()).toEqual(before);
      expect(recordsOf(fleet, 'rollback.finished')).toMatchObject([{ outcome: 'rolled-back' }]);
    },
  );

  test('instances that turn bad during the soak fail the wave, and all of them are taken back', async () => {
    const fleet = fleetOf({ web: { desired: 3 } }, { specs: { web: { soakMs: 600_000 } } });
    const image = await newImage(fleet);
    injectFault(fleet.world, { kind: 'unhealthy', failsAfterMs: 400_000, imageId: image.id });
    const before = fleet.snapshot();
    // From here on the fleet is below its floor by the image's fault, until the rollback has repaired it.
    fleet.settling.web = fleet.clock.now() + 3_600_000;
    const outcome = await runWave(fleet.deps, waveOf(fleet), image);
    expect(outcome).toMatchObject({ outcome: 'failed', reason: expect.stringMatching(/turned bad|died/) });
    expect(versionsOf(fleet, 'web')).toContain('2');
    await rolledBack(fleet);
    expect(fleet.snapshot()).toEqual(before);
  });

  test('a promoted release can still be rolled back', async () => {
    const fleet = fleetOf({ web: { desired: 3, min: 3, max: 3 } });
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    await runWave(fleet.deps, waveOf(fleet), image);
    await rolledBack(fleet);
    expect(fleet.violations).toEqual([]);
    expect(fleet.snapshot()).toEqual(before);
  });

  test('a rollback whose own instances are bad ends stuck and says what to run', async () => {
    const fleet = fleetOf({ web: { desired: 2 }, other: { desired: 2 } });
    const image = await newImage(fleet);
    await runWave(fleet.deps, waveOf(fleet), image);
    const initial = fleet.journal.records().find((r) => r.type === 'group.baseline')!;
    injectFault(fleet.world, {
      kind: 'unhealthy',
      imageId: (initial.data as { imageId: string }).imageId,
      zone: `${fleet.world.region}b`,
    });
    const stuck = await rolledBack(fleet).catch((error: unknown) => error);
    expect(stuck).toBeInstanceOf(Stuck);
    expect(stuck).toMatchObject({ remedy: expect.stringContaining('drover rollback r-1') });
    expect(recordsOf(fleet, 'rollback.finished')).toMatchObject([{ outcome: 'stuck' }]);
  });

  test('capacity that EC2 does not have fails the wave with what Auto Scaling said', async () => {
    const fleet = fleetOf({ web: { desired: 2 } });
    const image = await newImage(fleet);
    fleet.world.images[image.id]!.state = 'pending';
    const before = fleet.snapshot();
    const outcome = await runWave(fleet.deps, waveOf(fleet), image);
    expect(outcome).toMatchObject({ outcome: 'failed', reason: expect.stringMatching(/not available/) });
    await rolledBack(fleet);
    expect(fleet.snapshot()).toEqual(before);
  });
});

describe('stopping', () => {
  test('a signal stops between two calls, and the same call goes on later', async () => {
    const fleet = fleetOf({ web: { desired: 3 } });
    const image = await newImage(fleet);
    const before = fleet.snapshot();
    const stop = new AbortController();
    const running = runWave({ ...fleet.deps, signal: stop.signal }, waveOf(fleet), image);
    const [stopped] = await Promise.allSettled([
      running,
      fleet.clock.sleep(90_000).then(() => stop.abort(new Error('SIGINT'))),
    ]);
    expect(stopped).toMatchObject({ status: 'rejected', reason: expect.any(Interrupted) });
    await fleet.clock.sleep(3_600_000);
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(fleet.violations).toEqual([]);
    expect(fleet.snapshot()).toEqual(promotedFrom(before));
  });

  test('a signal also cuts a gate’s command short', async () => {
    const gates = [{ type: 'command' as const, name: 'hang', argv: ['sleep', '60'], timeoutMs: 60_000 }];
    // Virtual time runs on while the command takes real time.
    const patience = { gateDeadlineMs: 1e12, deadlineMs: 1e12 };
    const fleet = fleetOf({ web: { desired: 1 } }, { specs: { web: { gates, ...patience } } });
    const image = await newImage(fleet);
    const stop = new AbortController();
    const started = Promise.withResolvers<void>();
    const journal = {
      ...fleet.journal,
      append: async (entry: Parameters<typeof fleet.journal.append>[0]) => {
        // The extra instance has been asked for: once it is in service the command runs.
        if (entry.type === 'outcome' && entry.data.key.endsWith('update')) started.resolve();
        return fleet.journal.append(entry);
      },
    };
    const running = runWave({ ...fleet.deps, journal, signal: stop.signal }, waveOf(fleet), image);
    const stopping = started.promise.then(() => setTimeout(() => stop.abort(new Error('SIGINT')), 500));
    const [stopped] = await Promise.allSettled([running, stopping]);
    expect(stopped).toMatchObject({ status: 'rejected', reason: expect.any(Interrupted) });
  });

  test('a wave that has ended is not run again', async () => {
    const fleet = fleetOf({ web: { desired: 2 } });
    const image = await newImage(fleet);
    await runWave(fleet.deps, waveOf(fleet), image);
    const records = fleet.journal.records().length;
    expect(await runWave(fleet.deps, waveOf(fleet), image)).toEqual({ outcome: 'promoted' });
    expect(fleet.journal.records()).toHaveLength(records);
  });

  test('a wave that cannot end by itself is failed at its deadline', async () => {
    const fleet = fleetOf({ web: { desired: 2 } }, { specs: { web: { deadlineMs: 600_000 } } });
    for (const member of Object.values(fleet.world.groups.web!.members)) member.protectedFromScaleIn = true;
    const before = fleet.snapshot();
    const outcome = await runWave(fleet.deps, waveOf(fleet), await newImage(fleet));
    expect(outcome).toMatchObject({
      outcome: 'failed',
      reason: expect.stringMatching(
        /not done within 600 s: 2 still to replace.*2 on the previous image protected from scale-in/,
      ),
    });
    await rolledBack(fleet);
    expect(fleet.snapshot()).toEqual(before);
  });

  test('a cloud that falls silent ends the run as stuck, after ten minutes', async () => {
    const fleet = fleetOf({ web: { desired: 2 } });
    const image = await newImage(fleet);
    let silent = false;
    const cloud = {
      ...fleet.cloud,
      observe: async (...given: Parameters<typeof fleet.cloud.observe>) => {
        if (silent) throw new Refused('environment', 'does not answer', 'wait');
        return fleet.cloud.observe(...given);
      },
    };
    const [ended] = await Promise.allSettled([
      runWave({ ...fleet.deps, cloud }, waveOf(fleet), image),
      fleet.clock.sleep(60_000).then(() => {
        silent = true;
      }),
    ]);
    expect(ended).toMatchObject({ status: 'rejected', reason: expect.any(Stuck) });
  });
});
