/**
 * A canary is a limit: until a first few instances have served through a soak of their own, no more than those may be
 * on the target version (view.ts counts). All else, surge, drains, gates and capacity, is the rolling that decide.ts
 * does. With a surge of at least the canary's size nothing has left the group when it is aborted: capacity is back at
 * once. Pure.
 *
 * What Auto Scaling launches by itself meanwhile (a scale-out, the replacement of a dead instance) comes from the
 * pinned target version too and counts as canary.
 */
import type { Action, Assignment, Memory } from '../state.ts';
import type { View } from './view.ts';

/** Since when the whole canary has been serving; null while it does not, or when there is none. */
export function provenSince({ canary, pause }: Memory, view: View, now: number): number | null {
  const isWhole = view.current.length >= view.limit && view.unproven.length === 0;
  return isWhole && pause.since === null ? (canary.provenSince ?? now) : null;
}

/** Ends the canary when it has soaked. */
export function widen(
  { spec: { strategy } }: Assignment,
  { canary }: Memory,
  { limit }: View,
  now: number,
): Action[] {
  if (strategy.type !== 'canary' || canary.provenSince === null) return [];
  if (now - canary.provenSince < strategy.soakMs) return [];
  return [{ type: 'widen', why: `the canary of ${limit} has served for ${strategy.soakMs / 1000} s` }];
}
