/**
 * Where rollouts are measured against each other: one group of a simulated account in three zones, behind a load
 * balancer or not, whose next image takes a while to boot, each instance a time of its own. Counts calls, and watches
 * capacity by the account's own truth.
 */
import { works } from '../../pipeline/simulator/model/behaviour.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { advance } from '../../pipeline/simulator/model/model.ts';
import type { Group, World } from '../../pipeline/simulator/model/state.ts';
import { createSimulator, type Simulator } from '../../pipeline/simulator/simulator.ts';
import { type VirtualClock, virtualClock } from '../../pipeline/simulator/virtual-clock.ts';
import { addGroup, emptyWorld } from '../../pipeline/simulator/world.ts';
import { lowerBoundMs } from './bound.ts';

export const group = 'web';

/** Nitro instances with an ordinary Linux are at the login prompt after half a minute and in service after one or two. */
const bootMs = 25_000;
const ready = { fromMs: 15_000, toMs: 75_000 };
const drainMs = 30_000;

export interface Stage {
  clock: VirtualClock;
  simulator: Simulator;
  world: World;
  imageId: string;
  /** Asks the account as a peer's client does. @throws when it answers with an error */
  ask(service: string, operation: string, input: object): Promise<Record<string, unknown>>;
  /** To be handed to the adapter: counts as `ask` does. */
  account: Pick<Simulator, 'call'>;
  /** Ends the measurement when the rollout has ended. */
  measured(surge: number): Measurement;
}

export interface Measurement {
  tookMs: number;
  boundMs: number;
  mutations: number;
  reads: number;
  /** Reads are made in rounds: so many moments there were at which something was read. */
  rounds: number;
  /** Of this process outside the account. */
  cpuMs: number;
  /** As Auto Scaling counts towards desired; and with those whose work still drains. */
  mostCounted: number;
  mostAtWork: number;
  leastServing: number;
  replaced: number;
}

/** @param seed of the world: which boots are drawn */
export async function stageOf(desired: number, { isBalanced = true, seed = 1 } = {}): Promise<Stage> {
  const clock = virtualClock();
  const startAt = clock.now();
  const world = emptyWorld({
    nowMs: startAt - 3_600_000,
    seed,
    timing: { bootMs, warmUpMs: ready.fromMs, drainMs, terminateMs: 20_000, reactionMs: 1_000 },
  });
  addGroup(world, group, 'production', {
    desired,
    zones: 3,
    load_balanced: isBalanced,
    instance_type: 't3.micro',
    min: desired,
    max: 2 * desired,
  });
  advance(world, startAt);
  const image = injectImage(world);
  injectFault(world, { kind: 'boots-slowly', ready, imageId: image });

  const of = world.groups[group]!;
  let [mutations, reads, rounds, lastReadAt, insideMs] = [0, 0, 0, -1, 0];
  let [mostCounted, mostAtWork, leastServing] = [desired, desired, desired];
  /** When each instance was first seen serving, by the account's own truth. */
  const servingSince = new Map<string, number>();
  const look = (): void => {
    let [counted, draining, serving] = [0, 0, 0];
    for (const { instanceId, lifecycle } of Object.values(of.members)) {
      if (lifecycle !== 'Pending' && lifecycle !== 'InService') {
        if (drains(world, of, instanceId)) draining += 1;
        continue;
      }
      counted += 1;
      if (!serves(world, of, instanceId)) continue;
      serving += 1;
      if (!servingSince.has(instanceId)) servingSince.set(instanceId, world.now);
    }
    mostCounted = Math.max(mostCounted, counted);
    mostAtWork = Math.max(mostAtWork, counted + draining);
    leastServing = Math.min(leastServing, serving);
  };
  const simulator = createSimulator({ world, clock, observe: look });
  const account: Stage['account'] = {
    async call(service, operation, input) {
      if (operation.startsWith('Describe')) {
        reads += 1;
        if (clock.now() !== lastReadAt) rounds += 1;
        lastReadAt = clock.now();
      } else mutations += 1;
      const entered = process.cpuUsage();
      const answer = simulator.call(service, operation, input);
      if (!operation.startsWith('Describe')) look();
      const inside = process.cpuUsage(entered);
      insideMs += (inside.user + inside.system) / 1000;
      return answer;
    },
  };
  const cpu = process.cpuUsage();
  return {
    clock,
    simulator,
    world,
    imageId: image,
    account,
    async ask(service, operation, input) {
      const answer = await account.call(service, operation, input);
      if ('output' in answer) return answer.output as Record<string, unknown>;
      throw new Error(`${operation}: ${String(answer.body)}`);
    },
    measured(surge) {
      const { user, system } = process.cpuUsage(cpu);
      const launched = Object.values(world.instances)
        .filter(({ imageId }) => imageId === image)
        .sort((a, b) => a.serial - b.serial);
      // One that does not serve yet, because nobody waited for it, has taken at least as long as its software.
      const boots = launched.slice(0, desired).map(({ id, launchedAt, conduct }) => {
        const since = servingSince.get(id);
        return since === undefined ? bootMs + conduct.readyAfterMs! : since - launchedAt;
      });
      return {
        tookMs: clock.now() - startAt,
        boundMs: lowerBoundMs(boots, {
          surge,
          drainMs: isBalanced ? drainMs : 0,
          reactionMs: world.timing.reactionMs,
        }),
        mutations,
        reads,
        rounds,
        cpuMs: (user + system) / 1000 - insideMs,
        mostCounted,
        mostAtWork,
        leastServing,
        replaced: desired,
      };
    },
  };
}

/** A copy of the image the group runs, as the next release would have made it. */
function injectImage(world: World): string {
  const [initial] = Object.values(world.images).filter(({ name }) => name === 'drover-initial');
  const id = 'ami-00000000000000002';
  world.images[id] = { ...initial!, id, name: 'next' };
  return id;
}

const serves = (world: World, { targetGroupArns }: Group, id: string): boolean => {
  const instance = world.instances[id];
  const isTarget = (arn: string) => world.targetGroups[arn]!.targets[id]?.state === 'healthy';
  return instance !== undefined && works(world, instance) && targetGroupArns.every(isTarget);
};

const drains = (world: World, { targetGroupArns }: Group, id: string): boolean =>
  targetGroupArns.some((arn) => world.targetGroups[arn]!.targets[id]?.state === 'draining');
