/** A few seeds with the other tests; `npm run simulate` runs as many as one likes. */
import { expect, test } from 'vitest';
import { run } from './run.ts';
import { runSeed, scenarioOf } from './seeds.ts';

test.each(Array.from({ length: 20 }, (_, index) => index + 1))(
  'the rollout drawn from seed %i breaks no rule',
  async (seed) => {
    expect((await runSeed(seed)).violations).toEqual([]);
  },
);

test('the same seed gives the same run, to the last line', async () => {
  const [first, second] = [await run(scenarioOf(3)), await run(scenarioOf(3))];
  expect(first.transcript.length).toBeGreaterThan(10);
  expect(second.transcript).toEqual(first.transcript);
});

test('many seeds differ in what happens and in how they end', () => {
  const scenarios = Array.from({ length: 100 }, (_, index) => scenarioOf(index + 1));
  const kinds = new Set(scenarios.flatMap(({ happenings }) => happenings.map(({ kind }) => kind)));
  expect(kinds.size).toBeGreaterThan(8);
  expect(new Set(scenarios.map(({ image }) => image)).size).toBe(8);
  const strategies = scenarios.flatMap(({ groups }) => groups.map(({ strategy }) => strategy.type));
  const share = strategies.filter((type) => type === 'rolling').length / strategies.length;
  expect(share).toBeGreaterThan(0.5);
  expect(new Set(strategies).size).toBe(3);
  expect(new Set(scenarios.flatMap(({ faults }) => faults.map(({ kind }) => kind))).size).toBeGreaterThan(5);
  expect(scenarios.filter(({ deaths }) => deaths.length > 0).length).toBeGreaterThan(20);
});
