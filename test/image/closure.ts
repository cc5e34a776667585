/**
 * Is every rule answered, and does everything that claims to answer one do so? Pure. The answers are those the design
 * names: a row, a waiver, the distribution as it comes, one of the content's own fixes, or that it does not apply.
 */
import type { AppliedRow } from '../../hardening/catalogue.ts';
import type { RuleResult } from '../../scans/compliance/results.ts';

export function closureOf(input: {
  selected: Iterable<string>;
  rows: readonly AppliedRow[];
  waived: ReadonlySet<string>;
  /** Rules the distribution is said to hold by itself. */
  asItComes: ReadonlySet<string>;
  /** Names of the rows all of whose facts hold in the unhardened system. */
  held: ReadonlySet<string>;
  before: ReadonlyMap<string, RuleResult>;
  after: ReadonlyMap<string, RuleResult>;
}): { unanswered: string[]; untrue: string[]; idle: string[] } {
  const { rows, waived, asItComes, held, before, after } = input;
  const inRows = new Set(rows.flatMap(({ rules }) => rules));
  const isAnswered = (rule: string) => inRows.has(rule) || waived.has(rule) || asItComes.has(rule);
  return {
    unanswered: [...input.selected].filter((rule) => !isAnswered(rule)).sort(),
    // A rule that only a running system can answer has no answer here.
    untrue: [...asItComes]
      .filter((rule) => !inRows.has(rule) && [before, after].some((it) => it.get(rule) === 'fail'))
      .sort(),
    // Without it the system would be the same, and pass the same rules.
    idle: rows
      .filter(({ id, rules }) => held.has(id) && rules.every((rule) => before.get(rule) === 'pass'))
      .map(({ id }) => id),
  };
}
