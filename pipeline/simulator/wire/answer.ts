/**
 * One HTTP request of an AWS client → one HTTP answer. Finds service and operation, reads the input, lets the
 * operation work on the world, writes the output; whatever is wrong becomes an error in AWS's own shape.
 * Signatures must be there; they are not verified: on loopback there is nobody to keep out.
 */
import { randomUUID } from 'node:crypto';
import { ServiceError } from '../model/errors.ts';
import { interfere, type Loss } from '../model/interference.ts';
import type { World } from '../model/state.ts';
import { readQuery, UnknownParameter } from './query.ts';
import { operationSchema, type Service, services } from './services.ts';
import { writeAnswer, writeError } from './xml.ts';

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

/** What clients asked for and the simulator lacks → how often: 'ec2:CopyImage', 'ec2:RunInstances.Placement (ignored)'. */
export type Gaps = Map<string, number>;

export function answer(world: World, request: WireRequest, gaps: Gaps): WireAnswer {
  const parameters = readParameters(request);
  const name = parameters.get('Action') ?? '';
  const service = findService(request, parameters);
  const { dialect, namespace } = service;
  const envelope = { dialect, namespace, operation: name, requestId: randomUUID() };
  const respond = (status: number, body: string, lost: Loss | null = null): WireAnswer => ({
    status,
    headers: {
      'content-type': dialect === 'ec2Query' ? 'text/xml;charset=UTF-8' : 'text/xml',
      'x-amzn-requestid': envelope.requestId,
    },
    body,
    mutated: !/^(?:Describe|Get|List)/.test(name),
    lost,
  });
  try {
    requireSignature(request, parameters, service);
    const schema = operationSchema(service, name);
    const operation = Object.hasOwn(service.operations, name) ? service.operations[name] : undefined;
    if (!schema || !operation) {
      count(gaps, `${service.signingName}:${name}`);
      throw new ServiceError('InvalidAction', `The action ${name} is not valid for this web service.`);
    }
    const lost = interfere(world, service.signingName, name);
    const input = readQuery(parameters, schema.input, dialect);
    if (input.DryRun === true) {
      throw new ServiceError('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
    }
    const watched = watchReads(input);
    const output = operation(world, watched.input as never);
    for (const parameter of watched.unread()) {
      count(gaps, `${service.signingName}:${name}.${parameter} (ignored)`);
    }
    return respond(200, writeAnswer(envelope, schema.output, output), lost);
  } catch (error) {
    if (error instanceof UnknownParameter) count(gaps, `${service.signingName}:${name}: ${error.message}`);
    if (error instanceof ServiceError) return respond(error.status, writeError(envelope, error));
    throw error;
  }
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

/** A service this account lacks answers InvalidAction to everything, and is counted as a gap. */
const absentService = (signingName: string, version: string): Service => ({
  signingName,
  version,
  namespace: `http://${signingName}.amazonaws.com/doc/${version}/`,
  dialect: 'awsQuery',
  schemas: {},
  operations: {},
});

function requireSignature(request: WireRequest, parameters: URLSearchParams, service: Service): void {
  if (request.headers.authorization !== undefined) return;
  if (parameters.has('X-Amz-Signature') || parameters.has('Signature')) return;
  throw service.dialect === 'ec2Query'
    ? new ServiceError('AuthFailure', 'AWS was not able to validate the provided access credentials', 401)
    : new ServiceError('MissingAuthenticationToken', 'Request is missing Authentication Token', 403);
}

const count = (gaps: Gaps, what: string): void => void gaps.set(what, (gaps.get(what) ?? 0) + 1);

/** Finds out which given parameters an operation never looks at, so that no gap stays hidden. */
function watchReads(input: Record<string, unknown>): {
  input: Record<string, unknown>;
  unread(): string[];
} {
  const read = new Set<string | symbol>(['DryRun']);
  return {
    input: new Proxy(input, {
      get(target, key) {
        read.add(key);
        return Reflect.get(target, key);
      },
    }),
    unread: () => Object.keys(input).filter((key) => !read.has(key)),
  };
}
