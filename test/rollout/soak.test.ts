/** Every kind of gate over an instance keeps watching through the soak: one that turns bad later fails the rollout. */
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { configSchema } from '../../pipeline/config/schema.ts';
import { resolved } from '../../pipeline/fleet/waves.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import type { GateSpec } from '../../pipeline/rollout/spec.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { type Fleet, fleetOf, newImage, recordsOf, rolledBack, versionsOf, waveOf } from './fleet.ts';

const fleetWith = (gates: GateSpec[], changes: object = {}): Fleet =>
  fleetOf({ web: { desired: 3 } }, { specs: { web: { gates, soakMs: 600_000, ...changes } } });

const turnsBad = /turned bad after it had been serving|instances on the new image died/;

test.each<{ gate: GateSpec }>([
  { gate: { type: 'in-service' } },
  { gate: { type: 'status-checks' } },
  { gate: { type: 'target-health' } },
  {
    gate: resolved('/', configSchema.shape.rollout.parse({ gates: [{ type: 'http', port: 80 }] }).gates[0]!),
  },
])('$gate.type alone fails the wave when instances turn bad in the soak', async ({ gate }) => {
  const fleet = fleetWith([gate]);
  const image = await newImage(fleet);
  injectFault(fleet.world, { kind: 'unhealthy', failsAfterMs: 400_000, imageId: image.id });
  const before = fleet.snapshot();
  fleet.settling.web = Number.POSITIVE_INFINITY;
  const outcome = await runWave(fleet.deps, waveOf(fleet), image);
  expect(outcome).toMatchObject({ outcome: 'failed', reason: expect.stringMatching(turnsBad) });
  expect(versionsOf(fleet, 'web')).toContain('2');
  await rolledBack(fleet);
  expect(fleet.snapshot()).toEqual(before);
});

test('a command fails the wave when it turns bad in the soak', async () => {
  const marker = join(mkdtempSync(join(tmpdir(), 'drover-')), 'bad');
  const script = `process.exit(require('node:fs').existsSync(${JSON.stringify(marker)}) ? 1 : 0)`;
  const gate: GateSpec = {
    type: 'command',
    name: 'probe',
    argv: [process.execPath, '-e', script],
    timeoutMs: 30_000,
  };
  // The command takes real time, in which much virtual time passes: only its answers must decide.
  const long = { soakMs: 864_000_000, gateDeadlineMs: 864_000_000, deadlineMs: 8_640_000_000 };
  const fleet = fleetWith([gate], long);
  const journal = {
    ...fleet.journal,
    append: async (entry: Parameters<typeof fleet.journal.append>[0]) => {
      if (entry.type === 'progress' && entry.data.target === 3 && entry.data.total === 3)
        writeFileSync(marker, '');
      return fleet.journal.append(entry);
    },
  };
  const outcome = await runWave({ ...fleet.deps, journal }, waveOf(fleet), await newImage(fleet));
  expect(existsSync(marker)).toBe(true);
  expect(outcome).toMatchObject({
    outcome: 'failed',
    reason: expect.stringMatching(/turned bad after it had been serving: probe: exit 1/),
  });
  expect(recordsOf(fleet, 'answer')).toContainEqual(
    expect.objectContaining({ source: 'probe', status: 'failed' }),
  );
}, 60_000);
