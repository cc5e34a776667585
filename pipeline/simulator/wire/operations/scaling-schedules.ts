/** Auto Scaling's operations on scheduled actions. */
import type {
  DeleteScheduledActionType,
  DescribeScheduledActionsType,
  PutScheduledUpdateGroupActionType,
  ScheduledActionsType,
} from '@aws-sdk/client-auto-scaling';
import { validationError } from '../../model/errors.ts';
import { findGroup } from '../../model/groups.ts';
import { deleteScheduledAction, putScheduledAction } from '../../model/scheduled-actions.ts';
import type { World } from '../../model/state.ts';
import { page } from './pages.ts';
import { recordLimit } from './scaling-shapes.ts';

export function PutScheduledUpdateGroupAction(
  world: World,
  input: PutScheduledUpdateGroupActionType,
): object {
  const group = findGroup(world, input.AutoScalingGroupName!);
  if (input.Recurrence !== undefined) throw validationError('Recurring scheduled actions are not simulated.');
  const start = input.StartTime ?? input.Time;
  if (start === undefined) throw validationError('Either StartTime or Recurrence must be specified.');
  putScheduledAction(world, group, {
    name: input.ScheduledActionName!,
    startsAt: start.getTime(),
    min: input.MinSize,
    max: input.MaxSize,
    desired: input.DesiredCapacity,
  });
  return {};
}

export function DeleteScheduledAction(world: World, input: DeleteScheduledActionType): object {
  deleteScheduledAction(findGroup(world, input.AutoScalingGroupName!), input.ScheduledActionName!);
  return {};
}

export function DescribeScheduledActions(
  world: World,
  input: DescribeScheduledActionsType,
): ScheduledActionsType {
  const groups =
    input.AutoScalingGroupName === undefined
      ? Object.values(world.groups)
      : [findGroup(world, input.AutoScalingGroupName)];
  const names = input.ScheduledActionNames ?? [];
  const from = input.StartTime?.getTime() ?? 0;
  const until = input.EndTime?.getTime() ?? Number.POSITIVE_INFINITY;
  const rows = groups
    .flatMap((group) => Object.values(group.scheduledActions).map((action) => ({ group, action })))
    .filter(({ action }) => names.length === 0 || names.includes(action.name))
    .filter(({ action }) => action.startsAt >= from && action.startsAt <= until);
  const { items, nextToken } = page(rows, ({ group, action }) => `${group.name} ${action.name}`, {
    token: input.NextToken,
    size: recordLimit(input.MaxRecords),
  });
  return {
    ScheduledUpdateGroupActions: items.map(({ group, action }) => ({
      AutoScalingGroupName: group.name,
      ScheduledActionName: action.name,
      StartTime: new Date(action.startsAt),
      MinSize: action.min,
      MaxSize: action.max,
      DesiredCapacity: action.desired,
    })),
    NextToken: nextToken,
  };
}
