/**
 * The engine's marks on a group: whose it is, which keeps other releases off it, and what it was, so that it can be
 * put back from its tags alone (recover.ts) should the journal be lost. Written before the first change, removed with
 * the last. Values stay within what Auto Scaling allows in a tag.
 */
import type { GroupObservation } from '../cloud/cloud.ts';
import { Refused } from '../errors.ts';
import type { GroupBaseline } from '../journal/records.ts';
import type { Action } from './state.ts';

export interface Marks {
  release: string;
  /** The numbered template version the release moves the group to. */
  version: number;
  /** The numbered template version to go back to. */
  previousVersion: number;
  /** What the group followed, '$Latest' or '$Default', when it had no number of its own. */
  follows: string | null;
  /** Desired without the engine's raise, and the most it was raised by. */
  wanted: number;
  raise: number;
  /** MaxSize to go back to; null when the engine does not touch it. */
  max: number | null;
  /** Every value the engine has set MaxSize to. */
  maxRaised: readonly number[];
  suspended: readonly string[];
}

const keys = {
  release: 'drover:release',
  version: 'drover:version',
  previousVersion: 'drover:previous-version',
  follows: 'drover:follows',
  wanted: 'drover:desired',
  raise: 'drover:raise',
  max: 'drover:max',
  maxRaised: 'drover:max-raised',
  suspended: 'drover:suspended',
} as const;

export const markKeys: readonly string[] = Object.values(keys);

/** '$Latest' or '$Default', where the group followed that; null when it was pinned to a number. */
export const followedIn = ({ templateVersion }: Pick<GroupBaseline, 'templateVersion'>): string | null =>
  templateVersion.startsWith('$') ? templateVersion : null;

/** A tag's value holds 256 characters; MaxSize only ever grows, so the latest are the ones it may have. */
const raisesKept = 40;

/** '-' stands for "nothing", because a tag of an earlier tick must be overwritten, not left. */
const tagsOf = (marks: Marks): Record<string, string> => ({
  [keys.release]: marks.release,
  [keys.version]: String(marks.version),
  [keys.previousVersion]: String(marks.previousVersion),
  [keys.follows]: marks.follows ?? '-',
  [keys.wanted]: String(marks.wanted),
  [keys.raise]: String(marks.raise),
  [keys.max]: marks.max === null ? '-' : String(marks.max),
  [keys.maxRaised]: marks.maxRaised.slice(-raisesKept).join(' ') || '-',
  [keys.suspended]: marks.suspended.join(' ') || '-',
});

/** Sets the marks before the first change they tell of; nothing where they stand already. */
export function marking(
  { tags }: Pick<GroupObservation, 'tags'>,
  marks: Marks,
): Extract<Action, { type: 'tag' }>[] {
  const wanted = tagsOf(marks);
  if (Object.entries(wanted).every(([key, value]) => tags[key] === value)) return [];
  return [{ type: 'tag', tags: wanted, why: 'what is about to change can be undone from the tags alone' }];
}

/**
 * The marks on a group; null when it carries none.
 * @throws Refused 'invalid' when some are missing or were edited: what they do not say cannot be put back
 */
export function marksOf({ name, tags }: Pick<GroupObservation, 'name' | 'tags'>): Marks | null {
  const present = markKeys.filter((key) => tags[key] !== undefined);
  if (present.length === 0) return null;
  const unreadable: string[] = [];
  const read = (key: string, pattern: RegExp): string => {
    const value = tags[key] ?? '';
    if (!pattern.test(value)) unreadable.push(`${key}=${value || '(missing)'}`);
    return value;
  };
  const list = (value: string): string[] => (value === '-' ? [] : value.split(' '));
  const number = (key: string): number => Number(read(key, /^\d+$/));
  const max = read(keys.max, /^(\d+|-)$/);
  const follows = read(keys.follows, /^(\$Latest|\$Default|-)$/);
  const marks: Marks = {
    release: read(keys.release, /./),
    version: number(keys.version),
    previousVersion: number(keys.previousVersion),
    follows: follows === '-' ? null : follows,
    wanted: number(keys.wanted),
    raise: number(keys.raise),
    max: max === '-' ? null : Number(max),
    maxRaised: list(read(keys.maxRaised, /^(\d+( \d+)*|-)$/)).map(Number),
    suspended: list(read(keys.suspended, /./)),
  };
  if (unreadable.length === 0) return marks;
  throw new Refused(
    'invalid',
    `the marks on group ${name} are incomplete: ${unreadable.join(', ')}`,
    `Put it back by hand from those there are (${present.map((key) => `${key}=${tags[key]}`).join(', ')}), then ` +
      'remove every tag that begins with drover: but the one named drover.',
  );
}

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
