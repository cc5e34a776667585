/** Copies of inputs and outputs, by their schemas: what the wire would carry, and nothing shared. */
import type { NormalizedSchema } from '@smithy/core/schema';

/** Copies a value, its times shifted. */
type Copier = (value: unknown, offsetMs: number) => unknown;

/** Schemas are read once: an answer about a thousand instances has fifty thousand values of the same few shapes. */
const copiers = new WeakMap<NormalizedSchema, Copier>();

/** @param offsetMs added to every time */
export const copied = (schema: NormalizedSchema, value: object, offsetMs = 0): Record<string, unknown> =>
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

/** Text, numbers and truth values are handed over as they are. */
const isPlain = (schema: NormalizedSchema): boolean =>
  schema.isStringSchema() || schema.isNumericSchema() || schema.isBooleanSchema();

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
    const members = [...schema.structIterator()].map(([name, member]) => ({
      name,
      copy: isPlain(member) ? null : lazily(member),
    }));
    return (value, offsetMs) => {
      const given = value as Record<string, unknown>;
      const copy: Record<string, unknown> = {};
      for (const member of members) {
        const item = given[member.name];
        if (item === undefined || item === null) continue;
        copy[member.name] = member.copy ? member.copy(item, offsetMs) : item;
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
