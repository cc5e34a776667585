/** What the readers of scanners' reports share: a report as data, or one sentence about what is wrong with it. */
import { z } from 'zod';
import type { Sighting } from './finding.ts';

/** What one scanner said. */
export interface ScannerReport {
  /** Name and version, as the report itself says. */
  scanner: string;
  /** When the scanner's database was built, RFC 3339; null when the report does not say. */
  database: string | null;
  sightings: Sighting[];
}

export const firstProblem = (error: z.ZodError): string => {
  const [issue] = error.issues;
  return issue ? `${issue.path.join('.') || 'the document'}: ${issue.message}` : 'unreadable';
};

/** @throws Error naming scanner and place */
export function parseReport<S extends z.ZodType>(scanner: string, text: string, shape: S): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(
      `${scanner} answered with something that is not JSON: ${text.slice(0, 80).trim() || 'nothing'}`,
    );
  }
  const parsed = shape.safeParse(value);
  if (!parsed.success) throw new Error(`not a report of ${scanner}: ${firstProblem(parsed.error)}`);
  return parsed.data;
}

/** Go's encoders write null for an empty list. */
export const list = <S extends z.ZodType>(item: S) =>
  z
    .array(item)
    .nullish()
    .transform((items) => items ?? []);
