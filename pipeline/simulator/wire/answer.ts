/**
 * One HTTP request of an AWS client → one HTTP answer. Finds service, operation and protocol, reads the input, lets the
 * operation work on the world, writes the output; whatever is wrong becomes an error in AWS's own shape.
 * Signatures must be there; they are not verified: on loopback there is nobody to keep out.
 */
import { randomUUID } from 'node:crypto';
import { reasonOf } from '../../errors.ts';
import { ServiceError } from '../model/errors.ts';
import type { Loss } from '../model/interference.ts';
import { isRead } from '../model/limits.ts';
import type { World } from '../model/state.ts';
import { type Addressed, call, count, type Gaps } from './call.ts';
import { type Envelope, parametersOf, type WireRequest, type Written } from './protocol.ts';
import { addressOf } from './routing.ts';

export interface WireAnswer extends Written {
  status: number;
  /** Whether the world may differ from before, other than by time. */
  mutated: boolean;
  /** What became of the answer on its way, if a fault says so; the call was carried out. */
  lost: Loss | null;
}

export function answer(world: World, request: WireRequest, gaps: Gaps): WireAnswer {
  const addressed = addressOf(request);
  const { protocol } = addressed;
  try {
    if (!isSigned(request)) throw protocol.unsigned();
    const { schema, output, lost } = call(world, addressed, (input) => protocol.read(request, input), gaps);
    const write = (envelope: Envelope): Written => protocol.write(envelope, schema, output);
    return dated(world, { ...respond(addressed, 200, write), lost });
  } catch (error) {
    if (error instanceof ServiceError) return dated(world, errorAnswer(addressed, error));
    const broken = brokenBy(error);
    count(gaps, `${addressed.service.signingName}:${addressed.operation} failed: ${broken.message}`);
    return dated(world, errorAnswer(addressed, broken));
  }
}

/** A defect of the simulator: counted, and in AWS's shape, so that it neither ends the host nor confuses clients. */
const brokenBy = (error: unknown): ServiceError =>
  new ServiceError('InternalFailure', `The simulator failed: ${reasonOf(error)}`, 500);

/** Clients correct their signatures by the service's clock. */
function dated({ now, clockOffsetMs }: World, answer: WireAnswer): WireAnswer {
  return { ...answer, headers: { ...answer.headers, date: new Date(now + clockOffsetMs).toUTCString() } };
}

export const errorAnswer = (addressed: Addressed, error: ServiceError): WireAnswer =>
  respond(addressed, error.status, (envelope) => addressed.protocol.writeError(envelope, error));

const respond = (
  { service, operation }: Addressed,
  status: number,
  write: (envelope: Envelope) => Written,
): WireAnswer => ({
  status,
  ...write({ service, operation, requestId: randomUUID() }),
  mutated: !isRead(operation),
  lost: null,
});

function isSigned(request: WireRequest): boolean {
  if (request.headers.authorization !== undefined) return true;
  const parameters = parametersOf(request);
  return parameters.has('X-Amz-Signature') || parameters.has('Signature');
}
