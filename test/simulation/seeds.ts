/** One seed is one scenario: drawn, run, and shrunk should it fail. */
import fc from 'fast-check';
import { scenarios } from './draw.ts';
import { type Run, run } from './run.ts';
import type { Scenario } from './scenario.ts';

export interface SeedResult {
  seed: number;
  outcome: Run['outcome'];
  violations: string[];
}

/** Unbiased: edges are drawn on purpose (draw.ts), and a first run would consist of little else. */
const drawing = { numRuns: 1, unbiased: true } as const;

export function scenarioOf(seed: number): Scenario {
  const [scenario] = fc.sample(scenarios, { ...drawing, seed });
  return scenario!;
}

export async function runSeed(seed: number): Promise<SeedResult> {
  const { outcome, violations } = await run(scenarioOf(seed));
  return { seed, outcome, violations };
}

/** The least of a failing seed's scenario that still fails, as far as `limitMs` of wall time allow to look for it. */
export async function shrunk(seed: number, limitMs: number): Promise<Scenario> {
  const property = fc.asyncProperty(
    scenarios,
    async (scenario) => (await run(scenario)).violations.length === 0,
  );
  const details = await fc.check(property, { ...drawing, seed, interruptAfterTimeLimit: limitMs });
  return details.counterexample?.[0] ?? scenarioOf(seed);
}
