/** What must hold whatever happens: random histories of a world, each reproducible from the seed it prints. */
import { expect, test } from 'vitest';
import { ServiceError } from '../../pipeline/simulator/model/errors.ts';
import type { LifecycleResult } from '../../pipeline/simulator/model/group-state.ts';
import { resume, setDesired, suspend, updateGroup } from '../../pipeline/simulator/model/groups.ts';
import { putHook } from '../../pipeline/simulator/model/hooks.ts';
import { terminate } from '../../pipeline/simulator/model/instances.ts';
import { completeAction } from '../../pipeline/simulator/model/members.ts';
import {
  attach,
  detach,
  enterStandby,
  exitStandby,
  setInstanceHealth,
  setProtection,
  terminateInGroup,
} from '../../pipeline/simulator/model/membership.ts';
import { advance } from '../../pipeline/simulator/model/model.ts';
import { nextDue, schedule, takeDue } from '../../pipeline/simulator/model/queue.ts';
import type { Group, World } from '../../pipeline/simulator/model/state.ts';
import { deletePool, putPool } from '../../pipeline/simulator/model/warm-pool.ts';
import { emptyWorld, worldFrom } from '../../pipeline/simulator/world.ts';
import { exampleConfig } from './clients.ts';

const startMs = Date.UTC(2026, 0, 1);
const exampleWorld = (): World => worldFrom(exampleConfig())(null, startMs);
const copyOf = (world: World): World => JSON.parse(JSON.stringify(world)) as World;

/** mulberry32: small, seeded, good enough to choose with. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const processes = [
  'Launch',
  'Terminate',
  'AZRebalance',
  'HealthCheck',
  'ReplaceUnhealthy',
  'AddToLoadBalancer',
];

/** One thing a user may do to the world; refusals of the service are part of life. */
function disturb(world: World, random: (below: number) => number): void {
  const groups = Object.values(world.groups);
  const group = groups[random(groups.length)]!;
  const members = Object.keys(group.members);
  const id = members[random(members.length)];
  const deeds = [
    () => setDesired(world, group, random(8)),
    () => updateGroup(world, group, { min: random(3), max: 3 + random(5) }, {}),
    () => id && terminateInGroup(world, group, [id], random(2) === 0),
    () => id && world.instances[id] && terminate(world, world.instances[id]),
    () => suspend(world, group, [processes[random(processes.length)]!]),
    () => resume(world, group, [processes[random(processes.length)]!]),
    () => id && setProtection(group, [id], random(2) === 0),
    () => id && setInstanceHealth(world, id, 'Unhealthy', false),
    () => id && enterStandby(world, group, [id], random(2) === 0),
    () => id && exitStandby(world, group, [id]),
    () => id && detach(world, group, [id], random(2) === 0),
    () => attach(world, group, loose(world)),
    () => putHook(group, anyHook(random)),
    () => id && answerHook(world, group, id, random(2) === 0 ? 'CONTINUE' : 'ABANDON'),
    () => putPool(world, group, anyPool(random)),
    () => deletePool(world, group, random(2) === 0),
    () => updateGroup(world, group, {}, { maintenance: anyMaintenance(random) }),
  ];
  try {
    deeds[random(deeds.length)]!();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
  }
}

type Random = (below: number) => number;

const anyHook = (random: Random) => {
  const transition = (['launching', 'terminating'] as const)[random(2)]!;
  const defaultResult = (['CONTINUE', 'ABANDON'] as const)[random(2)]!;
  return { name: transition, transition, defaultResult, heartbeatMs: 30_000 };
};

const anyPool = (random: Random) => ({
  minSize: random(3),
  maxPrepared: random(2) === 0 ? null : random(8),
  state: (['Stopped', 'Running'] as const)[random(2)]!,
  reuseOnScaleIn: random(2) === 0,
});

const anyMaintenance = (random: Random) =>
  random(2) === 0 ? null : { minHealthyPercent: 50 + random(51), maxHealthyPercent: 100 + random(50) };

/** Running instances that no group has. */
const loose = (world: World): string[] =>
  Object.values(world.instances)
    .filter(({ state, groupName }) => state === 'running' && groupName === null)
    .map(({ id }) => id);

function answerHook(world: World, group: Group, id: string, result: LifecycleResult): void {
  const member = group.members[id]!;
  const [action] = member.actions;
  if (action) completeAction(world, group, member, action, result);
}

