/** The journal is lost with the process: at every place of every scenario the marks on the groups are enough. */
import { expect, test } from 'vitest';
import { patience, rollingGroup, scenarios } from './crash-scenarios.ts';
import { dyingIn } from './successors.ts';

test.each(scenarios)(
  'after a death at any place of $name, each group is put back from its marks alone',
  async (scenario) => {
    const { remains, recovered } = await dyingIn(scenario);
    let marked = 0;
    for (const left of remains) marked += await recovered(left);
    expect(marked).toBeGreaterThan(remains.length / 2);
  },
  patience,
);

test(
  'a recovery that dies too, at any place and after a death at any place, is ended by the next one',
  async () => {
    const { remains, recoveredAgain } = await dyingIn(rollingGroup);
    let places = 0;
    for (const left of remains) places += await recoveredAgain(left, 'web');
    expect(places).toBeGreaterThan(5 * remains.length);
  },
  patience,
);
