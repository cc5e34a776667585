/**
 * A process that dies: at the nth mutating call or journal record everything it does from then on fails, as nothing
 * comes out of a dead process. What it did before stays done.
 */
import type { Cloud } from '../../pipeline/cloud/cloud.ts';
import type { Journal } from '../../pipeline/journal/records.ts';
import type { RolloutDeps } from '../../pipeline/rollout/engine.ts';

export class Killed extends Error {}

export const deathPoints = ['before the call', 'after the call', 'after the record'] as const;
export type DeathPoint = (typeof deathPoints)[number];

/** Every call of the port that changes something; a read has nothing to leave half done. */
export const isMutation = (name: string): boolean =>
  !/^(identify|observe|find|template|alarms|newest|cluster)/.test(name);

/** `died` says whether it came to it. */
export function mortal<D extends Pick<RolloutDeps, 'cloud' | 'journal'>>(
  deps: D,
  at: DeathPoint,
  nth: number,
): { deps: D; died: () => boolean } {
  let count = 0;
  let dead = false;
  const live = (): void => {
    if (dead) throw new Killed('dead');
  };
  const pass = (point: DeathPoint): void => {
    if (point !== at) return;
    count += 1;
    if (count < nth) return;
    dead = true;
    throw new Killed(`killed ${at} ${nth}`);
  };
  const cloud = wrapped(deps.cloud, (name, call) => async (...given) => {
    live();
    const counts = isMutation(name);
    if (counts) pass('before the call');
    const answer = await call(...given);
    if (counts) pass('after the call');
    return answer;
  });
  const journal: Journal = {
    release: deps.journal.release,
    records: () => deps.journal.records(),
    async append(entry) {
      live();
      const record = await deps.journal.append(entry);
      pass('after the record');
      return record;
    },
  };
  return { deps: { ...deps, cloud, journal }, died: () => dead };
}

type Call = (...given: unknown[]) => Promise<unknown>;

/** The same port with every call replaced by what `around` makes of it. */
export function wrapped(cloud: Cloud, around: (name: keyof Cloud, call: Call) => Call): Cloud {
  const calls = Object.entries(cloud).map(([name, call]) => [name, around(name as keyof Cloud, call)]);
  return Object.fromEntries(calls) as unknown as Cloud;
}
