/**
 * What the SDK throws → what Drover throws. Decides only the kind of an error; never retries (the SDK's adaptive
 * mode does) and never hides one.
 *
 * A read that cannot reach the service, or may not use it, changed nothing and is Refused 'environment'. Whatever
 * goes wrong with a mutation is a CloudError, because the caller must know whether it may have been carried out.
 */
import { Refused, reasonOf } from '../../errors.ts';
import { CloudError } from '../cloud.ts';

export type CallKind = 'read' | 'mutation';

/** Where the calls go, for messages. */
export interface Address {
  region: string;
  endpoint: string | null;
}

/** Nothing was sent: the connection was never made. */
const unreachable = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
/** The connection broke or no answer came in time: the request may have arrived. */
const unanswered = new Set(['ETIMEDOUT', 'ECONNRESET', 'EPIPE', 'ECONNABORTED', 'TimeoutError']);
const unauthenticated = new Set([
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'AuthFailure',
  'SignatureDoesNotMatch',
  'MissingAuthenticationToken',
  'RequestExpired',
]);
const unauthorized = new Set(['AccessDenied', 'AccessDeniedException', 'UnauthorizedOperation']);

/** The service's own code, e.g. 'ValidationError'; the SDK's modelled exceptions append 'Fault' or 'Exception' to it. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'Unknown';
  const { Error: detail, Code, code } = error as { Error?: { Code?: string }; Code?: string; code?: string };
  return detail?.Code ?? Code ?? code ?? error.name.replace(/(?<=[a-z])(Fault|Exception)$/, '');
}

/** A service's refusal, or an answer that could not be read (a proxy's page instead of XML). */
const isAnswer = (error: unknown): boolean =>
  typeof error === 'object' &&
  error !== null &&
  ('$fault' in error || '$response' in error || statusOf(error) !== undefined);

const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } })?.$metadata?.httpStatusCode;

export function translate(operation: string, kind: CallKind, address: Address, error: unknown): Error {
  if (error instanceof CloudError || error instanceof Refused) return error;
  const code = codeOf(error);
  const name = error instanceof Error ? error.name : '';
  const offline = unreachable.has(code);
  const silent = unanswered.has(code) || unanswered.has(name);
  // Neither the service nor the network said this: it is a bug, and must look like one.
  if (!offline && !silent && !unauthenticated.has(name) && !isAnswer(error)) {
    return error instanceof Error ? error : new Error(String(error));
  }
  if (kind === 'read') {
    const refusal = refusalOf(operation, code, name, offline || silent, address, error);
    if (refusal) return refusal;
  }
  const outcomeUnknown = kind === 'mutation' && !offline && (silent || (statusOf(error) ?? 400) >= 500);
  return new CloudError(
    operation,
    offline || silent ? 'EndpointUnreachable' : code,
    reasonOf(error) || code,
    {
      cause: error,
      outcomeUnknown,
    },
  );
}

function refusalOf(
  operation: string,
  code: string,
  name: string,
  noAnswer: boolean,
  { region, endpoint }: Address,
  cause: unknown,
): Refused | null {
  const place = endpoint ?? `AWS in ${region}`;
  if (noAnswer) {
    return new Refused(
      'environment',
      `${place} does not answer (${code}, ${operation})`,
      endpoint
        ? 'Start what listens there, or correct the endpoint.'
        : 'Check the network, proxy settings and `region` in drover.yaml.',
      { cause },
    );
  }
  if (unauthenticated.has(code) || unauthenticated.has(name)) {
    return new Refused(
      'environment',
      `${place} does not accept the credentials: ${reasonOf(cause)}`,
      'Sign in again (AWS_PROFILE, AWS_ACCESS_KEY_ID, an instance role or OIDC), then repeat the command.',
      { cause },
    );
  }
  if (unauthorized.has(code)) {
    return new Refused(
      'environment',
      `these credentials may not call ${operation}: ${reasonOf(cause)}`,
      'Attach the policy the README shows to the role Drover uses.',
      { cause },
    );
  }
  return null;
}
