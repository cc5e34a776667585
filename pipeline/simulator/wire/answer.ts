/**
 * One HTTP request of an AWS client → one HTTP answer. Finds service and operation, reads the input, lets the
 * operation work on the world, writes the output; whatever is wrong becomes an error in AWS's own shape.
 * Signatures must be there; they are not verified: on loopback there is nobody to keep out.
 */
import { randomUUID } from 'node:crypto';
import type { NormalizedSchema } from '@smithy/core/schema';
import { ServiceError } from '../model/errors.ts';
import type { Loss } from '../model/interference.ts';
import type { World } from '../model/state.ts';
import { call, type Gaps, mutates } from './call.ts';
import { readQuery } from './query.ts';
import { absentService, type Service, services } from './services.ts';
import { type Envelope, writeAnswer, writeError } from './xml.ts';

export interface WireRequest {
  method: string;
  /** Path and query, as in the request line. */
  url: string;
  /** Names in lower case. */
  headers: Record<string, string | undefined>;
  body: string;
}

export interface WireAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
  /** Whether the world may differ from before, other than by time. */
  mutated: boolean;
  /** What became of the answer on its way, if a fault says so; the call was carried out. */
  lost: Loss | null;
}

export function answer(world: World, request: WireRequest, gaps: Gaps): WireAnswer {
  const parameters = readParameters(request);
  const name = parameters.get('Action') ?? '';
  const service = findService(request, parameters);
  try {
    requireSignature(request, parameters, service);
    const read = (schema: NormalizedSchema) => readQuery(parameters, schema, service.dialect);
    const { schema, output, lost } = call(world, service, name, read, gaps);
    return { ...respond(service, name, 200, (envelope) => writeAnswer(envelope, schema, output)), lost };
  } catch (error) {
    if (error instanceof ServiceError) return errorAnswer(service, name, error);
    throw error;
  }
}

/** The error in the shape of the service's protocol. */
export const errorAnswer = (service: Service, operation: string, error: ServiceError): WireAnswer =>
  respond(service, operation, error.status, (envelope) => writeError(envelope, error));

function respond(
  service: Service,
  operation: string,
  status: number,
  write: (envelope: Envelope) => string,
): WireAnswer {
  const { dialect, namespace } = service;
  const requestId = randomUUID();
  return {
    status,
    headers: {
      'content-type': dialect === 'ec2Query' ? 'text/xml;charset=UTF-8' : 'text/xml',
      'x-amzn-requestid': requestId,
    },
    body: write({ dialect, namespace, operation, requestId }),
    mutated: mutates(operation),
    lost: null,
  };
}

function readParameters(request: WireRequest): URLSearchParams {
  const query = request.url.indexOf('?');
  const parameters = new URLSearchParams(query < 0 ? '' : request.url.slice(query + 1));
  for (const [name, value] of new URLSearchParams(request.body)) parameters.append(name, value);
  return parameters;
}

/** By credential scope ('…/20261122/eu-central-1/autoscaling/aws4_request') and API version. */
function findService(request: WireRequest, parameters: URLSearchParams): Service {
  const scope = request.headers.authorization ?? parameters.get('X-Amz-Credential') ?? '';
  const signingName = /\/([a-z0-9-]+)\/aws4_request/.exec(scope)?.[1];
  const version = parameters.get('Version') ?? '';
  return (
    services.find((service) => service.signingName === signingName && service.version === version) ??
    services.find((service) => service.version === version) ??
    absentService(signingName ?? 'unknown', version)
  );
}

function requireSignature(request: WireRequest, parameters: URLSearchParams, service: Service): void {
  if (request.headers.authorization !== undefined) return;
  if (parameters.has('X-Amz-Signature') || parameters.has('Signature')) return;
  throw service.dialect === 'ec2Query'
    ? new ServiceError('AuthFailure', 'AWS was not able to validate the provided access credentials', 401)
    : new ServiceError('MissingAuthenticationToken', 'Request is missing Authentication Token', 403);
}
