/** A rehearsal tells beforehand what the rollout then does, and the account it was read from hears of nothing but reads. */
import { expect, test } from 'vitest';
import { rehearse } from '../../pipeline/cli/rehearsal.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { preflight } from '../../pipeline/rollout/preflight.ts';
import type { FaultOrder } from '../../pipeline/simulator/model/fault.ts';
import { suspend } from '../../pipeline/simulator/model/groups.ts';
import { type Fleet, fleetOf, newImage, waveOf } from '../rollout/fleet.ts';

/** As fleetOf's account is timed. */
const given = { launchMs: 30_000, readyMs: 20_000, drainMs: 15_000 };

async function rehearsed(fleet: Fleet, faults: FaultOrder[] = []) {
  const waves = [waveOf(fleet)];
  const surveys = await preflight(fleet, waves, null, given);
  const { signal } = new AbortController();
  const options = { region: 'eu-central-1', nowMs: fleet.clock.now(), faults, signal };
  return { surveys, ...(await rehearse(surveys, waves, options)) };
}

const fleets = {
  'ten instances at surge 1': () => fleetOf({ web: { desired: 10, zones: 2 } }),
  'two groups at 25 %': () =>
    fleetOf(
      { web: { desired: 12, zones: 3 }, worker: { desired: 4, load_balanced: false } },
      { specs: { web: { surge: { fraction: 0.25 } } } },
    ),
  'in place, one below': () =>
    fleetOf(
      { web: { desired: 4, min: 4, max: 4 } },
      { specs: { web: { surge: { instances: 0 }, unavailable: { instances: 1 } } } },
    ),
  'an instance refresh that waits for the grace period': () =>
    fleetOf(
      { web: { desired: 3, max: 6 } },
      { specs: { web: { strategy: { type: 'instance-refresh', checkpoints: [], checkpointSoakMs: 0 } } } },
    ),
};

test.each(Object.entries(fleets))('%s: the rollout takes what the rehearsal took', async (_, make) => {
  const fleet = make();
  const { durationMs, reason, waves, surveys } = await rehearsed(fleet);
  expect(reason ?? 'none').toBe('none');
  const image = await newImage(fleet);
  const startedAt = fleet.clock.now();
  await runWave(fleet.deps, waveOf(fleet), image);
  const tookMs = fleet.clock.now() - startedAt;
  expect(Math.abs(durationMs / tookMs - 1)).toBeLessThan(0.05);
  const soakMs = fleet.specs.web!.soakMs;
  expect(Math.max(...surveys.map(({ leastMs }) => leastMs)) + soakMs).toBeLessThanOrEqual(tookMs);
  for (const { group, lowest, peak } of waves[0]!.groups) {
    expect({ group, lowest, peak }).toEqual({
      group,
      lowest: fleet.lowest[group],
      peak: fleet.highest[group],
    });
  }
});

test('the account itself is only read', async () => {
  const fleet = fleetOf({ web: { desired: 4 } });
  const before = JSON.stringify(fleet.world);
  await rehearsed(fleet, [{ kind: 'unhealthy' }]);
  expect(fleet.calls.filter((call) => !call.startsWith('Describe'))).toEqual([]);
  expect(fleet.calls.length).toBeGreaterThan(3);
  expect(JSON.stringify(fleet.world)).toBe(before);
});

test('a bad image fails its wave with the reason, the floor holds, and the rollback is rehearsed too', async () => {
  const { outcome, reason, waves } = await rehearsed(fleetOf({ web: { desired: 4 } }), [
    { kind: 'unhealthy' },
  ]);
  expect(outcome).toBe('rolled back');
  expect(reason).toMatch(/web: i-\w+ .*status checks/);
  expect(waves).toMatchObject([{ outcome: 'failed', groups: [{ lowest: 4, floor: 4 }] }]);
});

test('an account that has no capacity left shows in the time, or in the failure', async () => {
  const plain = await rehearsed(fleetOf({ web: { desired: 4 } }));
  const short = await rehearsed(fleetOf({ web: { desired: 4 } }), [{ kind: 'no-capacity', count: 3 }]);
  expect(short.reason).toBeNull();
  expect(short.durationMs).toBeGreaterThan(plain.durationMs);
  const none = await rehearsed(fleetOf({ web: { desired: 4 } }), [{ kind: 'no-capacity' }]);
  expect(none.reason).toMatch(/has not launched/);
});

test('what blocks the fleet fails the rehearsal', async () => {
  const fleet = fleetOf({ web: { desired: 2 } });
  suspend(fleet.world, fleet.world.groups.web!, ['Launch']);
  const { outcome, reason, surveys } = await rehearsed(fleet);
  expect(surveys[0]!.blockers).toHaveLength(1);
  expect(outcome).not.toBe('promoted');
  expect(reason).toMatch(/Launch is suspended/);
});

test('waves after a failed one are not reached', async () => {
  const fleet = fleetOf({ first: { desired: 1 }, second: { desired: 1 } });
  const waves = ['first', 'second'].map((name) => ({
    environment: 'production' as const,
    name,
    groups: [{ ...fleet.specs[name]!, wave: name }],
  }));
  const surveys = await preflight(fleet, waves, null, given);
  const { signal } = new AbortController();
  const faults: FaultOrder[] = [{ kind: 'unhealthy' }];
  const result = await rehearse(surveys, waves, { region: 'eu-central-1', nowMs: 0, faults, signal });
  expect(result.waves.map(({ outcome }) => outcome)).toEqual(['failed', 'not reached']);
});
