/**
 * Lets the instance's Consul agent leave its datacenter gracefully, asked of the agent itself (Consul HTTP API,
 * "Graceful Leave and Shutdown"): a server only when it can be spared, one at a time. Spared means: every other
 * instance of the group answers and is a healthy voter (so the replacement has joined), autopilot calls the datacenter
 * healthy and it tolerates a failure. What became of the member is asked of another instance of the group, because the agent ends.
 * There is nothing to undo: an agent that has left joins again when it is started again.
 */
import { z } from 'zod';
import type { InstanceObservation } from '../../cloud/cloud.ts';
import { hostOf } from '../services/http.ts';
import { patiently, ServiceError } from '../services/outage.ts';
import { expected, request, type ServiceRequest } from '../services/service.ts';
import type { DrainSpec } from '../spec.ts';
import type { Answer } from '../state.ts';
import type { AskedDrain, DrainContext } from './drains.ts';

const source = 'consul';

const membersSchema = z.array(
  z.object({ Name: z.string(), Addr: z.string(), Status: z.int(), Tags: z.record(z.string(), z.string()) }),
);
type Member = z.output<typeof membersSchema>[number];

const healthSchema = z.object({
  Healthy: z.boolean(),
  FailureTolerance: z.int(),
  Servers: z
    .array(z.object({ Name: z.string(), Address: z.string(), Healthy: z.boolean(), Voter: z.boolean() }))
    .nullish()
    .transform((servers) => servers ?? []),
});

/** serf.MemberStatus, in whose numbers /agent/members answers. */
const serf = { alive: 1, leaving: 2, left: 3, failed: 4 };
/** The gossip role of servers; clients have the role 'node'. */
const serverRole = 'consul';

/** Two servers that leave in the same moment may be one too many: whether one can be spared is asked in turn. */
let turn: Promise<unknown> = Promise.resolve();
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = turn.then(work, work);
  turn = mine;
  return mine;
}

export const consul = (spec: Extract<DrainSpec, { type: 'consul' }>): AskedDrain => {
  const ask = (context: DrainContext, method: ServiceRequest['method'], address: string, path: string) => {
    const url = `${spec.scheme}://${hostOf(address)}:${spec.port}/v1${path}`;
    return request(context, spec, 'X-Consul-Token', { method, url });
  };

  /** The members as the agent at `address` sees them. */
  async function seenFrom(context: DrainContext, address: string): Promise<Member[]> {
    const answer = await ask(context, 'GET', address, '/agent/members');
    const members = expected(answer, membersSchema);
    // Members a token may not read are left out without a word: such a list says nothing about who has left.
    if (members.some(({ Addr }) => Addr === address)) return members;
    throw new ServiceError(`${answer.shown} does not list the agent that answers: may the token node:read?`);
  }

  /** The members as the first of the group's others that answers sees them. */
  async function witness(context: DrainContext, others: readonly string[]): Promise<Member[]> {
    let silence: unknown = new ServiceError(
      'there is no other instance in service whose agent could be asked',
    );
    for (const address of others) {
      try {
        return await seenFrom(context, address);
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error;
        silence = error;
      }
    }
    throw silence;
  }

  /** Why the server cannot be spared now; null when it can. */
  async function unspared(context: DrainContext, others: readonly string[]): Promise<string | null> {
    // All of them must answer: autopilot learns only seconds later that one has died.
    const [members = []] = await Promise.all(others.map((address) => seenFrom(context, address)));
    const answer = await ask(context, 'GET', others[0]!, '/operator/autopilot/health');
    // 429 is how autopilot says unhealthy; the body is the same.
    const health = expected(answer.status === 429 ? { ...answer, status: 200 } : answer, healthSchema);
    if (!health.Healthy) return 'autopilot calls the datacenter unhealthy';
    if (health.FailureTolerance < 1) return 'the datacenter tolerates no failure';
    const isAlive = (name: string) => members.some((one) => one.Name === name && one.Status === serf.alive);
    const gone = health.Servers.find(({ Name }) => !isAlive(Name));
    if (gone) return `autopilot still counts ${gone.Name}, which is leaving`;
    const voters = new Set(health.Servers.filter((one) => one.Healthy && one.Voter).map(hostIn));
    const absent = others.find((other) => !voters.has(other));
    return absent ? `the server at ${absent} is not a healthy voter yet` : null;
  }

  async function leave(context: DrainContext, member: Member, others: readonly string[]): Promise<Answer> {
    const told = async (): Promise<Answer> => {
      expected(await ask(context, 'PUT', member.Addr, '/agent/leave'), z.unknown());
      return { status: 'waiting', source, reason: `${member.Name} has been told to leave` };
    };
    if (member.Tags.role !== serverRole) return await told();
    return await inTurn(async () => {
      const reason = await unspared(context, others);
      return reason ? { status: 'waiting', source, reason } : await told();
    });
  }

  async function polled(context: DrainContext, { id, privateAddress }: InstanceObservation): Promise<Answer> {
    if (privateAddress === null) {
      return { status: 'waiting', source, reason: 'EC2 reports no private address' };
    }
    const others = context.group.instances.flatMap((other) =>
      other.id !== id && other.lifecycle === 'InService' ? (other.privateAddress ?? []) : [],
    );
    const members = await witness(context, others);
    const member = members.find(({ Addr }) => Addr === privateAddress);
    switch (member?.Status) {
      case undefined:
        return { status: 'passed', source, reason: 'is no member of the Consul datacenter' };
      case serf.left:
        return { status: 'passed', source, reason: `${member!.Name} has left` };
      case serf.failed:
        return {
          status: 'failed',
          source,
          reason: `the agent of ${member!.Name} has failed and cannot leave`,
        };
      case serf.alive:
        return await leave(context, member!, others);
      default:
        return { status: 'waiting', source, reason: `${member!.Name} is leaving` };
    }
  }

  return {
    name: source,
    start: async () => {},
    poll: (context, instance) => patiently(source, () => polled(context, instance)),
    abort: async () => {},
  };
};

/** 10.1.89.229:8300, [fd00::1]:8300 */
const hostIn = ({ Address }: { Address: string }): string =>
  Address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
