/**
 * The door on loopback: AWS's endpoints on 127.0.0.1, one for all services, as AWS_ENDPOINT_URL expects it. Saves
 * the world before it answers a request that may have changed it; a client that got an answer can rely on it.
 *
 * Next to AWS's own API there is /_simulator: GET says who answers and what clients missed, POST /_simulator/faults
 * injects a fault, DELETE takes all faults back.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../clock.ts';
import { Refused, reasonOf } from '../errors.ts';
import { clearFaults, injectFault } from './model/behaviour.ts';
import type { Fault } from './model/state.ts';
import { loadWorld, saveWorld } from './saved-world.ts';
import { createSimulator, type Simulator } from './simulator.ts';
import type { WorldSource } from './world.ts';

export interface SimulatorServer {
  /** 'http://127.0.0.1:PORT', for AWS_ENDPOINT_URL and the `endpoint` option of clients. */
  endpoint: string;
  simulator: Simulator;
  /** Saves, and closes the door with all connections. */
  close(): Promise<void>;
}

/** Fault 'new' waits for the next image that appears. */
export type FaultRequest = Pick<Fault, 'kind'> & Partial<Fault>;

/** No AWS request of this kind is larger; what is, is not one. */
const largestBody = 10 * 1024 * 1024;

/**
 * @param statePath file the world lives in between processes; null keeps it in memory
 * @param port 0 or absent: any free one
 */
export async function startSimulator(options: {
  world: WorldSource;
  statePath: string | null;
  clock: Clock;
  port?: number | undefined;
}): Promise<SimulatorServer> {
  const { statePath, clock } = options;
  const saved = statePath === null ? null : loadWorld(statePath);
  const simulator = createSimulator({ world: options.world(saved, clock.now()), clock });
  const save = (): void => {
    if (statePath !== null) saveWorld(statePath, simulator.world);
  };
  save();

  const server = createServer((request, response) => {
    receive(request, simulator, save).then(
      (answer) => send(response, answer),
      (error: unknown) => send(response, { status: 500, headers: plainText, body: `${reasonOf(error)}\n` }),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(portRefused(options.port, error)));
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    simulator,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      simulator.advance();
      save();
    },
  };
}

const portRefused = (port: number | undefined, cause: Error): Refused =>
  new Refused(
    'environment',
    `The simulator cannot listen on 127.0.0.1:${port ?? 0}: ${cause.message}`,
    'Choose another port.',
    { cause },
  );

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

const plainText = { 'content-type': 'text/plain; charset=utf-8' };
const asJson = (body: unknown): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: `${JSON.stringify(body)}\n`,
});

async function receive(request: IncomingMessage, simulator: Simulator, save: () => void): Promise<Answer> {
  const body = await readBody(request);
  const { method = 'GET', url = '/' } = request;
  if (url.startsWith('/_simulator')) return control(method, url, body, simulator, save);
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, [value].flat().join(',')]),
  );
  const answer = simulator.answer({ method, url, headers, body });
  if (answer.mutated) save();
  return answer;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > largestBody) throw new Error(`request body of more than ${largestBody} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function control(method: string, url: string, body: string, simulator: Simulator, save: () => void): Answer {
  simulator.advance();
  if (method === 'GET' && url === '/_simulator') {
    const { world, gaps } = simulator;
    return asJson({
      simulator: 'drover',
      pid: process.pid,
      region: world.region,
      now: world.now,
      faults: world.faults,
      gaps: Object.fromEntries(gaps),
    });
  }
  if (method === 'POST' && url === '/_simulator/faults') {
    injectFault(simulator.world, { imageId: 'new', ...(JSON.parse(body) as FaultRequest) });
    save();
    return asJson({ faults: simulator.world.faults });
  }
  if (method === 'DELETE' && url === '/_simulator/faults') {
    clearFaults(simulator.world);
    save();
    return asJson({ faults: [] });
  }
  return { status: 404, headers: plainText, body: `nothing at ${method} ${url}\n` };
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
