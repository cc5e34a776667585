/**
 * Fleets, limits, faults and meddling drawn from a seed: whatever happens, no limit is broken by the engine's doing,
 * and the wave ends promoted, or failed and rolled back with everything as it was. DROVER_SEEDS=500 draws more;
 * DROVER_SEED=7 DROVER_SEEDS=1 DROVER_SHOW=1 shows one.
 */
import { expect, test } from 'vitest';
import { type Cloud, CloudError } from '../../pipeline/cloud/cloud.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { rollbackGroups } from '../../pipeline/rollout/rollback.ts';
import type { Allowance, GroupSpec } from '../../pipeline/rollout/spec.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { setDesired } from '../../pipeline/simulator/model/groups.ts';
import { terminate } from '../../pipeline/simulator/model/instances.ts';
import { type Fleet, fleetOf, type GroupOptions, newImage, promotedFrom, waveOf } from './fleet.ts';

/** mulberry32: small, and the same everywhere. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function scenario(seed: number) {
  const random = randomOf(seed);
  const upTo = (max: number): number => Math.floor(random() * (max + 1));
  const groups: Record<string, GroupOptions> = {};
  const specs: Record<string, Partial<GroupSpec>> = {};
  for (const name of ['one', 'two'].slice(0, 1 + upTo(1))) {
    const desired = upTo(9);
    const surge: Allowance = random() < 0.5 ? { instances: upTo(4) } : { fraction: upTo(10) / 10 };
    const unavailable: Allowance = random() < 0.5 ? { instances: upTo(2) } : { fraction: upTo(3) / 10 };
    const nothing = (allowance: Allowance) => Object.values(allowance)[0] === 0;
    groups[name] = {
      desired,
      min: random() < 0.5 ? desired : upTo(desired),
      max: desired + upTo(3),
      zones: 1 + upTo(3),
      load_balanced: random() < 0.7,
    };
    specs[name] = {
      surge: nothing(surge) && 'fraction' in unavailable ? { instances: 1 } : surge,
      unavailable: nothing(surge) && nothing(unavailable) ? { instances: 1 } : unavailable,
      passes: 1 + upTo(3),
      soakMs: upTo(60) * 1000,
    };
  }
  const fleet = fleetOf(groups, {
    specs,
    simulator: {
      boot: `${1 + upTo(40)}s`,
      warm_up: `${1 + upTo(30)}s`,
      drain: `${upTo(30)}s`,
      terminate: `${1 + upTo(30)}s`,
    },
  });
  return { random, upTo, fleet, isBad: random() < 0.3, meddles: random() < 0.5, isFlaky: random() < 0.4 };
}

/** Fails some calls, some of them after they were carried out; answers some reads late. */
function flaky(cloud: Cloud, random: () => number): Cloud {
  const result = { ...cloud } as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>;
  const isRead = (name: string) => /^(identify|find|template)/.test(name) || name === 'createTemplateVersion';
  for (const [name, real] of Object.entries(result)) {
    if (isRead(name)) continue;
    if (name === 'observe') {
      let last: unknown = null;
      let stale = 0;
      result[name] = async (...given) => {
        stale = random() < 0.2 ? stale + 1 : 0;
        // The engine takes what it sees three times for true.
        if (last && stale > 0 && stale < 3) return last;
        last = await real(...given);
        return last;
      };
      continue;
    }
    result[name] = async (...given) => {
      const luck = random();
      if (luck < 0.1) throw new CloudError(name, 'ScalingActivityInProgress', 'busy');
      const answer = await real(...given);
      if (luck > 0.9) throw new CloudError(name, 'EndpointUnreachable', 'hang up', { outcomeUnknown: true });
      return answer;
    };
  }
  return result as unknown as Cloud;
}

/** An autoscaler and bad luck, until `over`. */
async function meddle(
  fleet: Fleet,
  { random, upTo }: ReturnType<typeof scenario>,
  over: () => boolean,
): Promise<void> {
  const names = Object.keys(fleet.wanted);
  for (let round = 0; round < 4 && !over(); round += 1) {
    await fleet.clock.sleep(20_000 + upTo(120_000));
    if (over()) return;
    fleet.simulator.advance();
    const name = names[upTo(names.length - 1)]!;
    const group = fleet.world.groups[name]!;
    fleet.settling[name] = fleet.clock.now() + 400_000;
    if (random() < 0.5) {
      const limit = fleet.limits[name]!;
      const to = limit.min + upTo(limit.max - limit.min);
      // Setting the number the engine has just set says nothing.
      if (to === group.desired) continue;
      if (process.env.DROVER_SHOW)
        console.log(new Date(fleet.clock.now()).toISOString(), name, group.desired, '->', to);
      setDesired(fleet.world, group, to);
      fleet.wanted[name] = to;
    } else if (round === 0) {
      const alive = Object.values(group.members).filter((member) => member.lifecycle === 'InService');
      const victim = alive[upTo(alive.length - 1)];
      if (victim) terminate(fleet.world, fleet.world.instances[victim.instanceId]!);
    }
  }
}

async function run(seed: number): Promise<void> {
  const drawn = scenario(seed);
  const { fleet, isBad, meddles, isFlaky, random } = drawn;
  const image = await newImage(fleet);
  if (isBad)
    injectFault(fleet.world, { kind: random() < 0.5 ? 'unhealthy' : 'never-boots', imageId: image.id });
  const before = fleet.snapshot();
  let over = false;
  const deps = isFlaky ? { ...fleet.deps, cloud: flaky(fleet.cloud, random) } : fleet.deps;
  const rolled = runWave(deps, waveOf(fleet), image).finally(() => {
    over = true;
  });
  const [outcome] = await Promise.all([rolled, meddles ? meddle(fleet, drawn, () => over) : null]);
  const changes = Object.fromEntries(
    Object.entries(fleet.wanted).map(([name, desired]) => [name, { desired }]),
  );
  // Auto Scaling may still be acting on what the autoscaler wanted last.
  if (process.env.DROVER_SHOW) fleet.show();
  const settle = async (): Promise<void> => {
    await fleet.clock.sleep(300_000);
    fleet.simulator.advance();
  };
  if (outcome.outcome === 'promoted') {
    await settle();
    expect(fleet.snapshot()).toEqual(promotedFrom(before, changes));
    expect(isBad && Object.values(fleet.wanted).some((desired) => desired > 0 && !meddles)).toBe(false);
  } else {
    expect({ isBad, meddles, outcome }).toMatchObject(isBad ? { isBad } : { meddles: true });
    await rollbackGroups(deps, { groups: Object.values(fleet.specs), reason: 'failed', actor: 'test' });
    await settle();
    expect(fleet.snapshot()).toEqual(promotedFrom(before, changes, '1'));
  }
  expect(fleet.violations).toEqual([]);
}

/** Both sides of a comparison in full: a seed is looked at by a person. */
function detailOf(error: unknown): string {
  const { message, actual, expected } = error as { message?: string; actual?: unknown; expected?: unknown };
  return `${message}\n  is     ${JSON.stringify(actual)}\n  should ${JSON.stringify(expected)}`;
}

const seeds = Number(process.env.DROVER_SEEDS ?? 20);
const first = Number(process.env.DROVER_SEED ?? 1);

test(`${seeds} drawn rollouts from seed ${first} end well`, async () => {
  const failures: string[] = [];
  for (let seed = first; seed < first + seeds; seed += 1) {
    await run(seed).catch((error: unknown) => {
      failures.push(`seed ${seed}: ${detailOf(error)}`);
    });
  }
  expect(failures.join('\n')).toBe('');
}, 3_600_000);
