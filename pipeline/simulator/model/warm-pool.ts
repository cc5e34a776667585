/**
 * A group's warm pool: its size, its instances' way in from nothing, and who is drawn when the group grows. What
 * happens to a member on its way is members.ts.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-warm-pools.html
 * https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutWarmPool.html
 */
import { causes } from './activities.ts';
import { lookAt } from './attention.ts';
import { ServiceError, validationError } from './errors.ts';
import type { WarmPool } from './group-state.ts';
import { launchMember } from './launch-member.ts';
import { isPrepared, isTerminating } from './lifecycle.ts';
import { leavePool, terminateAtOnce, terminateMember } from './members.ts';
import { emptiestFirst, type Spread } from './placement.ts';
import { launchOptions, usesSpot } from './purchasing.ts';
import { configurationOf } from './refresh-state.ts';
import type { Group, Member, World } from './state.ts';

/** Creates or changes the pool; what is not given stays. */
export function putPool(
  world: World,
  group: Group,
  change: Partial<Pick<WarmPool, 'minSize' | 'maxPrepared' | 'state' | 'reuseOnScaleIn'>>,
): void {
  if (group.warmPool?.deleting) {
    throw validationError(`The warm pool of AutoScalingGroup ${group.name} is being deleted.`);
  }
  // "You cannot add a warm pool to Auto Scaling groups that ... launch Spot Instances."
  if (usesSpot(group)) {
    throw validationError("You can't add a warm pool to an Auto Scaling group that requests Spot Instances.");
  }
  const initial = { minSize: 0, maxPrepared: null, state: 'Stopped', reuseOnScaleIn: false } as const;
  const pool = group.warmPool ?? { ...initial, deleting: false, members: {} };
  group.warmPool = { ...pool, ...change };
  lookAt(world, group);
}

/** "The warm pool is to be deleted along with all of its associated instances"; by force no hook has a say. */
export function deletePool(world: World, group: Group, force: boolean): void {
  const pool = group.warmPool;
  if (!pool) throw validationError(`No warm pool found for AutoScalingGroup ${group.name}`);
  pool.deleting = true;
  const members = Object.values(pool.members);
  if (members.length === 0) group.warmPool = null;
  const end = force ? terminateAtOnce : terminateMember;
  for (const member of members) end(world, group, member, causes(world, 'the warm pool was deleted'));
}

/** "the difference between the ... maximum prepared capacity and the desired capacity", and at least its minimum. */
const targetSize = (group: Group, { minSize, maxPrepared, deleting }: WarmPool): number =>
  deleting ? 0 : Math.max(minSize, (maxPrepared ?? group.max) - group.desired);

const staying = (pool: WarmPool): Member[] =>
  Object.values(pool.members).filter((member) => !isTerminating(member));

export const reusesOnScaleIn = (group: Group): boolean =>
  group.warmPool?.reuseOnScaleIn === true &&
  staying(group.warmPool).length < targetSize(group, group.warmPool);

/** The prepared member in the zone that needs it most; null when the pool is empty, and the group starts cold. */
export function drawFromPool(world: World, group: Group, spread: Spread, cause: string): Member | null {
  if (!group.warmPool || group.warmPool.deleting) return null;
  const prepared = staying(group.warmPool).filter(isPrepared);
  const zones = emptiestFirst(group, spread);
  prepared.sort((a, b) => zones.indexOf(a.zone) - zones.indexOf(b.zone) || a.joinedAt - b.joinedAt);
  const [member] = prepared;
  if (!member) return null;
  leavePool(world, group, member, cause);
  return member;
}

/** Launches what the pool lacks, spread over the zones, and terminates what it has too much. */
export function reconcilePool(world: World, group: Group): void {
  const pool = group.warmPool;
  if (!pool || group.deleting) return;
  const members = staying(pool);
  const target = targetSize(group, pool);
  if (group.suspended.Launch === undefined) {
    const spread: Spread = Map.groupBy(members, ({ zone }) => zone);
    for (let count = members.length; count < target; count += 1) {
      const member = launchIntoPool(world, group, spread);
      if (!member) {
        lookAt(world, group, world.timing.launchRetryMs);
        return;
      }
      spread.set(member.zone, [...(spread.get(member.zone) ?? []), member]);
    }
  }
  if (group.suspended.Terminate !== undefined) return;
  const surplus = members
    .sort((a, b) => a.joinedAt - b.joinedAt)
    .slice(0, Math.max(0, members.length - target));
  for (const member of surplus) {
    const cause = causes(
      world,
      'an instance was taken out of the warm pool because the pool has become smaller',
    );
    terminateMember(world, group, member, cause);
  }
}

function launchIntoPool(world: World, group: Group, spread: Spread): Member | null {
  const [option] = launchOptions(configurationOf(world, group));
  const [zone] = emptiestFirst(group, spread);
  if (!option || zone === undefined) return null;
  const cause = causes(world, 'an instance was started to bring the warm pool to its size');
  try {
    return launchMember(world, group, { option, spot: null, zone, cause, into: 'warm pool' });
  } catch (error) {
    if (error instanceof ServiceError) return null;
    throw error;
  }
}