/** Everything a user has put in the way of a group, taken out of it again. */
function release(world: World, group: Group): void {
  resume(world, group, undefined);
  for (const hook of Object.values(group.hooks)) putHook(group, { ...hook, defaultResult: 'CONTINUE' });
  for (const [id, member] of Object.entries(group.members)) {
    member.protectedFromScaleIn = false;
    if (member.lifecycle === 'Standby') detach(world, group, [id], false);
  }
}

const seeds = Array.from({ length: 60 }, (_, index) => 1000 + index);

test.each(seeds)(
  'seed %i: left alone, every group comes to rest at desired, spread over its zones',
  (seed) => {
    const random = randomFrom(seed);
    const world = exampleWorld();
    for (let step = 0; step < 120; step += 1) {
      disturb(world, random);
      advance(world, world.now + random(4_000));
      for (const group of Object.values(world.groups)) {
        expect(group.desired).toBeGreaterThanOrEqual(group.min);
        expect(group.desired).toBeLessThanOrEqual(group.max);
      }
    }
    for (const group of Object.values(world.groups)) release(world, group);
    // More than any grace period, rebalancing included.
    advance(world, world.now + 7_200_000);
    for (const group of Object.values(world.groups)) release(world, group);
    advance(world, world.now + 7_200_000);
    for (const group of Object.values(world.groups)) {
      expectPrepared(world, group);
      const members = Object.values(group.members);
      expect(members.map((member) => [member.lifecycle, member.health])).toEqual(
        Array.from({ length: group.desired }, () => ['InService', 'Healthy']),
      );
      for (const { instanceId } of members) {
        expect(world.instances[instanceId]).toMatchObject({ state: 'running', checks: 'ok' });
      }
      const perZone = group.zones.map((zone) => members.filter((member) => member.zone === zone).length);
      expect(Math.max(...perZone) - Math.min(...perZone)).toBeLessThanOrEqual(1);
    }
  },
);

/** The warm pool, if there is one, has the size it should have, and its instances are as they should be. */
function expectPrepared(world: World, { warmPool, max, desired }: Group): void {
  if (!warmPool) return;
  expect(warmPool.deleting).toBe(false);
  const members = Object.values(warmPool.members);
  const size = Math.max(warmPool.minSize, (warmPool.maxPrepared ?? max) - desired);
  expect(members.map(({ health }) => health)).toEqual(Array.from({ length: size }, () => 'Healthy'));
  for (const { instanceId, lifecycle } of members) {
    const { state } = world.instances[instanceId]!;
    expect([lifecycle, state]).toEqual(
      state === 'stopped' ? ['Warmed:Stopped', 'stopped'] : ['Warmed:Running', 'running'],
    );
  }
}

test.each(seeds.slice(0, 10))('seed %i: a world saved and loaded has the same future', (seed) => {
  const random = randomFrom(seed);
  const world = exampleWorld();
  for (let step = 0; step < 30; step += 1) {
    disturb(world, random);
    advance(world, world.now + random(2_000));
  }
  const loaded = copyOf(world);
  advance(world, world.now + 600_000);
  advance(loaded, loaded.now + 600_000);
  expect(loaded).toEqual(copyOf(world));
});

test.each(seeds.slice(0, 10))('seed %i: many small steps of time equal one large one', (seed) => {
  const random = randomFrom(seed);
  const world = exampleWorld();
  for (let step = 0; step < 10; step += 1) disturb(world, random);
  const stepped = copyOf(world);
  const end = world.now + 300_000;
  advance(world, end);
  while (stepped.now < end) advance(stepped, Math.min(end, stepped.now + 1 + random(3_000)));
  expect(copyOf(stepped)).toEqual(copyOf(world));
});

test('time does not run backwards', () => {
  const world = exampleWorld();
  const { now } = world;
  advance(world, now - 1_000);
  expect(world.now).toBe(now);
});

test.each(seeds.slice(0, 10))(
  'seed %i: the queue gives events in order of time, and of scheduling',
  (seed) => {
    const random = randomFrom(seed);
    const world = emptyWorld();
    while (takeDue(world, Number.MAX_SAFE_INTEGER));
    for (let index = 0; index < 200; index += 1) {
      schedule(world, random(20), { kind: 'instance.forgotten', id: String(index) });
      if (random(3) === 0) takeDue(world, world.now + random(20));
    }
    const order: [number, number][] = [];
    for (
      let event = takeDue(world, Number.MAX_SAFE_INTEGER);
      event;
      event = takeDue(world, Number.MAX_SAFE_INTEGER)
    ) {
      order.push([event.due, event.seq]);
    }
    expect(order.length).toBeGreaterThan(100);
    expect(order).toEqual(order.toSorted(([a, b], [c, d]) => a - c || b - d));
    expect(nextDue(world)).toBeNull();
  },
);
