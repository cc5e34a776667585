/**
 * One simulated account per directory, whoever comes first hosts it: a second process finds the first one's
 * endpoint in the lock file and uses that, so that both see the same world. A lock whose process is gone, or does
 * not answer, is taken over.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { DroverError, Refused, reasonOf } from '../errors.ts';
import type { FaultOrder } from './model/fault.ts';
import { type SimulatorServer, startSimulator } from './server.ts';
import type { WorldSource } from './world.ts';

export interface HostedSimulator {
  endpoint: string;
  /** True when this process hosts the account: it ends for everybody when this process closes it. */
  hostedHere: boolean;
  injectFault(fault: FaultOrder): Promise<void>;
  clearFaults(): Promise<void>;
  /** What made work fail: the error itself, or that the process that hosted the account has ended. */
  explain(error: unknown): Promise<unknown>;
  /** Leaves the account; the host also saves and closes it. */
  close(): Promise<void>;
}

interface Lock {
  pid: number;
  /** Null until the host listens. */
  endpoint: string | null;
}

/** A host that has just taken the lock needs this long at most to listen. */
const startUpMs = 10_000;
const pollMs = 100;
/** Longer than two processes need between removing a dead lock and making their own. */
const settleMs = 50;

/**
 * Hosts the account of `directory`, or joins the process that does.
 * @param options.port where to listen on loopback; left out or 0, any free port
 * @throws Refused 'busy' when another process hosts it on another port than the one asked for
 */
export async function openSimulator(options: {
  directory: string;
  world: WorldSource;
  clock: Clock;
  port?: number | undefined;
}): Promise<HostedSimulator> {
  const { directory, clock } = options;
  const lockPath = join(directory, 'host.json');
  makeDirectory(directory);
  const giveUpAt = clock.now() + startUpMs;
  for (;;) {
    if (takeLock(lockPath)) {
      // Another process may have removed what it took for a dead lock just after it became ours.
      await clock.sleep(settleMs);
      if (readLock(lockPath)?.pid === process.pid) return host(options, lockPath);
      continue;
    }
    const lock = readLock(lockPath);
    const starting = lock === null || (lock.endpoint === null && isAlive(lock.pid));
    if (starting && clock.now() < giveUpAt) {
      await clock.sleep(pollMs);
      continue;
    }
    if (lock?.endpoint && isAlive(lock.pid) && (await answers(lock.endpoint, lock.pid))) {
      requirePort(lock.endpoint, lock.pid, options.port);
      return guest(lock.endpoint, lock.pid);
    }
    rmSync(lockPath, { force: true });
  }
}

async function host(
  options: { directory: string; world: WorldSource; clock: Clock; port?: number | undefined },
  lockPath: string,
): Promise<HostedSimulator> {
  const unlock = (): void => rmSync(lockPath, { force: true });
  let server: SimulatorServer;
  try {
    server = await startSimulator({ ...options, statePath: join(options.directory, 'world.json') });
  } catch (error) {
    unlock();
    throw error;
  }
  const { endpoint } = server;
  writeFileSync(lockPath, JSON.stringify({ pid: process.pid, endpoint } satisfies Lock));
  return {
    ...guest(endpoint, process.pid),
    hostedHere: true,
    async close() {
      await server.close();
      unlock();
    },
  };
}

/** Whoever names a port has told others of it: nobody would find the world at another one. */
function requirePort(endpoint: string, pid: number, port: number | undefined): void {
  if (!port || Number(new URL(endpoint).port) === port) return;
  throw new Refused(
    'busy',
    `Process ${pid} hosts this simulator already, at ${endpoint} instead of port ${port}`,
    `Use ${endpoint}, or end process ${pid} first.`,
  );
}

function guest(endpoint: string, pid: number): HostedSimulator {
  const faults = `${endpoint}/_simulator/faults`;
  return {
    endpoint,
    hostedHere: false,
    injectFault: (fault) => call(faults, { method: 'POST', body: JSON.stringify(fault) }),
    clearFaults: () => call(faults, { method: 'DELETE' }),
    async explain(error) {
      const isConclusion = error instanceof DroverError && error.kind !== 'environment';
      if (isConclusion || (await answers(endpoint, pid))) return error;
      return new Refused(
        'environment',
        `Process ${pid}, which hosted the simulated account at ${endpoint}, has ended`,
        'Run the command again, or `drover resume` for a release: it hosts the account itself, as it was saved.',
        { cause: error },
      );
    },
    close: async () => {},
  };
}

async function call(url: string, init: RequestInit): Promise<void> {
  const response = await fetch(url, init).catch((error: unknown) => error as Error);
  if (!(response instanceof Error) && response.ok) return;
  const reason = response instanceof Error ? response.message : `HTTP ${response.status}`;
  throw new Refused(
    'environment',
    `The simulator at ${url} did not carry out the request: ${reason}`,
    'Start the command again; it starts the simulator itself when none runs.',
  );
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new Refused(
      'environment',
      `The simulator's directory ${directory} cannot be made: ${reasonOf(error)}`,
      'Give a writable state directory with --state DIR.',
      { cause: error },
    );
  }
}

function takeLock(lockPath: string): boolean {
  try {
    writeFileSync(lockPath, JSON.stringify({ pid: process.pid, endpoint: null } satisfies Lock), {
      flag: 'wx',
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new Refused(
      'environment',
      `The simulator's lock ${lockPath} cannot be written: ${reasonOf(error)}`,
      'Give a writable state directory with --state DIR.',
      { cause: error },
    );
  }
}

/** Null when there is none, or when its process is just writing it. */
function readLock(lockPath: string): Lock | null {
  try {
    return JSON.parse(readFileSync(lockPath, 'utf8')) as Lock;
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether the simulator of exactly this process answers there. */
async function answers(endpoint: string, pid: number): Promise<boolean> {
  try {
    const response = await fetch(`${endpoint}/_simulator`, { signal: AbortSignal.timeout(5_000) });
    const who = (await response.json()) as { simulator?: string; pid?: number };
    return who.simulator === 'drover' && who.pid === pid;
  } catch {
    return false;
  }
}
