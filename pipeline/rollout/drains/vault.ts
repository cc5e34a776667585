/**
 * Hands Vault's active role to another node before the instance goes: it is told to step down, and only where it is
 * active and an unsealed standby of its group can take over (Vault HTTP API, /sys/health and /sys/step-down). With Raft
 * storage that also takes a vote, which a server has some time after it has joined: one told to step down before that
 * leaves everybody without an active node, and then takes its role back. Done when it is a standby and another node is
 * active. There is nothing to undo: whoever is active may be.
 */
import { z } from 'zod';
import type { InstanceObservation } from '../../cloud/cloud.ts';
import { hostOf } from '../services/http.ts';
import { patiently } from '../services/outage.ts';
import { expected, request, type ServiceRequest } from '../services/service.ts';
import type { DrainSpec } from '../spec.ts';
import type { Answer } from '../state.ts';
import type { AskedDrain, DrainContext } from './drains.ts';

const source = 'vault';

/** "Read leader status"; the index is there with Raft storage only. */
const leaderSchema = z.object({
  ha_enabled: z.boolean(),
  is_self: z.boolean(),
  leader_address: z.string(),
  raft_committed_index: z.number().nullish(),
});
/** "Get cluster state" of /sys/storage/raft/autopilot; the leader's own status is 'leader'. */
const raftSchema = z.object({
  data: z.object({ servers: z.record(z.string(), z.object({ status: z.string(), healthy: z.boolean() })) }),
});

/** /sys/health tells by its status: 473 is a standby that serves reads (Vault Enterprise). */
const active = 200;
const standby = new Set([429, 473]);
const troubles: Record<number, string> = {
  472: 'is the active node of a disaster recovery secondary, which does not step down',
  501: 'is not initialized',
  503: 'is sealed',
};

export const vault = (spec: Extract<DrainSpec, { type: 'vault' }>): AskedDrain => {
  const base = (address: string): string => `${spec.scheme}://${hostOf(address)}:${spec.port}`;
  const ask = (context: DrainContext, method: ServiceRequest['method'], url: string) =>
    request(context, spec, 'X-Vault-Token', { method, url });
  const healthAt = async (context: DrainContext, at: string): Promise<number> =>
    (await ask(context, 'GET', `${at.replace(/\/$/, '')}/v1/sys/health`)).status;

  async function successorOf(context: DrainContext, instance: InstanceObservation): Promise<string | null> {
    for (const { id, lifecycle, privateAddress } of context.group.instances) {
      if (id === instance.id || lifecycle !== 'InService' || privateAddress === null) continue;
      const answer = await patiently(source, async () => {
        const status = await healthAt(context, base(privateAddress));
        return { status: standby.has(status) ? 'passed' : 'failed', source, reason: String(status) };
      });
      if (answer.status === 'passed') return id;
    }
    return null;
  }

  /** Whether another server could be elected; other storage than Raft elects nobody. */
  async function hasVoter(context: DrainContext, at: string): Promise<boolean> {
    const leader = expected(await ask(context, 'GET', `${at}/v1/sys/leader`), leaderSchema);
    if (!leader.raft_committed_index) return true;
    const answer = await ask(context, 'GET', `${at}/v1/sys/storage/raft/autopilot/state`);
    const { data } = expected(answer, raftSchema);
    return Object.values(data.servers).some(({ status, healthy }) => status === 'voter' && healthy);
  }

  async function steppedDown(
    context: DrainContext,
    instance: InstanceObservation,
    at: string,
  ): Promise<Answer> {
    const successor = await successorOf(context, instance);
    if (successor === null) {
      return {
        status: 'waiting',
        source,
        reason: 'is active, and no other instance of the group is an unsealed standby',
      };
    }
    if (!(await hasVoter(context, at))) {
      return { status: 'waiting', source, reason: 'is active, and no other server is a healthy voter yet' };
    }
    expected(await ask(context, 'POST', `${at}/v1/sys/step-down`), z.unknown());
    return { status: 'waiting', source, reason: 'was active and has been told to step down' };
  }

  return {
    name: source,
    start: async () => {},
    poll: (context, instance) =>
      patiently(source, async () => {
        if (instance.privateAddress === null) {
          return { status: 'waiting', source, reason: 'EC2 reports no private address' };
        }
        const at = base(instance.privateAddress);
        const status = await healthAt(context, at);
        if (status === active) return await steppedDown(context, instance, at);
        if (!standby.has(status)) {
          return { status: 'failed', source, reason: troubles[status] ?? `${at}/v1/sys/health: ${status}` };
        }
        const leader = expected(await ask(context, 'GET', `${at}/v1/sys/leader`), leaderSchema);
        const elsewhere = leader.leader_address;
        if (elsewhere && !leader.is_self && (await healthAt(context, elsewhere)) === active) {
          return { status: 'passed', source, reason: `is a standby; ${elsewhere} is active` };
        }
        return { status: 'waiting', source, reason: 'is a standby, and no other node is active yet' };
      }),
    abort: async () => {},
  };
};
