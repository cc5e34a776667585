/** Calls that hang: they hold up their own group, and no other of the wave. */
import { expect, test } from 'vitest';
import { Interrupted } from '../../pipeline/errors.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { rollbackGroups } from '../../pipeline/rollout/rollback.ts';
import type { Http } from '../../pipeline/rollout/services/http.ts';
import { type Fleet, fleetOf, newImage, recordsOf, waveOf } from './fleet.ts';

const hangsForMs = 3_600_000;
const drain = [
  {
    type: 'http-hook' as const,
    name: 'jobs',
    url: 'http://jobs.example/',
    timeoutMs: 5_000,
    deadlineMs: 36_000_000,
    on_deadline: 'fail' as const,
  },
];

/** Two groups, stopped while each has a victim whose drain does not end. */
async function stoppedFleet(): Promise<Fleet> {
  const specs = { hangs: { drain }, other: { drain } };
  const fleet = fleetOf({ hangs: { desired: 2 }, other: { desired: 2 } }, { specs });
  const image = await newImage(fleet);
  const stop = new AbortController();
  const asked = new Set<string>();
  const http: Http = async ({ body }) => {
    asked.add(JSON.parse(body!).group);
    if (asked.size === 2) setImmediate(() => stop.abort(new Error('SIGINT')));
    return { status: 202, body: '' };
  };
  await expect(
    runWave({ ...fleet.deps, http, signal: stop.signal }, waveOf(fleet), image),
  ).rejects.toBeInstanceOf(Interrupted);
  return fleet;
}

test('a drain that hangs while it is undone holds up its own group, not the others of the wave', async () => {
  const fleet = await stoppedFleet();
  const http: Http = async ({ body }) => {
    const { group, request } = JSON.parse(body!);
    if (group === 'hangs' && request === 'abort') await fleet.clock.sleep(hangsForMs);
    return { status: 200, body: '' };
  };
  const startedAt = fleet.clock.now();
  const request = { groups: Object.values(fleet.specs), reason: 'by hand', actor: 'test' };
  await rollbackGroups({ ...fleet.deps, http }, request);
  const ended = fleet.journal
    .records()
    .flatMap(({ type, data, at }) =>
      type === 'intent' && data.action === 'terminate' && Date.parse(at) > startedAt
        ? [{ group: data.group, hasWaited: Date.parse(at) - startedAt >= hangsForMs }]
        : [],
    );
  expect(ended).toEqual([
    { group: 'other', hasWaited: false },
    { group: 'hangs', hasWaited: true },
  ]);
  expect(recordsOf(fleet, 'group.finished')).toMatchObject([
    { outcome: 'rolled-back' },
    { outcome: 'rolled-back' },
  ]);
  expect(fleet.violations).toEqual([]);
});

test('what a hanging call throws in the end is not lost', async () => {
  const fleet = await stoppedFleet();
  const http: Http = async ({ body }) => {
    if (JSON.parse(body!).group !== 'hangs') return { status: 200, body: '' };
    await fleet.clock.sleep(hangsForMs);
    throw new TypeError('a bug');
  };
  const request = { groups: Object.values(fleet.specs), reason: 'by hand', actor: 'test' };
  await expect(rollbackGroups({ ...fleet.deps, http }, request)).rejects.toThrow('a bug');
});
