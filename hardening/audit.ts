/**
 * What a file system says against the catalogue: per row, the facts that differ. This is how the build and its tests
 * see what they did; the verdict about an image is the benchmark content's, never this one.
 */
import type { AppliedRow } from './catalogue.ts';
import { difference } from './kinds/kind.ts';
import { kinds } from './kinds/kinds.ts';

export interface Deviation {
  row: string;
  kind: string;
  name: string;
  desired: string;
  /** Null: the files say nothing about it. */
  actual: string | null;
}

/** Deviations of the mounted or unpacked system at `root`; it is only read. */
export async function auditRoot(root: string, rows: readonly AppliedRow[]): Promise<Deviation[]> {
  const found: Deviation[] = [];
  for (const { id, kind, desired } of rows) {
    const wanted = new Map(Object.entries(desired));
    const actual = await kinds[kind].read(root, wanted);
    for (const name of difference(wanted, actual)) {
      found.push({ row: id, kind, name, desired: desired[name]!, actual: actual.get(name) ?? null });
    }
  }
  return found;
}
