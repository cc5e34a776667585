/** A real Nomad server and its clients, with access control; a client says in its metadata which instance it is. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { wallClock } from '../../pipeline/clock.ts';
import { eventually } from '../simulator/clients.ts';
import { asked, type Question, type Servers, serversOf } from './servers.ts';

const ports = { http: 14_646, rpc: 14_647, serf: 14_648 };
/** What the Nomad drain needs, by the HTTP API's own list of required ACLs. */
const rules = 'node { policy = "write" } namespace "*" { policy = "read" }';

export interface NomadCluster extends Pick<Servers, 'directory' | 'addressOf' | 'close'> {
  address: string;
  /** Resolves when the server leads and has its first token. */
  startServer(): Promise<void>;
  /** Resolves when the client is ready; its `instance` is i-NUMBER. */
  startClient(number: number): Promise<void>;
  /** A token with these rules, or with no more rights than the drain needs. */
  token(name: string, given?: string): Promise<string>;
  /** Runs so many shells, and resolves when they run. */
  run(job: string, script: string, options: { count: number; killTimeoutMs: number }): Promise<void>;
  /** On which clients that job runs. */
  placesOf(job: string): Promise<number[]>;
  /** Resolves when none of it runs any more. */
  stop(job: string): Promise<void>;
  node(number: number): Promise<{ eligible: boolean; draining: boolean }>;
  setEligible(number: number, eligible: boolean): Promise<void>;
}

export function nomadCluster(command: string): NomadCluster {
  const servers = serversOf('nomad', command);
  const { addressOf } = servers;
  const address = `http://${addressOf(1)}:${ports.http}`;
  const within = { withinMs: 60_000, everyMs: 200 };
  let root = '';
  const ask = <T>(path: string, question: Question = {}): Promise<T> =>
    asked<T>(`${address}/v1${path}`, { ...question, headers: root === '' ? {} : { 'X-Nomad-Token': root } });

  const start = (number: number, role: object): void => {
    const path = servers.configured(`agent-${number}`, {
      name: `nomad-${number}`,
      data_dir: servers.dataOf(number),
      bind_addr: addressOf(number),
      // Named, because Nomad takes no loopback address by itself.
      advertise: { http: addressOf(number), rpc: addressOf(number), serf: addressOf(number) },
      ports,
      disable_update_check: true,
      leave_on_terminate: false,
      acl: { enabled: true },
      consul: { auto_advertise: false, server_auto_join: false, client_auto_join: false },
      ...role,
    });
    servers.start(number, ['agent', `-config=${path}`]);
  };
  const nodeId = async (number: number): Promise<string> => {
    const nodes = await ask<{ ID: string; Name: string; Status: string }[]>('/nodes');
    return nodes.find(({ Name, Status }) => Name === `nomad-${number}` && Status === 'ready')?.ID ?? '';
  };
  const allocations = (job: string) =>
    ask<{ NodeName: string; ClientStatus: string }[]>(`/job/${job}/allocations`);
  const placesOf = async (job: string): Promise<number[]> => {
    const running = (await allocations(job)).filter(({ ClientStatus }) => ClientStatus === 'running');
    return running.map(({ NodeName }) => Number(NodeName.replace('nomad-', ''))).sort();
  };
  const stop = async (job: string): Promise<void> => {
    await ask(`/job/${job}`, { method: 'DELETE' });
    const isOver = async () => (await placesOf(job)).length === 0;
    await eventually(wallClock, `${job} has stopped`, isOver, within);
  };

  return {
    directory: servers.directory,
    addressOf,
    async close() {
      if (root !== '') for (const { ID } of await ask<{ ID: string }[]>('/jobs')) await stop(ID);
      // What clients mount for their tasks outlives them.
      const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
      for (const [, target] of mounts.map((line) => line.split(' '))) {
        if (target?.startsWith(`${servers.directory}/`)) execFileSync('umount', [target]);
      }
      await servers.close();
    },
    address,
    async startServer() {
      start(1, { server: { enabled: true, bootstrap_expect: 1 } });
      const bootstrap = () =>
        ask<{ SecretID: string }>('/acl/bootstrap', { method: 'POST' }).catch(() => null);
      root = (await eventually(wallClock, 'the server leads', bootstrap, within)).SecretID;
    },
    async startClient(number) {
      start(number, {
        client: {
          enabled: true,
          servers: [`${addressOf(1)}:${ports.rpc}`],
          network_interface: 'lo',
          meta: { instance: `i-${number}` },
        },
        plugin: { raw_exec: { config: { enabled: true, no_cgroups: true } } },
      });
      await eventually(wallClock, `client ${number} is ready`, () => nodeId(number), within);
    },
    async token(name, given = rules) {
      await ask(`/acl/policy/${name}`, { method: 'POST', body: { Name: name, Rules: given } });
      const body = { Name: name, Type: 'client', Policies: [name] };
      return (await ask<{ SecretID: string }>('/acl/token', { method: 'POST', body })).SecretID;
    },
    async run(job, script, { count, killTimeoutMs }) {
      const task = {
        Name: job,
        Driver: 'raw_exec',
        Config: { command: '/bin/sh', args: ['-c', script] },
        KillTimeout: killTimeoutMs * 1_000_000,
        Resources: { CPU: 20, MemoryMB: 16 },
      };
      const group = { Name: job, Count: count, Tasks: [task] };
      const Job = { ID: job, Name: job, Type: 'service', Datacenters: ['dc1'], TaskGroups: [group] };
      await ask('/jobs', { method: 'POST', body: { Job } });
      const runs = async () => (await placesOf(job)).length === count;
      await eventually(wallClock, `${count} of ${job} run`, runs, within);
    },
    placesOf,
    stop,
    async node(number) {
      const { SchedulingEligibility, DrainStrategy } = await ask<{
        SchedulingEligibility: string;
        DrainStrategy: object | null;
      }>(`/node/${await nodeId(number)}`);
      return { eligible: SchedulingEligibility === 'eligible', draining: DrainStrategy !== null };
    },
    async setEligible(number, eligible) {
      const body = { Eligibility: eligible ? 'eligible' : 'ineligible' };
      await ask(`/node/${await nodeId(number)}/eligibility`, { method: 'POST', body });
    },
  };
}
