/**
 * Rollback: every group this release has touched goes back to what it was, production first. Not one of the
 * forward stages: it runs when one of them failed, or when a person asks.
 */
import { Failed, Refused } from '../errors.ts';
import { planWaves } from '../fleet/waves.ts';
import { rollbackGroups } from '../rollout/rollback.ts';
import { type ReleaseContext, stateOf } from './context.ts';

/** @returns a sentence per group that is not in every respect as it was. @throws Stuck when a group could not be put back. */
export async function rollback(context: ReleaseContext, reason: string): Promise<string[]> {
  const touched = touchedGroups(context);
  if (touched.length === 0) {
    throw new Refused(
      'invalid',
      `release ${context.journal.release} has changed no group`,
      'There is nothing to roll back.',
    );
  }
  const groups = (['production', 'staging'] as const)
    .flatMap((environment) => planWaves({ ...context, emergency: true }, environment))
    .flatMap((wave) => wave.groups)
    .filter((group) => touched.includes(group.group));
  const { exceptions } = await context.progress.step(
    `rollback of ${groups.map((g) => g.group).join(', ')}`,
    (progress) => rollbackGroups({ ...context, progress }, { groups, reason, actor: context.actor }),
  );
  return exceptions;
}

/** Groups with a baseline: the engine writes one before it changes anything. */
export const touchedGroups = (context: Pick<ReleaseContext, 'journal'>): string[] =>
  stateOf(context)
    .groups.filter((group) => group.baseline !== null)
    .map((group) => group.group);

/** What a release that was undone ends with. */
export const rolledBack = (release: string, reason: string, exceptions: readonly string[]): Failed =>
  new Failed(
    'rolledBack',
    [`${reason}; every group is back on its previous version`, ...exceptions].join('; '),
    exceptions.length > 0
      ? `See \`drover status ${release}\`.`
      : `See \`drover status ${release}\`; the fleet needs nothing from you.`,
  );
