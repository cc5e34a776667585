/** AWS SDK clients as the tests use them: over HTTP on loopback, or without a socket on a virtual clock. */
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { EC2Client } from '@aws-sdk/client-ec2';
import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2';
import { SSMClient } from '@aws-sdk/client-ssm';
import type { Clock } from '../../pipeline/clock.ts';
import { type Config, configSchema } from '../../pipeline/config/schema.ts';
import { createInMemoryHandler } from '../../pipeline/simulator/in-memory.ts';
import { createSimulator, type Simulator } from '../../pipeline/simulator/simulator.ts';
import { type VirtualClock, virtualClock } from '../../pipeline/simulator/virtual-clock.ts';
import { worldFrom } from '../../pipeline/simulator/world.ts';

export interface Clients {
  ec2: EC2Client;
  scaling: AutoScalingClient;
  balancing: ElasticLoadBalancingV2Client;
  cloudWatch: CloudWatchClient;
  ssm: SSMClient;
}

const common = {
  region: 'eu-central-1',
  credentials: { accessKeyId: 'simulator', secretAccessKey: 'simulator' },
  maxAttempts: 1,
};

function clientsWith(options: object): Clients {
  return {
    ec2: new EC2Client({ ...common, ...options }),
    scaling: new AutoScalingClient({ ...common, ...options }),
    balancing: new ElasticLoadBalancingV2Client({ ...common, ...options }),
    cloudWatch: new CloudWatchClient({ ...common, ...options }),
    ssm: new SSMClient({ ...common, ...options }),
  };
}

export const clientsAt = (endpoint: string): Clients => clientsWith({ endpoint });

export const clientsOf = (simulator: Simulator): Clients =>
  clientsWith({ endpoint: 'http://127.0.0.1', requestHandler: createInMemoryHandler(simulator) });

/** A fleet of one staging and two production groups; `worker` is in the fleet but not in the account. */
export const exampleConfig = (simulator: object = {}): Config =>
  configSchema.parse({
    version: 1,
    image: { name: 'base' },
    fleet: {
      staging: { waves: [{ name: 'staging', groups: ['web-staging'] }] },
      production: { waves: [{ name: 'first', groups: ['web-a', 'batch', 'absent'] }] },
    },
    simulator: {
      groups: {
        'web-staging': { desired: 2 },
        'web-a': { desired: 3, min: 1, max: 6 },
        batch: { desired: 2, min: 1, max: 4, load_balanced: false },
      },
      ...simulator,
    },
  });

export interface InMemory extends Clients {
  simulator: Simulator;
  clock: VirtualClock;
}

export function inMemory(config = exampleConfig()): InMemory {
  const clock = virtualClock();
  const simulator = createSimulator({ world: worldFrom(config)(null, clock.now()), clock });
  return { simulator, clock, ...clientsOf(simulator) };
}

/** Polls until `question` gives something, on the given clock; says what it waited for when it gives up. */
export async function eventually<T>(
  clock: Clock,
  what: string,
  question: () => Promise<T | null | undefined | false>,
  { withinMs = 600_000, everyMs = 500 } = {},
): Promise<T> {
  const deadline = clock.now() + withinMs;
  for (;;) {
    const answer = await question();
    if (answer) return answer;
    if (clock.now() >= deadline) throw new Error(`${what}: not within ${withinMs} ms`);
    await clock.sleep(everyMs);
  }
}
