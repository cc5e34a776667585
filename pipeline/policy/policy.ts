/**
 * Policies: what an image must satisfy, as data. Decides what a policy file may say and whether one policy is
 * satisfied by facts; never where facts come from, and never whether a failure may be overridden beyond
 * stating the level the file gave it.
 */
import { z } from 'zod';
import { parseYaml } from '../config/load.ts';
import { compileExpression, type Expression, ExpressionError, type Facts } from './expression.ts';

/**
 * advisory: reported, never stops anything. soft-mandatory: stops, unless a named person accepts it with a
 * reason. hard-mandatory: stops, and nobody can accept it.
 */
export const levels = ['advisory', 'soft-mandatory', 'hard-mandatory'] as const;
export type Level = (typeof levels)[number];

const facts = z.record(
  z.string(),
  z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
);

const policySchema = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, 'lower-case letters, digits and - only'),
  title: z.string().min(1),
  level: z.enum(levels),
  expression: z.string().min(1),
  message: z.string().min(1),
  examples: z.strictObject({ passing: z.array(facts).min(1), failing: z.array(facts).min(1) }),
});

const fileSchema = z.strictObject({ version: z.literal(1), policies: z.array(policySchema).min(1) });

export interface Policy {
  id: string;
  title: string;
  level: Level;
  expression: Expression;
  /** One sentence for a failure; `{subject.fact}` stands for the fact's value. */
  message: string;
  examples: { passing: Facts[]; failing: Facts[] };
}

/**
 * Reads a policy file. Expressions may speak of `subjects` only.
 * @throws Refused('invalid') naming file, line and column of every fault at once
 */
export function parsePolicies(text: string, file: string, subjects: readonly string[]): Policy[] {
  const { policies } = parseYaml(text, file, fileSchema, (value) => faults(value, subjects));
  return policies.map((policy) => ({
    ...policy,
    expression: compileExpression(policy.expression, subjects),
  }));
}

/** What the schema cannot say: ids twice, expressions that do not compile, facts about nothing. */
function faults({ policies }: z.output<typeof fileSchema>, subjects: readonly string[]) {
  const seen = new Set<string>();
  return policies.flatMap((policy, index) => {
    const found: { path: PropertyKey[]; message: string }[] = [];
    if (seen.has(policy.id)) {
      found.push({ path: ['policies', index, 'id'], message: `'${policy.id}' is taken by a policy above` });
    }
    seen.add(policy.id);
    const fault = faultOf(policy.expression, subjects);
    if (fault) found.push({ path: ['policies', index, 'expression'], message: fault });
    for (const kind of ['passing', 'failing'] as const) {
      for (const [position, example] of policy.examples[kind].entries()) {
        for (const subject of Object.keys(example).filter((name) => !subjects.includes(name))) {
          found.push({
            path: ['policies', index, 'examples', kind, position, subject],
            message: `no such subject; there are ${subjects.join(', ')}`,
          });
        }
      }
    }
    return found;
  });
}

function faultOf(expression: string, subjects: readonly string[]): string | null {
  try {
    compileExpression(expression, subjects);
    return null;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return `${error.message}, at character ${error.offset + 1} of the expression (subjects: ${subjects.join(', ')})`;
  }
}

/** Sentences about the policy's own examples that are not what they claim; none when it does what its author meant. */
export function wrongExamples({ expression, examples }: Policy): string[] {
  const wrong = (kind: 'passing' | 'failing') =>
    examples[kind].flatMap((facts, index) => {
      const answer = expression.evaluate(facts);
      if (answer.holds === (kind === 'passing')) return [];
      return [`${kind} example ${index + 1} ${answer.holds ? 'passes' : `fails: ${answer.because}`}`];
    });
  return [...wrong('passing'), ...wrong('failing')];
}

/** The policy's message with the facts filled in; a fact nobody knows reads 'unknown'. */
export function explain(policy: Policy, facts: Facts): string {
  return policy.message.replace(/\{(\w+)\.(\w+)\}/g, (_whole, subject: string, fact: string) =>
    String(facts[subject]?.[fact] ?? 'unknown'),
  );
}
