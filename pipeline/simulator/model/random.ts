/**
 * Chance, from the world's seed: a draw depends on the seed and on what is drawn alone, not on what was drawn
 * before, so that one more fault or one more call changes nothing else.
 */
import type { World } from './state.ts';

/** A number in [0, 1) for `what`; the same whenever it is asked. FNV-1a, finished as MurmurHash3 is. */
export function draw(world: World, what: string): number {
  let hash = 0x811c9dc5 ^ world.seed;
  for (let index = 0; index < what.length; index += 1) {
    hash = Math.imul(hash ^ what.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** A whole number of milliseconds between the bounds. */
export const drawWithin = (world: World, { fromMs, toMs }: { fromMs: number; toMs: number }, what: string) =>
  fromMs + Math.floor(draw(world, what) * (toMs - fromMs + 1));
