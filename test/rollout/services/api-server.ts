/**
 * A Kubernetes API server on loopback that answers as a real one did: each answer was recorded from kube-apiserver
 * 1.32.1 (fixtures/kubernetes-1.32.1) and is given to the request it was recorded for, body included. A request that
 * no recording or test has an answer for is refused and remembered as a stranger.
 */
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'vitest';

const directory = new URL('./fixtures/kubernetes-1.32.1', import.meta.url).pathname;

export interface Recording {
  step: string;
  request: { method: string; path: string; contentType: string; body: object | null };
  response: { status: number; headers: Record<string, string>; body: Record<string, unknown> };
}

const recordings = new Map(
  globSync('*.json', { cwd: directory }).map((file) => [
    basename(file, '.json').slice(3),
    JSON.parse(readFileSync(join(directory, file), 'utf8')) as Recording,
  ]),
);

/** By its step's name, without the number. */
export function recording(step: string): Recording {
  const found = recordings.get(step);
  if (!found) throw new TypeError(`no recording of '${step}'`);
  return structuredClone(found);
}

export interface ApiServer {
  url: string;
  /** What leads here: a kubeconfig on disk, which has no other context. */
  cluster: { type: 'kubeconfig'; file: string; context: string };
  /** Gives these recorded answers to their requests from now on. */
  replay(...steps: string[]): void;
  /** Gives an answer of the test's own to a method and path; a body that depends on the query as a function of it. */
  answer(
    route: string,
    body: object | ((query: URLSearchParams, body: unknown) => object),
    status?: number,
    headers?: Record<string, string>,
  ): void;
  /** What was asked: method, path with query, body. */
  asked: { route: string; query: URLSearchParams; headers: IncomingMessage['headers']; body: unknown }[];
  /** Requests nobody has an answer for. */
  strangers: string[];
  /** Answers no more; its kubeconfig stays. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

interface Prepared {
  response: {
    status: number;
    headers: Record<string, string>;
    body: object | ((query: URLSearchParams, body: unknown) => object);
  };
  /** Null when any will do. */
  request: Recording['request'] | null;
}

export async function apiServer(): Promise<ApiServer> {
  const temporary = mkdtempSync(join(tmpdir(), 'drover-kubernetes-'));
  const prepared = new Map<string, Prepared>();
  const asked: ApiServer['asked'] = [];
  const strangers: string[] = [];
  const server = createServer(async (incoming, outgoing) => {
    let text = '';
    for await (const chunk of incoming) text += chunk;
    const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://127.0.0.1');
    const route = `${incoming.method} ${pathname}`;
    const body: unknown = text === '' ? null : JSON.parse(text);
    asked.push({ route, query: searchParams, headers: incoming.headers, body });
    const known = prepared.get(route);
    const complaint = known ? difference(known.request, incoming, searchParams, body) : 'nobody answers that';
    if (!known || complaint) {
      strangers.push(`${route}: ${complaint}`);
      outgoing.writeHead(418).end(JSON.stringify({ message: complaint }));
      return;
    }
    outgoing.writeHead(known.response.status, {
      'Content-Type': 'application/json',
      ...known.response.headers,
    });
    const answer = known.response.body;
    outgoing.end(JSON.stringify(typeof answer === 'function' ? answer(searchParams, body) : answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    url,
    cluster: { type: 'kubeconfig', file: kubeconfigIn(temporary, url), context: 'test' },
    replay(...steps) {
      for (const step of steps) {
        const { request, response } = recording(step);
        const { pathname } = new URL(request.path, url);
        prepared.set(`${request.method} ${pathname}`, { request, response });
      }
    },
    answer(route, body, status = 200, headers = {}) {
      prepared.set(route, { request: null, response: { status, headers, body } });
    },
    asked,
    strangers,
    stop,
    async close() {
      await stop();
      rmSync(temporary, { recursive: true, force: true });
    },
  };
}

function kubeconfigIn(folder: string, server: string): string {
  const file = join(folder, 'config');
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: { token: 'from-the-kubeconfig' } }],
    contexts: [{ name: 'test', context: { cluster: 'c', user: 'u' } }],
  };
  writeFileSync(file, JSON.stringify(kubeconfig));
  return file;
}

/** How a request differs from the recorded one: paging aside, the query and the body must be the same. */
function difference(
  request: Recording['request'] | null,
  incoming: IncomingMessage,
  query: URLSearchParams,
  body: unknown,
): string | null {
  if (!request) return null;
  const recorded = new URL(request.path, 'http://127.0.0.1').searchParams;
  const rest = new URLSearchParams(query);
  for (const parameters of [recorded, rest]) parameters.delete('limit');
  try {
    expect(Object.fromEntries(rest)).toEqual(Object.fromEntries(recorded));
    if (request.body === null) return null;
    expect(incoming.headers['content-type']).toBe(request.contentType);
    // A patch may change more than the recorded one did; every other body is the same to the letter.
    if (request.method === 'PATCH') expect(body).toMatchObject(request.body);
    else expect(body).toEqual(request.body);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The two recorded nodes, as a list of them would show them. */
export function nodeList(...changes: ((node: Node) => void)[]): object {
  const items = ['node-a-ready', 'node-b-ready'].map(
    (step) => recording(step).response.body as unknown as Node,
  );
  for (const change of changes) for (const node of items) change(node);
  return { kind: 'NodeList', apiVersion: 'v1', metadata: { resourceVersion: '258' }, items };
}

export interface Node {
  metadata: { name: string; resourceVersion: string; annotations?: Record<string, string> };
  spec: { providerID: string; unschedulable?: boolean; taints?: object[] };
  status: { conditions: { type: string; status: string; reason?: string }[] };
}

export interface Pod {
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    deletionTimestamp?: string;
    ownerReferences?: object[];
    labels?: Record<string, string>;
  };
  spec: { volumes?: object[] };
  status: { phase: string; conditions?: { type: string; status: string }[] };
}

/** The pods recorded on node-a while it was cordoned: agent (DaemonSet), bare, static (mirror), two of web. */
export function podList(change: (pods: Pod[]) => Pod[] = (pods) => pods): object {
  const { body } = recording('list-pods-on-node-a-cordoned').response;
  return { ...body, items: change(body.items as Pod[]) };
}
