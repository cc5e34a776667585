/** Scaling activities: what Auto Scaling did to a group, why, and how it ended. */
import { newUuid, nextSerial } from './identity.ts';
import type { Activity, World } from './state.ts';

/** AWS keeps six weeks of them; the bound keeps a long simulation's memory flat. */
const activitiesPerGroup = 1000;

export function begin(
  world: World,
  groupName: string,
  details: Pick<Activity, 'description' | 'cause' | 'status' | 'zone'>,
): Activity {
  const activity: Activity = {
    id: newUuid(world),
    serial: nextSerial(world),
    groupName,
    startedAt: world.now,
    endedAt: null,
    message: null,
    progress: 0,
    ...details,
  };
  if (!Object.hasOwn(world.activities, groupName)) world.activities[groupName] = [];
  const all = world.activities[groupName]!;
  all.push(activity);
  if (all.length > 2 * activitiesPerGroup) all.splice(0, activitiesPerGroup);
  return activity;
}

export function end(
  world: World,
  activity: Activity | undefined,
  status: 'Successful' | 'Failed' | 'Cancelled',
  message: string | null = null,
): void {
  if (!activity) return;
  activity.status = status;
  activity.message = message;
  activity.endedAt = world.now;
  activity.progress = 100;
}

export const findActivity = (world: World, groupName: string, id: string): Activity | undefined =>
  activitiesOf(world, groupName).findLast((activity) => activity.id === id);

/** Oldest first. */
export const activitiesOf = (world: World, groupName: string): readonly Activity[] =>
  Object.hasOwn(world.activities, groupName) ? world.activities[groupName]! : [];
