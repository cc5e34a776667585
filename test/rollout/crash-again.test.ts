/**
 * Death after death: the process that goes on dies too. In the smallest scenarios at every place after every first
 * death; in all others at once, twice more, and somewhere further on, elsewhere each time.
 */
import { expect, test } from 'vitest';
import { patience, scenarios } from './crash-scenarios.ts';
import { dyingIn } from './successors.ts';

/** How many places a scenario may have so that every pair of them takes seconds: pairs grow with the square. */
const fewPlaces = 51;
const atOnce = 3;
/** Coprime to most lengths, so that neighbours die far from each other. */
const stride = 7;

const none = (): boolean => false;

test.each(scenarios)(
  'after two deaths in $name, one after the other, a third process comes to the same end',
  async (scenario) => {
    const { remains, resumed } = await dyingIn(scenario);
    let pairs = 0;
    for (const [index, left] of remains.entries()) {
      const further = atOnce + 1 + ((index * stride) % Math.max(1, remains.length - index));
      const isSmall = remains.length <= fewPlaces;
      const again = await resumed(left, (nth) => isSmall || nth <= atOnce || nth === further);
      for (const second of again) {
        await resumed(second, none, `${left.place}, then ${second.place}`);
        pairs += 1;
      }
    }
    expect(pairs).toBeGreaterThan(3 * remains.length);
  },
  patience,
);
