/**
 * One CEL expression over facts. Decides whether the expression holds; never reads anything but the facts it
 * is given, and never turns a doubt into a yes: a missing fact, a null, a type that does not fit or a value
 * that is not a boolean all mean that it does not hold, with the reason.
 *
 * Language: https://github.com/google/cel-spec. Numbers compare across int and double, as the specification has it.
 */
import { Environment, EvaluationError, ParseError, TypeError as TypeMismatch } from '@marcbachmann/cel-js';
import { reasonOf } from '../errors.ts';

/** Facts by subject: `{ compliance: { score: 0.97 }, updates: { missing: 0 } }`. */
export type Facts = Record<string, Record<string, string | number | boolean | null>>;

export type Holds = { holds: true } | { holds: false; because: string };

export interface Expression {
  source: string;
  evaluate(facts: Facts): Holds;
}

/** Why an expression cannot be used, and the offset in it (characters from its start). */
export class ExpressionError extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.name = 'ExpressionError';
    this.offset = offset;
  }
}

/**
 * Compiles `source` for facts about exactly these subjects; every subject is a map of facts.
 * Throws ExpressionError for a syntax error, an unknown subject, or a result that cannot be a boolean.
 */
export function compileExpression(source: string, subjects: readonly string[]): Expression {
  const environment = new Environment();
  for (const subject of subjects) environment.registerVariable(subject, 'map<string, dyn>');
  const check = environment.check(source);
  if (!check.valid) throw expressionError(check.error);
  if (check.type !== 'bool' && check.type !== 'dyn') {
    throw new ExpressionError(`the expression answers ${check.type}, not true or false`, 0);
  }
  const program = environment.parse(source);
  return {
    source,
    evaluate(facts) {
      try {
        const answer: unknown = program(withoutNulls(facts, subjects));
        if (answer === true) return { holds: true };
        return answer === false
          ? { holds: false, because: `${source} is false` }
          : { holds: false, because: `${source} answers ${typeof answer}, not true or false` };
      } catch (error) {
        return { holds: false, because: `${source} cannot be answered: ${summaryOf(error)}` };
      }
    },
  };
}

/** A null fact is one nobody knows: to an expression it is missing, so that `!=` cannot pass on it. */
function withoutNulls(facts: Facts, subjects: readonly string[]): Facts {
  const known = (subject: string) =>
    Object.fromEntries(Object.entries(facts[subject] ?? {}).filter(([, value]) => value !== null));
  return Object.fromEntries(subjects.map((subject) => [subject, known(subject)]));
}

function isCelError(error: unknown): error is ParseError | EvaluationError | TypeMismatch {
  return error instanceof ParseError || error instanceof EvaluationError || error instanceof TypeMismatch;
}

const summaryOf = (error: unknown): string => (isCelError(error) ? error.summary : reasonOf(error));

const expressionError = (error: unknown): ExpressionError =>
  new ExpressionError(summaryOf(error), isCelError(error) ? (error.range?.start ?? 0) : 0);
