/** Real Vault servers that share their storage by Raft, unsealed with one key. */
import { wallClock } from '../../pipeline/clock.ts';
import { eventually } from '../simulator/clients.ts';
import { asked, type Question, type Servers, serversOf } from './servers.ts';

const port = 18_200;
const clusterPort = 18_201;
/** /sys/health of any server that answers, by its documentation: active, standby, not initialized, sealed. */
const health = [200, 429, 501, 503];
/** What the Vault drain needs; /sys/health and /sys/leader are open to all. */
const rules =
  'path "sys/step-down" { capabilities = ["update", "sudo"] }' +
  'path "sys/storage/raft/autopilot/state" { capabilities = ["read"] }';

export interface VaultCluster extends Pick<Servers, 'directory' | 'addressOf' | 'kill' | 'close'> {
  port: number;
  /** Starts the server; it is sealed, and if it is the first and new, not initialized either. */
  start(number: number): Promise<void>;
  /** Server 1 becomes the first of the cluster. */
  initialize(): Promise<void>;
  /** Resolves when the server is active or a standby. */
  unseal(number: number): Promise<void>;
  healthOf(number: number): Promise<number>;
  /** Which server is active, as soon as one is. */
  active(): Promise<number>;
  /** Resolves when so many servers have a vote. */
  voters(count: number): Promise<void>;
  /** A token with these rules, or with no more rights than the drain needs. */
  token(name: string, given?: string): Promise<string>;
}

export function vaultCluster(command: string): VaultCluster {
  const servers = serversOf('vault', command);
  const { addressOf } = servers;
  const api = (number: number): string => `http://${addressOf(number)}:${port}`;
  const within = { withinMs: 60_000, everyMs: 200 };
  let [key, root] = ['', ''];
  const ask = <T>(number: number, path: string, question: Question = {}): Promise<T> =>
    asked<T>(`${api(number)}/v1/sys/${path}`, { ...question, headers: { 'X-Vault-Token': root } });
  const healthOf = async (number: number): Promise<number> =>
    (await fetch(`${api(number)}/v1/sys/health`).catch(() => ({ status: 0 }))).status;
  const active = (): Promise<number> =>
    eventually(
      wallClock,
      'a server is active',
      async () => (await Promise.all([1, 2, 3].map(healthOf))).indexOf(200) + 1,
      within,
    );

  return {
    directory: servers.directory,
    addressOf,
    kill: servers.kill,
    close: servers.close,
    port,
    healthOf,
    async start(number) {
      const path = servers.configured(`vault-${number}`, {
        storage: {
          raft: {
            path: servers.dataOf(number),
            node_id: `vault-${number}`,
            performance_multiplier: '1',
            ...(number !== 1 && { retry_join: [{ leader_api_addr: api(1) }] }),
          },
        },
        listener: [
          {
            tcp: {
              address: `${addressOf(number)}:${port}`,
              cluster_address: `${addressOf(number)}:${clusterPort}`,
              tls_disable: true,
            },
          },
        ],
        api_addr: api(number),
        cluster_addr: `https://${addressOf(number)}:${clusterPort}`,
        disable_mlock: true,
      });
      servers.start(number, ['server', `-config=${path}`]);
      const answers = async () => health.includes(await healthOf(number));
      await eventually(wallClock, `server ${number} answers`, answers, within);
    },
    async initialize() {
      const body = { secret_shares: 1, secret_threshold: 1 };
      const made = await ask<{ keys_base64: string[]; root_token: string }>(1, 'init', {
        method: 'PUT',
        body,
      });
      [key, root] = [made.keys_base64[0]!, made.root_token];
    },
    async unseal(number) {
      const isOpen = async () => {
        if ([200, 429].includes(await healthOf(number))) return true;
        // One that has not joined yet knows no key.
        await ask(number, 'unseal', { method: 'PUT', body: { key } }).catch(() => {});
        return false;
      };
      await eventually(wallClock, `server ${number} is unsealed`, isOpen, within);
    },
    active,
    async voters(count) {
      const have = async () => {
        const state = await ask<{ data: { voters: string[] } }>(
          await active(),
          'storage/raft/autopilot/state',
        );
        return state.data.voters.length === count;
      };
      await eventually(wallClock, `${count} voters`, have, within);
    },
    async token(name, given = rules) {
      const at = await active();
      await ask(at, `policies/acl/${name}`, { method: 'PUT', body: { policy: given } });
      const { auth } = await asked<{ auth: { client_token: string } }>(`${api(at)}/v1/auth/token/create`, {
        method: 'POST',
        headers: { 'X-Vault-Token': root },
        body: { policies: [name], no_default_policy: true },
      });
      return auth.client_token;
    },
  };
}
