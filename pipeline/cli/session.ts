/**
 * What one invocation of the command line has: its options, where things are kept, a clock, a signal that
 * Ctrl-C aborts, a way to show progress and a way to print facts. Real clocks and processes are wired here.
 */
import { homedir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type Clock, wallClock } from '../clock.ts';
import { createAwsCloud } from '../cloud/aws/cloud.ts';
import type { Cloud } from '../cloud/cloud.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { Refused } from '../errors.ts';
import type { Surroundings } from '../opening.ts';
import type { Progress } from '../report/progress.ts';
import { plainProgress, terminalProgress } from '../report/terminal.ts';
import { runCommand } from '../rollout/services/command.ts';
import { type Http, httpRequest } from '../rollout/services/http.ts';
import { openSimulator } from '../simulator/host.ts';
import { worldFrom } from '../simulator/world.ts';

/** Options every command takes. */
export interface CommonOptions {
  config: string;
  state?: string;
  json?: boolean;
}

export interface Session {
  options: CommonOptions;
  stateDirectory: string;
  cacheDirectory: string;
  clock: Clock;
  signal: AbortSignal;
  progress: Progress;
  /** How gates and drains reach what they ask. */
  http: Http;
  /** Facts: the text at once, or with --json the object, as the one document printed at the end. */
  print(facts: unknown, text: string): void;
  /** What print was last given. */
  facts: unknown;
}

export function openSession(options: CommonOptions): Session {
  const clock = wallClock;
  const json = options.json === true;
  // With --json standard output belongs to the facts alone.
  const live = process.stdout.isTTY && !json && !process.env.CI;
  const write = (line: string) => (json ? process.stderr : process.stdout).write(`${line}\n`);
  const session: Session = {
    options,
    stateDirectory: resolve(options.state ?? join(xdg('XDG_STATE_HOME', '.local/state'), 'drover')),
    cacheDirectory: join(xdg('XDG_CACHE_HOME', '.cache'), 'drover'),
    clock,
    signal: interruption(),
    progress: live ? terminalProgress() : plainProgress(clock, write),
    http: httpRequest,
    print(facts, text) {
      session.facts = facts;
      if (!json) process.stdout.write(`${text}\n`);
    },
    facts: undefined,
  };
  return session;
}

/** XDG Base Directory Specification 0.8: the variable if it holds an absolute path, else its default under HOME. */
function xdg(variable: string, fallback: string): string {
  const value = process.env[variable];
  return value?.startsWith('/') ? value : join(homedir(), fallback);
}

/**
 * Aborts at the first SIGINT, SIGTERM or SIGHUP, so that work stops at a safe point. A second one ends the process
 * at once: the journal makes that safe too, only less tidy.
 */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort(new Error(name));
      process.stderr.write(`\n${name}: stopping at the next safe point; again to stop at once\n`);
    });
  }
  return controller.signal;
}

export const configOf = (session: Session): Config => loadConfig(session.options.config);

/** The directory of drover.yaml, to which the paths in it are relative. */
export const rootOf = (session: Session): string => dirname(resolve(session.options.config));

/** The person or the machine account to be recorded: on GitHub whoever started the workflow. */
export const actorOf = (): string => process.env.GITHUB_ACTOR ?? process.env.SUDO_USER ?? userInfo().username;

/** What goes wrong in the simulated production: with this image, or with the next one that is registered. */
export interface SimulatedFault {
  kind: 'unhealthy';
  imageId?: string | undefined;
}

/** Opens the configured cloud, runs `work`, and closes what was opened. `fault` is for the simulator alone. */
export async function withCloud<T>(
  session: Session,
  config: Config,
  work: (cloud: Cloud) => Promise<T>,
  fault?: SimulatedFault,
): Promise<T> {
  if (config.cloud === 'aws') {
    if (fault) throw new Refused('invalid', '--fault works on the simulator only', 'Set cloud: simulator.');
    const endpoint = process.env.AWS_ENDPOINT_URL;
    return work(createAwsCloud({ provider: 'aws', region: config.region, endpoint }));
  }
  const { clock, stateDirectory } = session;
  const directory = join(stateDirectory, 'simulator');
  const simulator = await openSimulator({ directory, world: worldFrom(config), clock });
  try {
    if (fault) await simulator.injectFault({ ...fault, environment: 'production' });
    const credentials = { accessKeyId: 'simulator', secretAccessKey: 'simulator' };
    const { endpoint } = simulator;
    session.http = throughSimulator(endpoint);
    return await work(
      createAwsCloud({ provider: 'simulator', region: config.region, endpoint, credentials }),
    );
  } catch (error) {
    throw await simulator.explain(error);
  } finally {
    // A fault whose image was never registered must not wait for somebody else's.
    if (fault) await simulator.clearFaults();
    await simulator.close();
  }
}

/** Nobody can reach the private addresses of simulated instances; the simulator answers for them. */
const throughSimulator =
  (endpoint: string): Http =>
  (request, signal) => {
    const { hostname, pathname, search } = new URL(request.url);
    const isInstance = hostname.startsWith('10.');
    const url = `${endpoint}/_simulator/instances/${hostname}${pathname}${search}`;
    return httpRequest(isInstance ? { ...request, url } : request, signal);
  };

/** What a release is worked on with. */
export function surroundings(
  session: Session,
  config: Config,
  cloud: Cloud,
  given: { reason: string; emergency: boolean },
): Surroundings {
  const { stateDirectory, cacheDirectory, clock, http, progress, signal } = session;
  return {
    config,
    root: rootOf(session),
    stateDirectory,
    cacheDirectory,
    cloud,
    http,
    runCommand,
    clock,
    progress,
    signal,
    actor: actorOf(),
    ...given,
  };
}
