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
      const given = copied(schema, input, 0);
      requireMembers(schema, given, protocol);
      return given;
    };
    const { schema, output, lost } = call(world, addressed, read, gaps);
    return { output: copied(schema, output, world.clockOffsetMs), lost };
  } catch (error) {
    if (error instanceof ServiceError) return errorAnswer(world, addressed, error);
    throw error;
  }
}

/** Copies a value, its times shifted. */
type Copier = (value: unknown, offsetMs: number) => unknown;

/** Schemas are read once: an answer about a thousand instances has fifty thousand values of the same few shapes. */
const copiers = new WeakMap<NormalizedSchema, Copier>();

const copied = (schema: NormalizedSchema, value: object, offsetMs: number): Record<string, unknown> =>
  schema.isUnitSchema() ? {} : (copierOf(schema)(value, offsetMs) as Record<string, unknown>);

function copierOf(schema: NormalizedSchema): Copier {
  let copier = copiers.get(schema);
  if (!copier) {
    copier = compile(schema);
    copiers.set(schema, copier);
  }
  return copier;
}

/** Shapes may contain themselves, so the copier of a part is made when it is first needed. */
function lazily(schema: NormalizedSchema): Copier {
  let copier: Copier | null = null;
  return (value, offsetMs) => {
    copier ??= copierOf(schema);
    return copier(value, offsetMs);
  };
}

function compile(schema: NormalizedSchema): Copier {
  if (schema.isListSchema()) {
    const item = lazily(schema.getValueSchema());
    return (value, offsetMs) => (value as unknown[]).map((entry) => item(entry, offsetMs));
  }
  if (schema.isMapSchema()) {
    const item = lazily(schema.getValueSchema());
    return (value, offsetMs) =>
      Object.fromEntries(Object.entries(value as object).map(([key, entry]) => [key, item(entry, offsetMs)]));
  }
  if (schema.isStructSchema()) {
    const members = [...schema.structIterator()].map(([name, member]) => ({ name, copy: lazily(member) }));
    return (value, offsetMs) => {
      const given = value as Record<string, unknown>;
      const copy: Record<string, unknown> = {};
      for (const member of members) {
        const item = given[member.name];
        if (item !== undefined && item !== null) copy[member.name] = member.copy(item, offsetMs);
      }
      return copy;
    };
  }
  if (schema.isTimestampSchema()) {
    return (value, offsetMs) => new Date(new Date(value as Date | number | string).getTime() + offsetMs);
  }
  if (schema.isBlobSchema()) return (value) => Uint8Array.from(value as Uint8Array);
  return (value) => value;
}
