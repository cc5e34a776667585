/**
 * Changes of a group's limits that its users have scheduled. Only those that happen once: recurring ones are refused
 * at the door.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html
 */
import { begin, causes, end } from './activities.ts';
import { ServiceError, validationError } from './errors.ts';
import type { ScheduledAction } from './group-state.ts';
import { updateGroup } from './groups.ts';
import { nextSerial } from './identity.ts';
import { schedule } from './queue.ts';
import type { Group, World } from './state.ts';

/** A new action, or another one in the place of that of the same name. */
export function putScheduledAction(
  world: World,
  group: Group,
  request: Omit<ScheduledAction, 'serial'>,
): void {
  const { name, startsAt, min, max, desired } = request;
  if (startsAt <= world.now) throw validationError('Given start time is in the past');
  if (min === undefined && max === undefined && desired === undefined) {
    throw validationError('At least one of MinSize, MaxSize and DesiredCapacity must be specified.');
  }
  const action = { ...request, serial: nextSerial(world) };
  group.scheduledActions[name] = action;
  schedule(world, startsAt - world.now, {
    kind: 'group.scheduled',
    group: group.name,
    name,
    serial: action.serial,
  });
}

export function deleteScheduledAction(group: Group, name: string): void {
  if (!Object.hasOwn(group.scheduledActions, name)) {
    throw validationError(`Scheduled action name not found: ${name}`);
  }
  delete group.scheduledActions[name];
}

/** The time of an action has come. While ScheduledActions is suspended it passes without effect, for good. */
export function carryOut(world: World, group: Group, name: string, serial: number): void {
  const action = group.scheduledActions[name];
  if (action?.serial !== serial) return;
  delete group.scheduledActions[name];
  if (group.suspended.ScheduledActions !== undefined || group.deleting) return;
  const { min, max, desired } = action;
  const what = `the scheduled action ${name} executed`;
  try {
    updateGroup(world, group, { min, max, desired }, {}, what);
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    const details = { description: `Executing scheduled action: ${name}`, cause: causes(world, what) };
    end(world, begin(world, group, { ...details, status: 'InProgress' }), 'Failed', error.message);
  }
}
