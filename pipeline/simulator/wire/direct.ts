/**
 * The door within this process: an operation called with its input as the SDK has it, answered with its output. What
 * passes is copied by the operation's schema, so that exactly what the wire would carry gets through, and nothing is
 * shared between caller and world. Only errors are written out, because each protocol words them its own way.
 */
import type { NormalizedSchema } from '@smithy/core/schema';
import { ServiceError } from '../model/errors.ts';
import type { Loss } from '../model/interference.ts';
import type { World } from '../model/state.ts';
import { errorAnswer, type WireAnswer } from './answer.ts';
import { call, type Gaps } from './call.ts';
import { copied } from './copy.ts';
import { requireMembers } from './protocol.ts';
import { serviceOf } from './services.ts';

export type DirectAnswer = { output: object; lost: Loss | null } | WireAnswer;

export function callDirectly(
  world: World,
  signingName: string,
  operation: string,
  input: object,
  gaps: Gaps,
): DirectAnswer {
  const service = serviceOf(signingName);
  const { protocol } = service;
  const addressed = { service, operation, protocol };
  try {
    const read = (schema: NormalizedSchema): Record<string, unknown> => {
      const given = copied(schema, input);
      requireMembers(schema, given, protocol);
      return given;
    };
    const { schema, output, lost } = call(world, addressed, read, gaps);
    return { output: copied(schema, output), lost };
  } catch (error) {
    if (error instanceof ServiceError) return errorAnswer(addressed, error);
    throw error;
  }
}
