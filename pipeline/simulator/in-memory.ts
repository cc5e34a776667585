/**
 * The wire without a socket: a request handler for AWS SDK clients (`new EC2Client({ requestHandler })`), so that
 * the real client code, serialisers and retries included, runs against the simulator on any clock.
 */
import { loseAnswer } from './loss.ts';
import type { Simulator } from './simulator.ts';

/** The part of the SDK's HttpRequest that is used here. */
interface SdkRequest {
  method: string;
  path: string;
  query?: Record<string, string | string[] | null>;
  headers: Record<string, string>;
  body?: unknown;
}

/** What the SDK takes for an HttpResponse: it looks at the properties, not at the class. */
interface SdkResponse {
  statusCode: number;
  reason?: string;
  headers: Record<string, string>;
  body: Uint8Array;
}

export interface InMemoryHandler {
  handle(request: SdkRequest, options?: { abortSignal?: unknown }): Promise<{ response: SdkResponse }>;
  updateHttpClientConfig(key: never, value: never): void;
  httpHandlerConfigs(): Record<string, never>;
  destroy(): void;
}

export function createInMemoryHandler(simulator: Simulator): InMemoryHandler {
  return {
    async handle(request) {
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries(request.query ?? {})) {
        for (const item of [value].flat()) query.append(name, item ?? '');
      }
      const { status, headers, body, lost } = simulator.answer({
        method: request.method,
        url: query.size > 0 ? `${request.path}?${query}` : request.path,
        headers: Object.fromEntries(
          Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]),
        ),
        body: bodyOf(request.body),
      });
      if (lost) await loseAnswer(simulator.clock, lost);
      return { response: { statusCode: status, headers, body: Buffer.from(body) } };
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
    destroy() {},
  };
}

function bodyOf(body: unknown): string | Uint8Array {
  if (body === undefined || body === null) return '';
  if (typeof body === 'string') return body;
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  throw new TypeError('the in-memory door takes request bodies that are text or bytes');
}
