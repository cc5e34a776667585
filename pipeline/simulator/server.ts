/**
 * The door on loopback: AWS's endpoints on 127.0.0.1, one for all services, as AWS_ENDPOINT_URL expects it. Saves
 * the world before it answers a request that may have changed it; a client that got an answer can rely on it.
 *
 * Next to AWS's own API there is /_simulator (control.ts).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../clock.ts';
import { Refused, reasonOf } from '../errors.ts';
import { type Answer, control, isControl } from './control.ts';
import type { Loss } from './model/interference.ts';
import { loadWorld, saveWorld } from './saved-world.ts';
import { createSimulator, type Simulator } from './simulator.ts';
import type { Written } from './wire/protocol.ts';
import type { WorldSource } from './world.ts';

export interface SimulatorServer {
  /** 'http://127.0.0.1:PORT', for AWS_ENDPOINT_URL and the `endpoint` option of clients. */
  endpoint: string;
  simulator: Simulator;
  /** Saves, and closes the door with all connections. */
  close(): Promise<void>;
}

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

type Reply = Written & Pick<Answer, 'status'> & { lost?: Loss | null };

const plainText = { 'content-type': 'text/plain; charset=utf-8' };

async function receive(request: IncomingMessage, simulator: Simulator, save: () => void): Promise<Reply> {
  const body = await readBody(request);
  const { method = 'GET', url = '/' } = request;
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, [value].flat().join(',')]),
  );
  const answer = isControl(url)
    ? control(simulator, method, url, body.toString())
    : simulator.answer({ method, url, headers, body });
  if (answer.mutated) save();
  return answer;
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > largestBody) throw new Error(`request body of more than ${largestBody} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, { status, headers, body, lost = null }: Reply): void {
  // Without an answer the connection stays open until the client gives up, or the door closes.
  if (lost?.how === 'no answer') return;
  if (lost?.how === 'connection closed') {
    response.destroy();
    return;
  }
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
