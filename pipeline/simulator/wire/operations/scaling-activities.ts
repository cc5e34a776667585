/** Auto Scaling's record of what happened to groups. */
import type { ActivitiesType, DescribeScalingActivitiesType } from '@aws-sdk/client-auto-scaling';
import { activitiesOf } from '../../model/activities.ts';
import { findGroup } from '../../model/groups.ts';
import type { Activity, World } from '../../model/state.ts';
import { filtered } from './filters.ts';
import { page } from './pages.ts';
import { activityShape, recordLimit } from './scaling-shapes.ts';

/** "Activities are sorted by start time. Activities still in progress are described first." */
export function DescribeScalingActivities(
  world: World,
  input: DescribeScalingActivitiesType,
): ActivitiesType {
  const names =
    input.AutoScalingGroupName === undefined ? Object.keys(world.activities) : [input.AutoScalingGroupName];
  if (input.AutoScalingGroupName !== undefined && input.IncludeDeletedGroups !== true) {
    findGroup(world, input.AutoScalingGroupName);
  }
  const ids = input.ActivityIds ?? [];
  const wanted = names
    .filter((name) => input.IncludeDeletedGroups === true || Object.hasOwn(world.groups, name))
    .flatMap((name) => activitiesOf(world, name))
    .filter((activity) => ids.length === 0 || ids.includes(activity.id))
    .map((activity) => ({ activity, tags: {} }));
  const matching = filtered(wanted, input.Filters, {
    Status: ({ activity }) => [activity.status],
  });
  const newestFirst = ({ activity }: { activity: Activity }): string =>
    (activity.endedAt === null ? '0 ' : '1 ') + String(1e14 - activity.serial).padStart(15, '0');
  const { items, nextToken } = page(matching, newestFirst, {
    token: input.NextToken,
    size: recordLimit(input.MaxRecords, 100),
  });
  return { Activities: items.map(({ activity }) => activityShape(world, activity)), NextToken: nextToken };
}
