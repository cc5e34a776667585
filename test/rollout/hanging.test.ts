/** Calls that hang: they hold up their own group, and no other of the wave. */
import { expect, test } from 'vitest';
import { Interrupted } from '../../pipeline/errors.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { rollbackGroups } from '../../pipeline/rollout/rollback.ts';
import type { Http } from '../../pipeline/rollout/services/http.ts';
import { putHook } from '../../pipeline/simulator/model/hooks.ts';
import { type Fleet, fleetOf, handover, newImage, recordsOf, rolledBack, waveOf } from './fleet.ts';

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

test('a drain that hangs while it is undone does not keep heartbeats from the hook of its own group', async () => {
  const fleet = fleetOf({ web: { desired: 3 } }, { specs: { web: { drain, handover: handover() } } });
  const { clock, simulator, world } = fleet;
  const heartbeatMs = 60_000;
  putHook(world.groups.web!, {
    name: 'drover',
    transition: 'terminating',
    heartbeatMs,
    defaultResult: 'CONTINUE',
  });
  const image = await newImage(fleet);
  const isWaiting = (id: string): boolean => world.groups.web!.members[id]?.lifecycle === 'Terminating:Wait';
  const undoTakesMs = 5 * heartbeatMs;
  const stop = new AbortController();
  let undoneAt: number | null = null;
  /** Every instance that waits, by whether it still did when nothing was to be waited for any more. */
  const hasWaited: Record<string, boolean> = {};
  const http: Http = async ({ body }) => {
    simulator.advance();
    const { request, instance } = JSON.parse(body!);
    if (request === 'abort') {
      await clock.sleep(undoTakesMs);
      undoneAt = clock.now();
      return { status: 200, body: '' };
    }
    if (isWaiting(instance.id)) {
      if (undoneAt === null) return { status: 202, body: '' };
      hasWaited[instance.id] = true;
      return { status: 200, body: '' };
    }
    // The first victim is drained at once; the second is not, once the first waits behind the hook.
    const isFirstGone = Object.keys(world.groups.web!.members).some(isWaiting);
    if (isFirstGone) setImmediate(() => stop.abort(new Error('SIGINT')));
    return { status: isFirstGone ? 202 : 200, body: '' };
  };
  const deps = { ...fleet.deps, http };
  await expect(runWave({ ...deps, signal: stop.signal }, waveOf(fleet), image)).rejects.toBeInstanceOf(
    Interrupted,
  );
  const waiting = Object.keys(world.groups.web!.members).filter(isWaiting);
  expect(waiting).toHaveLength(1);
  await rolledBack({ ...fleet, deps });
  expect(undoneAt).not.toBeNull();
  expect(hasWaited).toMatchObject({ [waiting[0]!]: true });
  expect(fleet.violations).toEqual([]);
});
