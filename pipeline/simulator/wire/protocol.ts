/** What a protocol of AWS is to this simulator: how it reads inputs, and how it writes outputs and errors. */
import type { NormalizedSchema } from '@smithy/core/schema';
import { ServiceError } from '../model/errors.ts';
import type { Service } from './services.ts';

export interface WireRequest {
  method: string;
  /** Path and query, as in the request line. */
  url: string;
  /** Names in lower case. */
  headers: Record<string, string | undefined>;
  body: string | Uint8Array;
}

/** Whose answer it is. */
export interface Envelope {
  service: Service;
  operation: string;
  requestId: string;
}

export interface Written {
  headers: Record<string, string>;
  body: string | Uint8Array;
}

export interface Protocol {
  read(request: WireRequest, schema: NormalizedSchema): Record<string, unknown>;
  write(envelope: Envelope, schema: NormalizedSchema, output: object): Written;
  writeError(envelope: Envelope, error: ServiceError): Written;
  /** A required member was not given. */
  missing(path: string): ServiceError;
  unknownOperation(name: string): ServiceError;
  unsigned(): ServiceError;
}

/** A parameter AWS does not know either, or one that only AWS knows: counted as a gap. */
export class UnknownParameter extends ServiceError {}

export const textOf = ({ body }: WireRequest): string =>
  typeof body === 'string' ? body : Buffer.from(body).toString();

/** Query and body together, as the Query protocols have their parameters in either. */
export function parametersOf(request: WireRequest): URLSearchParams {
  const query = request.url.indexOf('?');
  const parameters = new URLSearchParams(query < 0 ? '' : request.url.slice(query + 1));
  if ((request.headers['content-type'] ?? formType).startsWith(formType)) {
    for (const [name, value] of new URLSearchParams(textOf(request))) parameters.append(name, value);
  }
  return parameters;
}
const formType = 'application/x-www-form-urlencoded';

/** The members a structure requires come first in its schema, and the schema ends with their number. */
export function requiredMembers(schema: NormalizedSchema): string[] {
  if (schema.isUnitSchema()) return [];
  const [, , , , names = [], , count = 0] = schema.getSchema() as unknown as [
    number,
    string,
    string,
    unknown,
    string[]?,
    unknown?,
    number?,
  ];
  return names.slice(0, count);
}

export function requireMembers(
  schema: NormalizedSchema,
  input: Record<string, unknown>,
  protocol: Protocol,
): void {
  for (const member of requiredMembers(schema)) {
    if (input[member] === undefined) throw protocol.missing(member);
  }
}
