/** The work in which processes die everywhere: small fleets, with each strategy and everything the engine may owe. */
import { expect } from 'vitest';
import { type RolloutDeps, runWave } from '../../pipeline/rollout/engine.ts';
import { rollbackGroups } from '../../pipeline/rollout/rollback.ts';
import type { GroupSpec, WaveSpec } from '../../pipeline/rollout/spec.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { putHook } from '../../pipeline/simulator/model/hooks.ts';
import { type Fleet, fleetOf, handover, type newImage, waveOf } from './fleet.ts';

type Image = Awaited<ReturnType<typeof newImage>>;

export interface Scenario {
  name: string;
  fleet(): Fleet;
  /** What comes before the work that dies. */
  before?(fleet: Fleet, image: Image): Promise<unknown>;
  work(deps: RolloutDeps, fleet: Fleet, image: Image): Promise<unknown>;
  end: 'promoted' | 'as before';
}

/** Milliseconds: some of these tests take twenty seconds of a core, which others may be using too. */
export const patience = 600_000;

const quick = { boot: '4s', warm_up: '4s', drain: '4s', terminate: '4s' };
/** In two zones and without room above: a process is suspended and MaxSize raised. */
const one = (spec: Partial<GroupSpec> = {}, desired = 2, more = {}): Fleet =>
  fleetOf(
    { web: { desired, min: desired, max: desired, ...more } },
    { specs: { web: { soakMs: 1_000, ...spec } }, simulator: quick },
  );
const two = (): Fleet =>
  fleetOf(
    { web: { desired: 2, min: 2, max: 2 }, api: { desired: 3, load_balanced: false } },
    { specs: { web: { soakMs: 1_000 }, api: { soakMs: 1_000 } }, simulator: quick },
  );
const rolled: Scenario['work'] = (deps, fleet, image) => runWave(deps, waveOf(fleet), image);
const returned: Scenario['work'] = (deps, fleet) =>
  rollbackGroups(deps, { groups: Object.values(fleet.specs), reason: 'by hand', actor: 'test' });

const wavesOf = (fleet: Fleet): WaveSpec[] =>
  Object.values(fleet.specs).map((spec) => ({
    environment: 'production',
    name: spec.group,
    groups: [{ ...spec, wave: spec.group }],
  }));

const policy = { deadlineMs: 300_000, on_deadline: 'fail' } as const;
const service = { type: 'http-hook', name: 'jobs', url: 'http://jobs.example/', timeoutMs: 5_000 } as const;

const ended = (id: string): string => `${id} has ended`;

/** Instances of which a hook was let go before the service had ended its work. */
export function unfinished({ world, remembered }: Fleet): string[] {
  const gone = Object.values(world.instances).filter(({ state, groupName }) => {
    const isHooked = Object.keys(world.groups[groupName ?? '']?.hooks ?? {}).length > 0;
    return isHooked && ['shutting-down', 'terminated'].includes(state);
  });
  return gone.map(({ id }) => id).filter((id) => remembered[ended(id)] === undefined);
}

/** A service that has ended its work on an instance so long after it was first asked to, unless told to forget it. */
function served(fleet: Fleet, takesMs: number): Fleet {
  fleet.deps.http = async ({ body }) => {
    const { request, instance } = JSON.parse(body!);
    if (request === 'abort') {
      delete fleet.remembered[instance.id];
      return { status: 200, body: '' };
    }
    fleet.remembered[instance.id] ??= fleet.clock.now();
    const isDone = fleet.clock.now() - fleet.remembered[instance.id]! >= takesMs;
    if (isDone) fleet.remembered[ended(instance.id)] ??= fleet.clock.now();
    return { status: isDone ? 200 : 202, body: '' };
  };
  return fleet;
}

function hookedFleet(): Fleet {
  const fleet = one({ handover: handover() });
  putHook(fleet.world.groups.web!, {
    name: 'drover',
    transition: 'terminating',
    // For two deaths in a row, each of twenty seconds, and no longer.
    heartbeatMs: 90_000,
    defaultResult: 'ABANDON',
  });
  return served(fleet, 120_000);
}

function refreshedFleet(): Fleet {
  const strategy = { type: 'instance-refresh' as const, checkpoints: [50], checkpointSoakMs: 10_000 };
  const fleet = one({ strategy, gateDeadlineMs: 60_000 }, 2, { max: 4 });
  // Else Auto Scaling would take the grace period of health checks, five minutes.
  fleet.world.groups.web!.warmUpMs = 5_000;
  return fleet;
}

export const promoted = { outcome: 'promoted' };

export const rollingGroup: Scenario = { name: 'a group', fleet: one, work: rolled, end: 'promoted' };

export const scenarios: readonly Scenario[] = [
  rollingGroup,
  { name: 'several groups in one wave', fleet: two, work: rolled, end: 'promoted' },
  {
    name: 'a canary',
    fleet: () => one({ strategy: { type: 'canary', size: { instances: 1 }, soakMs: 20_000 } }),
    work: rolled,
    end: 'promoted',
  },
  { name: 'an instance refresh', fleet: refreshedFleet, work: rolled, end: 'promoted' },
  { name: 'work behind a hook', fleet: hookedFleet, work: rolled, end: 'promoted' },
  {
    name: 'a drain of two steps',
    fleet: () =>
      served(
        one({
          drain: [
            { type: 'target-group', ...policy },
            { ...service, ...policy },
          ],
        }),
        6_000,
      ),
    work: rolled,
    end: 'promoted',
  },
  {
    name: 'a group rolled in place',
    fleet: () => one({ surge: { instances: 0 }, unavailable: { instances: 1 } }, 3),
    work: rolled,
    end: 'promoted',
  },
  {
    name: 'the way back from a bad image',
    fleet: one,
    async before(fleet, image) {
      injectFault(fleet.world, { kind: 'unhealthy', imageId: image.id });
      expect(await runWave(fleet.deps, waveOf(fleet), image)).toMatchObject({ outcome: 'failed' });
    },
    work: returned,
    end: 'as before',
  },
  {
    name: 'the way back of two waves',
    fleet: two,
    async before(fleet, image) {
      for (const wave of wavesOf(fleet)) expect(await runWave(fleet.deps, wave, image)).toEqual(promoted);
    },
    work: returned,
    end: 'as before',
  },
];
