/**
 * What two profiles, or one with two versions of its content, ask differently of an image: rules, values, and facts
 * of the catalogue. Pure; says nothing about which is better.
 */
import { factsOf } from './catalogue.ts';
import type { Meaning } from './tailoring.ts';

/** Null on the side that says nothing about it. */
export interface Changed {
  name: string;
  before: string | null;
  after: string | null;
}

export interface HardeningDiff {
  /** Selected by the first only. */
  rulesRemoved: string[];
  /** Selected by the second only. */
  rulesAdded: string[];
  /** Values that rules of either are judged by. */
  values: Changed[];
  /** What stands in the image, as 'kind name'. */
  facts: Changed[];
}

export function diffMeanings(one: Meaning, two: Meaning): HardeningDiff {
  const without = (these: ReadonlySet<string>, those: ReadonlySet<string>) =>
    [...these].filter((name) => !those.has(name)).sort();
  return {
    rulesRemoved: without(one.selected, two.selected),
    rulesAdded: without(two.selected, one.selected),
    values: changes(one.values, two.values),
    facts: changes(flatFacts(one), flatFacts(two)),
  };
}

function changes(one: ReadonlyMap<string, string>, two: ReadonlyMap<string, string>): Changed[] {
  const names = [...new Set([...one.keys(), ...two.keys()])].sort();
  return names
    .filter((name) => one.get(name) !== two.get(name))
    .map((name) => ({ name, before: one.get(name) ?? null, after: two.get(name) ?? null }));
}

const flatFacts = ({ rows }: Meaning): Map<string, string> =>
  new Map(
    [...factsOf(rows)].flatMap(([kind, facts]) =>
      [...facts].map(([name, value]) => [`${kind} ${name}`, value]),
    ),
  );
