/** What the readers of scanners' reports share: a report as data, or one sentence about what is wrong with it. */
import { z } from 'zod';
import { reasonOf } from '../../pipeline/errors.ts';
import type { Sighting } from './finding.ts';

/** What one scanner said. */
export interface ScannerReport {
  /** Name and version, as the report itself says. */
  scanner: string;
  /** When the scanner's database was built, RFC 3339; null when the report does not say. */
  database: string | null;
  sightings: Sighting[];
}

/** @param kind what the text should be, with its article @throws Error naming that and the place of the problem */
export function parseDocument<S extends z.ZodType>(kind: string, text: string, shape: S): z.output<S> {
  if (text.trim() === '') throw new Error(`not ${kind}: it is empty`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // Says where JSON ends too early, or begins with what is none.
    throw new Error(`not ${kind}: ${reasonOf(error)}`);
  }
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`not ${kind}: ${issue!.path.join('.') || 'the document'}: ${issue!.message}`);
}

/** Go's encoders write null for an empty list. */
export const list = <S extends z.ZodType>(item: S) =>
  z
    .array(item)
    .nullish()
    .transform((items) => items ?? []);
