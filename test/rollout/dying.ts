/** A process that dies at a chosen point, for tests of what another one makes of what it has left. */
import type { Cloud } from '../../pipeline/cloud/cloud.ts';
import type { Journal } from '../../pipeline/journal/records.ts';
import type { Fleet } from './fleet.ts';

export class Killed extends Error {}

const mutations = [
  'createTemplateVersion',
  'updateGroup',
  'suspendProcesses',
  'resumeProcesses',
  'setGroupTags',
  'removeGroupTags',
  'terminateInstances',
  'deregisterTargets',
  'registerTargets',
] as const;

export type When = 'before the call' | 'after the call' | 'after the record';

/** Dies at the nth call or record; from then on nothing works, as in a dead process. `died` says whether it came to it. */
export function dyingDeps(fleet: Fleet, when: When, nth: number) {
  let count = 0;
  let dead = false;
  const live = (): void => {
    if (dead) throw new Killed('dead');
  };
  const die = (): void => {
    dead = true;
    throw new Killed(`killed ${when} ${nth}`);
  };
  const cloud = { ...fleet.cloud } as Record<string, unknown>;
  for (const name of Object.keys(fleet.cloud) as (keyof Cloud)[]) {
    const real = fleet.cloud[name] as (...given: unknown[]) => Promise<unknown>;
    cloud[name] = async (...given: unknown[]) => {
      live();
      const counts = (mutations as readonly string[]).includes(name);
      if (counts && when !== 'after the record') count += 1;
      if (counts && when === 'before the call' && count === nth) die();
      const answer = await real(...given);
      if (counts && when === 'after the call' && count === nth) die();
      return answer;
    };
  }
  const journal: Journal = {
    release: fleet.journal.release,
    records: () => fleet.journal.records(),
    async append(entry) {
      live();
      const record = await fleet.journal.append(entry);
      if (when === 'after the record') {
        count += 1;
        if (count === nth) die();
      }
      return record;
    },
  };
  return { deps: { ...fleet.deps, cloud: cloud as unknown as Cloud, journal }, died: () => dead };
}

/** A process that died leaves the account to itself for a while before somebody resumes. */
export const deadForMs = 20_000;

/** Repeats `scenario` with death at 1, 2, 3, … until it is survived. @returns how many deaths there were */
export async function atEveryPoint(scenario: (nth: number) => Promise<boolean>): Promise<number> {
  for (let nth = 1; nth < 500; nth += 1) if (!(await scenario(nth))) return nth - 1;
  throw new Error('the scenario never ends without dying');
}
