/** Planting a mutant: one line of the pipeline replaced by a wrong one, in this thread only. */
import { registerHooks } from 'node:module';

export interface Mutant {
  /** What it does wrong, in words. */
  name: string;
  /** Under pipeline/. */
  file: string;
  find: string;
  replace: string;
}

/** @throws TypeError when the line is not there exactly once: the mutant has to follow the code */
export function mutated(source: string, { name, find, replace }: Mutant): string {
  const parts = source.split(find);
  if (parts.length !== 2)
    throw new TypeError(`mutant '${name}': its line is there ${parts.length - 1} times`);
  return parts.join(replace);
}

export function plant(mutant: Mutant): void {
  const target = new URL(`../../pipeline/${mutant.file}`, import.meta.url).href;
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      return url === target ? { ...loaded, source: mutated(String(loaded.source), mutant) } : loaded;
    },
  });
}
