/** A process that dies at a chosen point, for tests of what another one makes of what it has left. */
import { type DeathPoint, mortal } from '../simulation/death.ts';
import type { Fleet } from './fleet.ts';

export { Killed } from '../simulation/death.ts';

export type When = DeathPoint;

/** `died` says whether it came to it. */
export const dyingDeps = (fleet: Fleet, when: When, nth: number) => mortal(fleet.deps, when, nth);

/** Repeats `scenario` with death at 1, 2, 3, …, until it is survived. @returns how many deaths there were */
export async function atEveryPoint(scenario: (nth: number) => Promise<boolean>): Promise<number> {
  for (let nth = 1; nth < 500; nth += 1) if (!(await scenario(nth))) return nth - 1;
  throw new Error('the scenario never ends without dying');
}
