/**
 * A copy of the fleet in a simulated account of its own, on a virtual clock, with a cloud port into it: counts the calls
 * and watches capacity by the account's own truth, at every instant at which something happened.
 */
import { createAwsCloud } from '../cloud/aws/cloud.ts';
import type { Cloud } from '../cloud/cloud.ts';
import type { GroupSurvey } from '../rollout/preflight.ts';
import { servingIn, sizeOf } from '../simulator/capacity.ts';
import { worldFromFleet } from '../simulator/from-fleet.ts';
import type { FaultOrder } from '../simulator/model/fault.ts';
import { advance } from '../simulator/model/model.ts';
import type { Event, World } from '../simulator/model/state.ts';
import { createSimulator } from '../simulator/simulator.ts';
import { type VirtualClock, virtualClock } from '../simulator/virtual-clock.ts';

export interface Capacity {
  group: string;
  desired: number;
  /** The least that must serve, and the least that did. */
  floor: number;
  lowest: number;
  /** The most there were, of at most `limit`. */
  peak: number;
  limit: number;
}

export interface CopiedAccount {
  cloud: Cloud;
  clock: VirtualClock;
  world: World;
  /** API calls since they were last set to 0. */
  calls: { changing: number; reading: number };
  capacityOf(group: string): Capacity;
}

export function copyAccount(
  surveys: readonly GroupSurvey[],
  options: { region: string; nowMs: number; faults: readonly FaultOrder[] },
): CopiedAccount {
  const { region, nowMs } = options;
  const copies = surveys.map(({ observed, environment, previous, pacing }) => {
    return { observed, environment, ...previous, ...pacing };
  });
  const clock = virtualClock(nowMs);
  const world = worldFromFleet(copies, options);
  const simulator = createSimulator({ world, clock });
  const watch = watchCapacity(world, surveys);
  const calls = { changing: 0, reading: 0 };
  const account = {
    call(service: string, operation: string, input: object) {
      for (let at = simulator.nextEventAt(); at !== null && at <= clock.now(); at = simulator.nextEventAt()) {
        advance(world, at, watch.note);
        watch.look();
      }
      const isReading = /^(Describe|Get)/.test(operation);
      calls[isReading ? 'reading' : 'changing'] += 1;
      const answer = simulator.call(service, operation, input);
      if (!isReading) watch.look(surveys.map(({ group }) => group));
      return answer;
    },
  };
  const cloud = createAwsCloud({ provider: 'simulator', region, inProcess: { account, clock } });
  return { cloud, clock, world, calls, capacityOf: watch.of };
}

function watchCapacity(world: World, surveys: readonly GroupSurvey[]) {
  const noted = new Set<string>();
  const groups = new Map(
    surveys.map(({ group, desired, floor, surge }): [string, Capacity] => {
      const copy = world.groups[group]!;
      const lowest = servingIn(world, copy).length;
      return [group, { group, desired, floor, lowest, peak: sizeOf(copy), limit: desired + surge }];
    }),
  );
  return {
    /** Only the group an event happened to can have changed. */
    note(_world: World, event: Event): void {
      const name = 'group' in event ? event.group : 'id' in event ? groupOf(world, event.id) : null;
      if (name !== null) noted.add(name);
    },
    look(names: Iterable<string> = noted): void {
      for (const name of names) {
        const seen = groups.get(name);
        const copy = world.groups[name];
        if (!seen || !copy) continue;
        seen.lowest = Math.min(seen.lowest, servingIn(world, copy).length);
        seen.peak = Math.max(seen.peak, sizeOf(copy));
      }
      noted.clear();
    },
    of: (name: string): Capacity => groups.get(name)!,
  };
}

const groupOf = (world: World, id: string | number): string | null =>
  world.instances[String(id)]?.groupName ?? null;
