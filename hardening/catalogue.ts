/**
 * The catalogue: rows of facts, each with the benchmark's rules it answers and the controls those stand for. Decides
 * which rows a set of selected rules calls for and that no two of them contradict each other; what a kind's facts
 * mean is in kinds/, what they become in an image in render.ts.
 */
import { z } from 'zod';
import { type Distribution, distributions } from '../pipeline/image.ts';
import type { Change, Facts } from './kinds/kind.ts';
import { type KindName, kindNames, kinds } from './kinds/kinds.ts';

export const ruleName = z.string().regex(/^[A-Za-z0-9_.-]+$/, "a rule's name without its XCCDF prefix");

export const rowSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]+$/, 'small letters, digits and -'),
  kind: z.enum(kindNames),
  rules: z.array(ruleName).default([]),
  controls: z
    .array(z.string().regex(/^[A-Z]{2}-\d+(\(\d+\))?$/, "a NIST SP 800-53 control such as 'AC-6(1)'"))
    .default([]),
  only: z
    .array(z.enum(distributions))
    .optional()
    .meta({ description: 'distributions it is for; default: all' }),
  /** `${name}` stands for a value of the content, as the profile chooses it. */
  desired: z.record(z.string(), z.string()),
});
export type Row = z.output<typeof rowSchema>;

/** Rules that a distribution holds by itself, or that are about something it does not have. */
const asItComesSchema = z.strictObject({ only: rowSchema.shape.only, rules: z.array(ruleName).min(1) });
export type AsItComes = z.output<typeof asItComesSchema>;

export const catalogueSchema = z.strictObject({
  version: z.literal(1),
  rows: z.array(rowSchema).default([]),
  as_it_comes: z.array(asItComesSchema).default([]).meta({
    description: 'rules the distribution holds by itself: nothing is done, the scan holds it to that',
  }),
});

/** A row that applies, with everything put in; this is what the release's record keeps. */
export interface AppliedRow {
  id: string;
  kind: KindName;
  /** 'catalogue', 'overlay NAME' or 'role NAME'. */
  from: string;
  /** Of the row's rules those that are selected. */
  rules: string[];
  controls: string[];
  desired: Record<string, string>;
}

/** Rows with the file they stand in; `path` leads to the first of them. */
export interface RowSource {
  from: string;
  file: string;
  path: PropertyKey[];
  rows: readonly Row[];
}

export interface RowFault {
  file: string;
  path: PropertyKey[];
  message: string;
}

/**
 * The rows that apply: in the catalogue those of which a selected rule speaks, elsewhere also those that answer none.
 * @param isWanted whether a rule is selected and to be remediated
 * @param lookUp a value of the content; undefined when there is none of that name
 */
export function chooseRows(
  sources: readonly RowSource[],
  context: {
    distribution: Distribution;
    isKnown: (rule: string) => boolean;
    isWanted: (rule: string) => boolean;
    lookUp: (name: string) => string | undefined;
  },
): { rows: AppliedRow[]; faults: RowFault[] } {
  const rows: AppliedRow[] = [];
  const faults: RowFault[] = [];
  const factsSoFar = new Map<string, { value: string; row: string }>();
  for (const { from, file, path, rows: candidates } of sources) {
    candidates.forEach((row, index) => {
      if (row.only && !row.only.includes(context.distribution)) return;
      const at = [...path, index];
      row.rules.forEach((rule, ruleIndex) => {
        if (context.isKnown(rule)) return;
        faults.push({
          file,
          path: [...at, 'rules', ruleIndex],
          message: `the content has no rule '${rule}'`,
        });
      });
      const rules = row.rules.filter(context.isWanted);
      if (rules.length === 0 && (row.rules.length > 0 || from === 'catalogue')) return;
      const desired: Record<string, string> = {};
      for (const [writtenName, written] of Object.entries(row.desired)) {
        const fault = (message: string) =>
          faults.push({ file, path: [...at, 'desired', writtenName], message });
        const name = filledIn(writtenName, context.lookUp, fault);
        const value = filledIn(written, context.lookUp, fault);
        const kind = kinds[row.kind];
        const problem = kind.name.safeParse(name).error ?? kind.value.safeParse(value).error;
        if (problem) fault(problem.issues.map(({ message }) => message).join(', '));
        else desired[name] = kind.value.parse(value);
        const key = `${row.kind} ${name}`;
        const before = factsSoFar.get(key);
        if (before && before.value !== desired[name]) {
          fault(`'${value}' contradicts '${before.value}' of the row ${before.row}`);
        }
        factsSoFar.set(key, { value: desired[name] ?? value, row: `${row.id} (${from})` });
      }
      rows.push({ id: row.id, kind: row.kind, from, rules, controls: row.controls, desired });
    });
  }
  return { rows, faults };
}

/** Of the rules a distribution is said to hold by itself those that are meant for this one. */
export function chooseAsItComes(
  sources: readonly { file: string; as_it_comes: readonly AsItComes[] }[],
  { distribution, isKnown }: { distribution: Distribution; isKnown: (rule: string) => boolean },
): { rules: Set<string>; faults: RowFault[] } {
  const found = new Set<string>();
  const faults: RowFault[] = [];
  for (const { file, as_it_comes } of sources) {
    as_it_comes.forEach(({ only, rules }, index) => {
      if (only && !only.includes(distribution)) return;
      rules.forEach((rule, ruleIndex) => {
        const path = ['as_it_comes', index, 'rules', ruleIndex];
        if (!isKnown(rule)) faults.push({ file, path, message: `the content has no rule '${rule}'` });
        found.add(rule);
      });
    });
  }
  return { rules: found, faults };
}

function filledIn(
  text: string,
  lookUp: (name: string) => string | undefined,
  fault: (message: string) => void,
): string {
  return text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = lookUp(name);
    if (value === undefined) fault(`the content has no value '${name}'`);
    return value ?? '';
  });
}

/** All facts the rows ask for, by kind. */
export function factsOf(rows: readonly Pick<AppliedRow, 'kind' | 'desired'>[]): Map<KindName, Facts> {
  const facts = new Map<KindName, Map<string, string>>();
  for (const name of kindNames) {
    const ofKind = rows.filter(({ kind }) => kind === name).flatMap(({ desired }) => Object.entries(desired));
    if (ofKind.length > 0) facts.set(name, new Map(ofKind));
  }
  return facts;
}

/** What has to be written for the rows to hold. */
export const changesOf = (rows: readonly AppliedRow[]): Change[] =>
  [...factsOf(rows)].flatMap(([name, desired]) => kinds[name].change(desired));
