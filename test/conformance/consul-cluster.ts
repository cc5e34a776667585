/** A datacenter of real Consul servers, with access control. */
import { wallClock } from '../../pipeline/clock.ts';
import { eventually } from '../simulator/clients.ts';
import { asked, type Question, type Servers, serversOf } from './servers.ts';

/** Nothing else listens there: all servers have the same ports, as on instances of a group. */
const ports = { http: 18_500, server: 18_300, serf_lan: 18_301, serf_wan: -1, dns: -1, grpc: -1 };
const root = 'drover-conformance-root';
/** What the Consul drain needs, by the HTTP API's own list of required ACLs. */
const rules = 'node_prefix "" { policy = "read" } agent_prefix "" { policy = "write" } operator = "read"';

export interface ConsulCluster extends Omit<Servers, 'start'> {
  port: number;
  /** Starts a server, also again: it keeps its data. */
  start(number: number): void;
  /** A token with no more rights than the drain needs, known to every server that runs. */
  drainToken(): Promise<string>;
  /** Resolves when server `witness` sees server `number` alive. */
  joined(number: number, witness: number): Promise<void>;
  /** Resolves when autopilot counts so many healthy voters, as server `witness` sees it. */
  voters(count: number, witness: number): Promise<void>;
}

export function consulCluster(command: string): ConsulCluster {
  const servers = serversOf('consul', command);
  const { addressOf } = servers;
  const configuration = servers.configured('consul', {
    server: true,
    bootstrap_expect: 3,
    ports,
    retry_join: [1, 2, 3].map((number) => `${addressOf(number)}:${ports.serf_lan}`),
    retry_interval: '1s',
    disable_update_check: true,
    leave_on_terminate: false,
    performance: { raft_multiplier: 1, leave_drain_time: '1s' },
    // A dead server stays known as failed.
    autopilot: { server_stabilization_time: '1s', cleanup_dead_servers: false },
    acl: { enabled: true, default_policy: 'deny', tokens: { master: root, agent: root } },
  });
  const ask = <T>(number: number, path: string, question: Question = {}, token = root): Promise<T> =>
    asked<T>(`http://${addressOf(number)}:${ports.http}/v1${path}`, {
      ...question,
      headers: { 'X-Consul-Token': token },
      // Autopilot's own word for "not healthy", with the same body.
      also: [429],
    });

  return {
    ...servers,
    port: ports.http,
    start(number) {
      const address = addressOf(number);
      const named = [`-node=server-${number}`, `-bind=${address}`, `-client=${address}`];
      servers.start(number, [
        'agent',
        `-config-file=${configuration}`,
        ...named,
        `-data-dir=${servers.dataOf(number)}`,
      ]);
    },
    async drainToken() {
      await ask(1, '/acl/policy', { method: 'PUT', body: { Name: 'drain', Rules: rules } });
      const { SecretID } = await ask<{ SecretID: string }>(1, '/acl/token', {
        method: 'PUT',
        body: { Policies: [{ Name: 'drain' }] },
      });
      // A follower answers "ACL not found" until the leader's log has reached it. What an agent says of itself is
      // judged by what that agent knows; a question about tokens would be passed on to the leader.
      for (const number of servers.started()) {
        const isKnown = () =>
          ask(number, '/agent/members', {}, SecretID).then(
            () => true,
            () => false,
          );
        await eventually(wallClock, `server ${number} knows the token`, isKnown, { withinMs: 50_000 });
      }
      return SecretID;
    },
    async joined(number, witness) {
      const isAlive = async () => {
        const members = await ask<{ Addr: string; Status: number }[]>(witness, '/agent/members');
        return members.some(({ Addr, Status }) => Addr === addressOf(number) && Status === 1);
      };
      await eventually(wallClock, `server ${number} joins`, isAlive, { withinMs: 50_000, everyMs: 200 });
    },
    async voters(count, witness) {
      await eventually(
        wallClock,
        `${count} healthy voters`,
        async () => {
          const health = await ask<{ Servers: { Healthy: boolean; Voter: boolean }[] | null }>(
            witness,
            '/operator/autopilot/health',
          ).catch(() => ({ Servers: null }));
          return health.Servers?.filter(({ Healthy, Voter }) => Healthy && Voter).length === count;
        },
        { withinMs: 50_000, everyMs: 200 },
      );
    },
  };
}
