/**
 * `npm run simulate -- --seeds N [--from S] [--threads T]` runs drawn rollouts and says how they ended; a failing one
 * is shown with its seed, its scenario shrunk to what matters, and what happened then. `--seed S` shows one, whatever
 * its end. Exit code 1 when a rule was broken.
 */
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { runSeeds } from './crew.ts';
import { type Run, run } from './run.ts';
import type { Scenario } from './scenario.ts';
import { type SeedResult, scenarioOf, shrunk } from './seeds.ts';

/** How long to look for a smaller scenario that fails as well. */
const shrinkLimitMs = 60_000;
/** Failures shown in full: the first ones say what is wrong. */
const shownAtMost = 3;
const progressEveryMs = 5_000;

const natural = (text: string): number => {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('a number from 1 on is needed.');
  return Number(text);
};

const options = new Command('simulate')
  .description('runs drawn rollouts against the simulator in virtual time')
  .option('--seeds <n>', 'how many', natural, 100)
  .option('--from <seed>', 'the first of them', natural, 1)
  .option('--seed <seed>', 'show this one', natural)
  .option('--threads <n>', 'at once', natural, availableParallelism())
  .parse()
  .opts<{ seeds: number; from: number; seed?: number; threads: number }>();

if (options.seed !== undefined) {
  const scenario = scenarioOf(options.seed);
  show(options.seed, scenario, await run(scenario));
} else await runAll();

async function runAll(): Promise<void> {
  const { seeds, from, threads } = options;
  const startedAt = performance.now();
  const outcomes = new Map<string, number>();
  const failed: SeedResult[] = [];
  let done = 0;
  let toldAt = startedAt;
  const tell = (): void => {
    const ends = [...outcomes].map(([outcome, count]) => `${count} ${outcome}`).join(', ');
    const s = ((performance.now() - startedAt) / 1000).toFixed(0);
    console.log(`${done} of ${seeds} seeds from ${from} in ${s} s: ${ends}; ${failed.length} broke a rule`);
  };
  await runSeeds({ from, count: seeds, threads }, (result) => {
    done += 1;
    outcomes.set(result.outcome, (outcomes.get(result.outcome) ?? 0) + 1);
    if (result.violations.length > 0) {
      failed.push(result);
      console.log(`seed ${result.seed}: ${result.violations[0]}`);
    }
    if (performance.now() - toldAt > progressEveryMs) {
      toldAt = performance.now();
      tell();
    }
    return failed.length < shownAtMost;
  });
  tell();
  for (const { seed } of failed.slice(0, shownAtMost)) {
    const scenario = await shrunk(seed, shrinkLimitMs);
    show(seed, scenario, await run(scenario));
  }
}

function show(
  seed: number,
  scenario: Scenario,
  { outcome, reason, tookMs, violations, transcript }: Run,
): void {
  console.log(`\nseed ${seed}, scenario\n${JSON.stringify(scenario, null, 2)}`);
  console.log(`\n${transcript.join('\n')}`);
  console.log(`\n${outcome} after ${tookMs / 1000} s${reason ? `: ${reason}` : ''}`);
  for (const violation of violations) console.log(`broken: ${violation}`);
  console.log(`\nAgain: npm run simulate -- --seed ${seed}`);
  if (violations.length > 0) process.exitCode = 1;
}
