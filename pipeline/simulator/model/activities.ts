/**
 * Scaling activities: what Auto Scaling did to a group, why, and how it ended. The sentences are the service's own.
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-verify-scaling-activity.html
 */
import { newUuid, nextSerial } from './identity.ts';
import type { Activity, Group, Member, World } from './state.ts';

/** AWS keeps six weeks of them; the bound keeps a long simulation's memory flat. */
const activitiesPerGroup = 1000;

export function begin(
  world: World,
  group: Group,
  details: Pick<Activity, 'description' | 'cause' | 'status'> & Partial<Activity>,
): Activity {
  const activity: Activity = {
    id: newUuid(world),
    serial: nextSerial(world),
    groupName: group.name,
    startedAt: world.now,
    endedAt: null,
    message: null,
    progress: 0,
    zone: null,
    subnetId: null,
    ...details,
  };
  if (!Object.hasOwn(world.activities, group.name)) world.activities[group.name] = [];
  const all = world.activities[group.name]!;
  all.push(activity);
  if (all.length > 2 * activitiesPerGroup) {
    // What is under way is not forgotten, however long it waits.
    const underWay = all.slice(0, activitiesPerGroup).filter(({ endedAt }) => endedAt === null);
    all.splice(0, activitiesPerGroup, ...underWay);
  }
  return activity;
}

/** Begins an activity that moves a member, and notes it there. */
export function beginMove(
  world: World,
  group: Group,
  member: Member,
  details: Pick<Activity, 'description' | 'cause' | 'status' | 'progress'>,
): Activity {
  const { zone, instanceId } = member;
  const subnetId = world.instances[instanceId]?.subnetId ?? null;
  const activity = begin(world, group, { ...details, zone, subnetId });
  member.activity = activity.serial;
  return activity;
}

/** An activity that has ended stays as it is. */
export function end(
  world: World,
  activity: Activity | undefined,
  status: 'Successful' | 'Failed' | 'Cancelled',
  message: string | null = null,
): void {
  if (activity?.endedAt !== null) return;
  activity.status = status;
  activity.message = message;
  activity.endedAt = world.now;
  activity.progress = 100;
}

/** The activity that last moved the member; undefined when it ended so long ago that it is forgotten. */
export function activityOf(world: World, group: Group, member: Member): Activity | undefined {
  // Serials grow along the list.
  const all = activitiesOf(world, group.name);
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (all[middle]!.serial < member.activity) low = middle + 1;
    else high = middle;
  }
  return all[low]?.serial === member.activity ? all[low] : undefined;
}

/** Oldest first. */
export const activitiesOf = (world: World, groupName: string): readonly Activity[] =>
  Object.hasOwn(world.activities, groupName) ? world.activities[groupName]! : [];

/** Whole seconds, as the service writes times into its sentences. */
export const atTime = (world: World): string => `At ${new Date(world.now).toISOString().slice(0, 19)}Z`;

/** A cause: sentences, each with the time it speaks of. */
export const causes = (world: World, ...sentences: string[]): string =>
  sentences.map((sentence) => `${atTime(world)} ${sentence}.`).join('  ');

export const capacityChange = (from: number, to: number): string =>
  `${to < from ? 'shrinking' : 'increasing'} the capacity from ${from} to ${to}`;
