/** Real servers of one kind, each at a loopback address of its own, with a directory for what they keep. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Servers {
  directory: string;
  addressOf(number: number): string;
  /** A directory a server keeps over its restarts. */
  dataOf(number: number): string;
  /** Writes JSON beside the servers' data. @returns its path */
  configured(name: string, configuration: object): string;
  /** Starts a server, also again. */
  start(number: number, args: readonly string[]): void;
  /** Ends one without a word to the others. */
  kill(number: number): Promise<void>;
  hasEnded(number: number): boolean;
  /** Which have been started. */
  started(): number[];
  close(): Promise<void>;
}

export function serversOf(kind: string, command: string): Servers {
  const directory = mkdtempSync(join(tmpdir(), `drover-${kind}-`));
  // Two runs on one machine do not meet.
  const network = `127.${1 + (process.pid % 250)}.7`;
  const running = new Map<number, ChildProcess>();
  const kill = async (number: number): Promise<void> => {
    const server = running.get(number);
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await gone;
  };
  const dataOf = (number: number): string => {
    const data = join(directory, `server-${number}`);
    mkdirSync(data, { recursive: true });
    return data;
  };

  return {
    directory,
    addressOf: (number) => `${network}.${number}`,
    dataOf,
    configured(name, configuration) {
      const path = join(directory, `${name}.json`);
      writeFileSync(path, JSON.stringify(configuration));
      return path;
    },
    start(number, args) {
      const log = openSync(join(directory, `server-${number}.log`), 'a');
      running.set(number, spawn(command, args, { stdio: ['ignore', log, log] }));
    },
    kill,
    hasEnded: (number) => running.get(number)?.exitCode !== null,
    started: () => [...running.keys()],
    async close() {
      await Promise.all([...running.keys()].map(kill));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/**
 * Asks a server's HTTP API for JSON; null where it answers with none.
 * @throws for any other status than 2xx and `also`
 */
export async function asked<T>(
  url: string,
  { method = 'GET', headers = {}, body, also = [] }: Question = {},
): Promise<T> {
  const response = await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  const text = await response.text();
  if (!response.ok && !also.includes(response.status))
    throw new Error(`${method} ${url}: ${response.status}: ${text}`);
  return JSON.parse(text || 'null');
}

export interface Question {
  method?: string;
  headers?: Record<string, string>;
  body?: object;
  also?: readonly number[];
}
