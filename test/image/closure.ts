/**
 * Is every rule answered, and does everything that claims to answer one do so? The answers are those the design
 * names: a row, a waiver, the distribution as it comes, one of the content's own fixes, or that it does not apply.
 */
import { auditRoot } from '../../hardening/audit.ts';
import type { AppliedRow } from '../../hardening/catalogue.ts';
import type { Meaning } from '../../hardening/tailoring.ts';
import type { RuleResult } from '../../scans/compliance/results.ts';
import { type Workbench, withRoot } from './workbench.ts';

/**
 * The closure of a real image against the base disk it was made from.
 * @param before, after the content's answers about base disk and image, by rule name
 */
export async function closureOfDisk(
  bench: Workbench,
  { rows, selected, asItComes }: Meaning,
  answers: { before: ReadonlyMap<string, RuleResult>; after: ReadonlyMap<string, RuleResult> },
): Promise<ReturnType<typeof closureOf>> {
  const deviations = await withRoot(bench, bench.base.path, 'ro', (root) => auditRoot(root, rows));
  const changed = new Set(deviations.map(({ row }) => row));
  const held = new Set(rows.map(({ id }) => id).filter((id) => !changed.has(id)));
  const waived = new Set(bench.profile.waivers.map(({ rule }) => rule));
  return closureOf({ selected, rows, waived, asItComes, held, ...answers });
}

/** Pure. */
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
