/**
 * The engine's marks on a group: whose it is, which keeps other releases off it, and what it was, so that a person can
 * put it back from its tags alone should the journal be lost. Written before the first change, removed with the last.
 * Values stay within what Auto Scaling allows in a tag.
 */
import type { GroupObservation } from '../cloud/cloud.ts';
import { Refused } from '../errors.ts';

export interface Marks {
  release: string;
  /** The numbered template version to go back to. */
  previousVersion: number;
  /** Desired without the engine's raise, and the raise. */
  wanted: number;
  raise: number;
  /** MaxSize to go back to; null when the engine does not touch it. */
  max: number | null;
  suspended: readonly string[];
}

const keys = {
  release: 'drover:release',
  previousVersion: 'drover:previous-version',
  wanted: 'drover:desired',
  raise: 'drover:raise',
  max: 'drover:max',
  suspended: 'drover:suspended',
} as const;

export const markKeys: readonly string[] = Object.values(keys);

/** '-' stands for "nothing", because a tag of an earlier tick must be overwritten, not left. */
export const tagsOf = (marks: Marks): Record<string, string> => ({
  [keys.release]: marks.release,
  [keys.previousVersion]: String(marks.previousVersion),
  [keys.wanted]: String(marks.wanted),
  [keys.raise]: String(marks.raise),
  [keys.max]: marks.max === null ? '-' : String(marks.max),
  [keys.suspended]: marks.suspended.join(' ') || '-',
});

/** The release that holds the group according to its tags; null when none does. */
export const holderOf = ({ tags }: Pick<GroupObservation, 'tags'>): string | null =>
  tags[keys.release] ?? null;

/** @throws Refused 'busy' when another release's marks are on the group: only that one knows what it owes there */
export function refuseForeign(group: Pick<GroupObservation, 'name' | 'tags'>, release: string): void {
  const holder = holderOf(group);
  if (holder === null || holder === release) return;
  throw new Refused(
    'busy',
    `group ${group.name} carries the marks of release ${holder}, which has not ended there`,
    `End that first: \`drover resume ${holder}\` or \`drover rollback ${holder}\`.`,
  );
}
