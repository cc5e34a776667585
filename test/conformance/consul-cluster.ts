/** A datacenter of real Consul servers, each at a loopback address of its own, with access control. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wallClock } from '../../pipeline/clock.ts';
import { eventually } from '../simulator/clients.ts';

/** Nothing else listens there: all servers have the same ports, as on instances of a group. */
const ports = { http: 18_500, server: 18_300, serf_lan: 18_301, serf_wan: -1, dns: -1, grpc: -1 };
const root = 'drover-conformance-root';
/** What the Consul drain needs, by the HTTP API's own list of required ACLs. */
const rules = 'node_prefix "" { policy = "read" } agent_prefix "" { policy = "write" } operator = "read"';

export interface ConsulCluster {
  port: number;
  directory: string;
  addressOf(number: number): string;
  /** Starts a server, also again: it keeps its data. */
  start(number: number): void;
  /** Ends one without a word to the others. */
  kill(number: number): Promise<void>;
  hasEnded(number: number): boolean;
  /** A token with no more rights than the drain needs, known to every server that runs. */
  drainToken(): Promise<string>;
  /** Resolves when server `witness` sees server `number` alive. */
  joined(number: number, witness: number): Promise<void>;
  /** Resolves when autopilot counts so many healthy voters, as server `witness` sees it. */
  voters(count: number, witness: number): Promise<void>;
  close(): Promise<void>;
}

export function consulCluster(command: string): ConsulCluster {
  const directory = mkdtempSync(join(tmpdir(), 'drover-consul-'));
  // Two runs on one machine do not meet.
  const network = `127.${1 + (process.pid % 250)}.7`;
  const addressOf = (number: number): string => `${network}.${number}`;
  const running = new Map<number, ChildProcess>();
  const configuration = join(directory, 'consul.json');
  writeFileSync(
    configuration,
    JSON.stringify({
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
    }),
  );
  const asked = async (method: string, address: string, path: string, body?: object, token = root) => {
    const response = await fetch(`http://${address}:${ports.http}/v1${path}`, {
      method,
      headers: { 'X-Consul-Token': token },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (response.ok || response.status === 429) return (await response.json()) as never;
    throw new Error(`${method} ${path}: ${response.status}: ${await response.text()}`);
  };
  const end = async (number: number): Promise<void> => {
    const server = running.get(number);
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await gone;
  };

  return {
    port: ports.http,
    directory,
    addressOf,
    start(number) {
      const data = join(directory, `server-${number}`);
      mkdirSync(data, { recursive: true });
      const address = addressOf(number);
      const named = [`-node=server-${number}`, `-bind=${address}`, `-client=${address}`, `-data-dir=${data}`];
      running.set(
        number,
        spawn(command, ['agent', `-config-file=${configuration}`, ...named], { stdio: 'ignore' }),
      );
    },
    kill: end,
    hasEnded: (number) => running.get(number)?.exitCode !== null,
    async drainToken() {
      const address = addressOf(1);
      await asked('PUT', address, '/acl/policy', { Name: 'drain', Rules: rules });
      const { SecretID }: { SecretID: string } = await asked('PUT', address, '/acl/token', {
        Policies: [{ Name: 'drain' }],
      });
      // A follower answers "ACL not found" until the leader's log has reached it.
      for (const number of running.keys()) {
        const isKnown = () =>
          asked('GET', addressOf(number), '/acl/token/self', undefined, SecretID).then(
            () => true,
            () => false,
          );
        await eventually(wallClock, `server ${number} knows the token`, isKnown, { withinMs: 50_000 });
      }
      return SecretID;
    },
    async joined(number, witness) {
      const isAlive = async () => {
        const members: { Addr: string; Status: number }[] = await asked(
          'GET',
          addressOf(witness),
          '/agent/members',
        );
        return members.some(({ Addr, Status }) => Addr === addressOf(number) && Status === 1);
      };
      await eventually(wallClock, `server ${number} joins`, isAlive, { withinMs: 50_000, everyMs: 200 });
    },
    async voters(count, witness) {
      await eventually(
        wallClock,
        `${count} healthy voters`,
        async () => {
          const health: { Servers: { Healthy: boolean; Voter: boolean }[] | null } = await asked(
            'GET',
            addressOf(witness),
            '/operator/autopilot/health',
          ).catch(() => ({ Servers: null }));
          return health.Servers?.filter(({ Healthy, Voter }) => Healthy && Voter).length === count;
        },
        { withinMs: 50_000, everyMs: 200 },
      );
    },
    async close() {
      await Promise.all([...running.keys()].map(end));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
