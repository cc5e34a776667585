/**
 * Is every rule answered, and does everything that claims to answer one do so? Pure. The answers are those the design
 * names: a row, a waiver, one of the content's own fixes, the unhardened system itself, or that it does not apply.
 */
import type { AppliedRow } from '../../hardening/catalogue.ts';
import type { RuleResult } from '../../scans/compliance/results.ts';

export function closureOf(input: {
  selected: Iterable<string>;
  rows: readonly AppliedRow[];
  waived: ReadonlySet<string>;
  /** Rules the content's own fixes were run for. */
  fixed: ReadonlySet<string>;
  before: ReadonlyMap<string, RuleResult>;
  after: ReadonlyMap<string, RuleResult>;
}): { unanswered: string[]; idle: string[] } {
  const { rows, waived, fixed, before, after } = input;
  const inRows = new Set(rows.flatMap(({ rules }) => rules));
  const isAnswered = (rule: string) =>
    inRows.has(rule) ||
    waived.has(rule) ||
    fixed.has(rule) ||
    before.get(rule) === 'pass' ||
    after.get(rule) === 'notapplicable';
  return {
    unanswered: [...input.selected].filter((rule) => !isAnswered(rule)).sort(),
    // A row all of whose rules an unhardened system passes has no effect anybody asked for.
    idle: rows
      .filter(({ rules }) => rules.length > 0 && rules.every((rule) => before.get(rule) === 'pass'))
      .map(({ id }) => id),
  };
}
