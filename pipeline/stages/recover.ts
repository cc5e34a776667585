/**
 * Recover: one group goes back to what its marks say it was, when the journal of the release that set them is lost.
 * Not one of the forward stages: it is the only one of a release of its own, and needs no image.
 */
import { Refused } from '../errors.ts';
import { planFleet } from '../fleet/waves.ts';
import { missingGroup } from '../rollout/baseline.ts';
import { type Recovery, recoverGroup } from '../rollout/recover.ts';
import { type Restoration, restorationOf } from '../rollout/restoration.ts';
import type { ReleaseContext } from './context.ts';

export interface RecoveryReport extends Pick<Restoration, 'found' | 'undone' | 'left'> {
  group: string;
  /** The release whose marks were found. */
  of: string;
  /** Null when nothing was done yet. */
  instances: Recovery['instances'] | null;
}

type Looking = Pick<ReleaseContext, 'config' | 'root' | 'cloud' | 'clock'>;

/**
 * What the marks say would be done; null when the group carries none. Reads only.
 * @throws Refused for a group that does not exist, that the configuration does not name, or whose marks are incomplete
 */
export async function examine(around: Looking, group: string): Promise<RecoveryReport | null> {
  const { restoration } = await look(around, group);
  return restoration && reportOf(group, restoration, null);
}

/** @returns null when the marks are gone. @throws Stuck when the group is not back; the marks are then still there */
export async function recover(context: ReleaseContext, group: string): Promise<RecoveryReport | null> {
  const { spec, observed, restoration } = await look(context, group);
  if (!restoration) return null;
  const { instances } = await context.progress.step(`recovery of ${group}`, (progress) =>
    recoverGroup({ ...context, progress }, spec, observed, restoration, context),
  );
  return reportOf(group, restoration, instances);
}

async function look({ config, root, cloud, clock }: Looking, group: string) {
  const specs = planFleet({ config, root, emergency: true }).flatMap((wave) => wave.groups);
  const spec = specs.find((candidate) => candidate.group === group);
  if (!spec) {
    throw new Refused(
      'invalid',
      `no wave of the fleet names group ${group}, so it is not known how its instances are drained`,
      'Correct the name, or name the configuration with --config FILE.',
    );
  }
  const [observed] = await cloud.observe([group], clock.now());
  if (!observed) throw missingGroup(group, spec.environment, spec.wave);
  const refresh = (await cloud.newestRefreshes([group]))[group] ?? null;
  return { spec, observed, restoration: restorationOf({ ...observed, refresh }, spec.drain) };
}

const reportOf = (
  group: string,
  { release, found, undone, left }: Restoration,
  instances: RecoveryReport['instances'],
): RecoveryReport => ({ group, of: release, found, undone, left, instances });
