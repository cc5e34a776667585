/**
 * Death at every place: another process goes on, from the journal and from what is there, and must reach the same fleet
 * with every limit held throughout; or it gives up, and everything is as it was.
 */
import { expect, test } from 'vitest';
import { patience, scenarios } from './crash-scenarios.ts';
import { dyingIn } from './successors.ts';

test.each(scenarios)(
  'after a death at any place of $name, another process comes to the same end',
  async (scenario) => {
    const { remains, resumed } = await dyingIn(scenario);
    expect(remains.length).toBeGreaterThan(20);
    for (const left of remains) await resumed(left);
  },
  patience,
);

test.each(scenarios)(
  'after a death at any place of $name, a rollback restores what was there before',
  async (scenario) => {
    const { remains, abandoned } = await dyingIn(scenario);
    for (const left of remains) await abandoned(left);
  },
  patience,
);
