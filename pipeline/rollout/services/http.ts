/**
 * One HTTP request of a gate or a drain: bounded in time and in size, straight to the address it names (no redirect,
 * no proxy, no retry: the loop asks again). What an answer means is not decided here.
 *
 * `Http` is a port, so that tests and rehearsals answer in virtual time; `httpRequest` is the real one. Its time limit
 * is real time, like that of a command: it bounds a socket, not the rollout's waiting.
 */
import { request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { reasonOf } from '../../errors.ts';

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT';
  url: string;
  headers?: Record<string, string>;
  body?: string;
  timeoutMs: number;
  /** For https. Left out: the certificate is verified against the system's authorities for the URL's host. */
  tls?: { verify: false } | { ca?: string; servername?: string };
  /** A larger answer is cut. Left out: a megabyte. */
  bodyLimitBytes?: number;
}

export interface HttpAnswer {
  status: number;
  /** As text; cut at the request's limit. */
  body: string;
}

/** @throws NoAnswer when none came, the signal's reason when that aborts */
export type Http = (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>;

/** Nothing answered, or not in time; the message says which, in words that stay the same while nothing changes. */
export class NoAnswer extends Error {}

/** Health pages and query results are small; what is larger is not kept in memory a thousand times over. */
const bodyLimitBytesUsual = 1024 * 1024;

export const httpRequest: Http = async (request, signal) => {
  const { method, url, headers, body, timeoutMs, tls = {}, bodyLimitBytes = bodyLimitBytesUsual } = request;
  const limit = AbortSignal.timeout(timeoutMs);
  const options = {
    method,
    headers: { connection: 'close', ...headers, ...(body !== undefined && lengthOf(body)) },
    // Not the shared agent, which NODE_USE_ENV_PROXY sends through a proxy.
    agent: false,
    signal: AbortSignal.any([signal, limit]),
    ...('verify' in tls ? { rejectUnauthorized: false } : tls),
  };
  try {
    return await new Promise<HttpAnswer>((resolve, reject) => {
      const send = url.startsWith('https:') ? secure : plain;
      const outgoing = send(url, options, (incoming) => {
        const chunks: Buffer[] = [];
        let size = 0;
        const done = (): void => {
          const text = Buffer.concat(chunks).subarray(0, bodyLimitBytes).toString('utf8');
          resolve({ status: incoming.statusCode!, body: text });
        };
        incoming.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size < bodyLimitBytes) return;
          done();
          incoming.destroy();
        });
        incoming.on('end', done);
        incoming.on('error', reject);
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) throw new NoAnswer(`no answer within ${timeoutMs / 1000} s`, { cause: error });
    throw new NoAnswer(causeOf(error), { cause: error });
  }
};

/** An address as it stands in a URL. */
export const hostOf = (address: string): string => (address.includes(':') ? `[${address}]` : address);

/** A body's JSON; null for one that is none. */
export function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

const lengthOf = (body: string) => ({ 'content-length': String(Buffer.byteLength(body)) });

/** Happy Eyeballs reports all its attempts at once, with an empty message of its own. */
function causeOf(error: unknown): string {
  const { code, errors } = error as { code?: string; errors?: unknown[] };
  return (errors?.[0] !== undefined ? reasonOf(errors[0]) : reasonOf(error)) || code || 'no answer';
}
