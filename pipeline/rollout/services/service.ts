/**
 * JSON over HTTP with a service beside the cloud (Nomad, Vault, Consul): the token and the authority come from where
 * the configuration says, at every request anew because both are rotated. What an answer means is not decided here.
 */
import { readFile } from 'node:fs/promises';
import type { ServiceAccess } from '../../config/orchestrators.ts';
import { reasonOf } from '../../errors.ts';
import { type Http, type HttpRequest, jsonOf, NoAnswer } from './http.ts';
import { ServiceError } from './outage.ts';
import { tokenOf } from './token.ts';

export interface ServiceAnswer {
  status: number;
  /** The parsed body; null when there is none, or none that is JSON. */
  body: unknown;
  /** Method, URL and status, and what the service says, for messages. */
  shown: string;
}

export interface ServiceRequest {
  method: HttpRequest['method'];
  url: string;
  body?: object;
}

/** These services answer in milliseconds; a leave or a step-down takes seconds. */
const requestTimeoutMs = 15_000;
/** Lists of a large cluster are large: the allocations of one Nomad node come with their jobs. */
const bodyLimitBytes = 64 * 1024 * 1024;
/** Enough of a service's words to see what is wrong. */
const shownLimit = 200;

/**
 * @param header the service's own name for the token's header
 * @throws ServiceError when no answer came, or the request could not even be made
 */
export async function request(
  { http, signal }: { http: Http; signal: AbortSignal },
  access: ServiceAccess,
  header: string,
  { method, url, body }: ServiceRequest,
): Promise<ServiceAnswer> {
  const place = `${method} ${url}`;
  const token = await tokenOf(access);
  if ('missing' in token) throw new ServiceError(`${place}: ${token.missing}`);
  const answer = await http(
    {
      method,
      url,
      headers: {
        accept: 'application/json',
        ...(token.value !== null && { [header]: token.value }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      timeoutMs: requestTimeoutMs,
      bodyLimitBytes,
      tls: await authority(place, access),
    },
    signal,
  ).catch((error: unknown) => {
    if (error instanceof NoAnswer) throw new ServiceError(`${place}: ${error.message}`, { cause: error });
    throw error;
  });
  const said = answer.body.trim().slice(0, shownLimit);
  return {
    status: answer.status,
    body: jsonOf(answer.body),
    shown: `${place}: ${answer.status}${said ? `: ${said}` : ''}`,
  };
}

/** The answer's body as the service documents it. @throws ServiceError for any other status than 2xx, or another shape */
export function expected<T>(
  answer: ServiceAnswer,
  schema: { safeParse(value: unknown): { success: true; data: T } | { success: false } },
): T {
  if (answer.status < 200 || answer.status > 299) throw new ServiceError(answer.shown);
  const parsed = schema.safeParse(answer.body);
  if (!parsed.success) throw new ServiceError(`${answer.shown} (not what the service documents)`);
  return parsed.data;
}

async function authority(place: string, { ca_file, server_name }: ServiceAccess) {
  const name = server_name === undefined ? {} : { servername: server_name };
  if (ca_file === undefined) return name;
  try {
    return { ca: await readFile(ca_file, 'utf8'), ...name };
  } catch (error) {
    throw new ServiceError(`${place}: the authority cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}
