/**
 * Auto Scaling groups as their users see them: creation, limits, desired capacity, suspended processes,
 * deletion. Every change only writes what was asked for and lets scaling.ts find out what follows.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html
 */
import { timestamp } from '../../clock.ts';
import { activitiesOf, causes } from './activities.ts';
import { lookAt } from './attention.ts';
import { ServiceError, validationError } from './errors.ts';
import { newUuid, nextSerial } from './identity.ts';
import { findImage } from './images.ts';
import { allMembers, counts, isPrepared, isTerminating } from './lifecycle.ts';
import { terminateAtOnce, terminateMember } from './members.ts';
import { schedule } from './queue.ts';
import { activeRefresh } from './refresh-state.ts';
import type { Group, TemplateReference, World } from './state.ts';
import { findTemplate, resolveVersion } from './templates.ts';

export const processes = [
  'Launch',
  'Terminate',
  'AddToLoadBalancer',
  'AlarmNotification',
  'AZRebalance',
  'HealthCheck',
  'InstanceRefresh',
  'ReplaceUnhealthy',
  'ScheduledActions',
] as const;

export const terminationPolicies = [
  'AllocationStrategy',
  'ClosestToNextInstanceHour',
  'Default',
  'NewestInstance',
  'OldestInstance',
  'OldestLaunchConfiguration',
  'OldestLaunchTemplate',
] as const;

export function findGroup(world: World, name: string): Group {
  if (Object.hasOwn(world.groups, name)) return world.groups[name]!;
  throw validationError(`AutoScalingGroup name not found - AutoScalingGroup '${name}' not found`);
}

export interface Limits {
  min?: number | undefined;
  max?: number | undefined;
  desired?: number | undefined;
}

/** "If the new MinSize is larger than the current size, this sets DesiredCapacity to the new MinSize", and so for MaxSize. */
function withinLimits(
  current: Required<Limits>,
  change: Limits,
): { min: number; max: number; desired: number } {
  const min = change.min ?? current.min!;
  const max = change.max ?? current.max!;
  if (min < 0) throw validationError(`Min bound, ${min}, must be greater than or equal to 0`);
  if (max < min) {
    throw validationError(`Max bound, ${max}, must be greater than or equal to min bound, ${min}`);
  }
  if (change.desired !== undefined && (change.desired < min || change.desired > max)) {
    throw validationError(
      `Desired capacity:${change.desired} must be between the specified min size:${min} and max size:${max}`,
    );
  }
  return { min, max, desired: change.desired ?? Math.min(Math.max(current.desired!, min), max) };
}

/** A template as Auto Scaling accepts it: it exists, and so does the image it launches. */
export function usableTemplate(
  world: World,
  given: { id?: string | undefined; name?: string | undefined; version?: string | undefined },
): TemplateReference {
  try {
    const template = findTemplate(world, given);
    const { data } = resolveVersion(template, given.version);
    findImage(world, String(data.ImageId ?? ''));
    return { id: template.id, name: template.name, version: given.version ?? '$Default' };
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    throw validationError(`You must use a valid fully-formed launch template. ${error.message}`);
  }
}

/** What a user sets; the rest of a group is what follows from it. */
export type GroupSettings = Pick<
  Group,
  | 'zones'
  | 'subnetIds'
  | 'template'
  | 'mixedInstances'
  | 'healthCheckType'
  | 'healthCheckGraceMs'
  | 'cooldownMs'
  | 'warmUpMs'
  | 'maintenance'
  | 'capacityRebalance'
  | 'zoneStrategy'
  | 'newInstancesProtected'
  | 'terminationPolicies'
>;

/** https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html */
const defaultSettings: GroupSettings = {
  zones: [],
  subnetIds: [],
  template: null,
  mixedInstances: null,
  healthCheckType: 'EC2',
  healthCheckGraceMs: 0,
  cooldownMs: 300_000,
  warmUpMs: null,
  maintenance: null,
  capacityRebalance: false,
  zoneStrategy: 'balanced-best-effort',
  newInstancesProtected: false,
  terminationPolicies: ['Default'],
};

export function createGroup(
  world: World,
  name: string,
  limits: Required<Pick<Limits, 'min' | 'max'>> & Limits,
  settings: Partial<GroupSettings> & Pick<Group, 'targetGroupArns' | 'tags'>,
): Group {
  if (Object.hasOwn(world.groups, name)) {
    throw new ServiceError(
      'AlreadyExists',
      `AutoScalingGroup by this name already exists - A group with the name ${name} already exists`,
    );
  }
  const { region, accountId } = world;
  const sizes = withinLimits({ min: 0, max: 0, desired: limits.min }, limits);
  const group: Group = {
    name,
    arn: `arn:aws:autoscaling:${region}:${accountId}:autoScalingGroup:${newUuid(world)}:autoScalingGroupName/${name}`,
    serial: nextSerial(world),
    createdAt: world.now,
    ...sizes,
    ...defaultSettings,
    ...settings,
    suspended: {},
    members: {},
    hooks: {},
    scheduledActions: {},
    warmPool: null,
    cooldown: null,
    capacityCause: capacityCause(world, 'a user request created an AutoScalingGroup', 0, sizes.desired),
    replacements: [],
    ailing: false,
    reconcileDue: null,
    rebalanceDue: null,
    deleting: false,
  };
  world.groups[name] = group;
  // Those of a deleted group of the same name are not its own.
  delete world.refreshes[name];
  lookAt(world, group);
  return group;
}

const capacityCause = (world: World, what: string, from: number, to: number): string =>
  `${causes(world, `${what} changing the desired capacity from ${from} to ${to}`)}  `;

/** @param what happened, in activities; left out: a user's request */
export function updateGroup(
  world: World,
  group: Group,
  limits: Limits,
  settings: Partial<GroupSettings>,
  what?: string,
): void {
  refuseWhileDeleting(group);
  const changesLaunches = settings.template !== undefined || settings.mixedInstances !== undefined;
  if (changesLaunches && activeRefresh(world, group.name)?.desired) {
    throw validationError(
      'An active instance refresh with a desired configuration exists. All configuration options derived from ' +
        'the desired configuration are not available for update while the instance refresh is active.',
    );
  }
  const sizes = withinLimits(group, limits);
  if (sizes.desired !== group.desired) {
    const { min, max, desired } = sizes;
    const request = `a user request update of AutoScalingGroup constraints to min: ${min}, max: ${max}, desired: ${desired}`;
    group.capacityCause = capacityCause(world, what ?? request, group.desired, desired);
  }
  Object.assign(group, sizes, settings);
  lookAt(world, group);
}

const refuseWhileDeleting = (group: Group): void => {
  if (group.deleting) throw validationError(`AutoScalingGroup ${group.name} is pending delete`);
};

export function setDesired(world: World, group: Group, desired: number, honorCooldown = false): void {
  refuseWhileDeleting(group);
  const refuse = (relation: string): never => {
    throw validationError(`New SetDesiredCapacity value ${desired} is ${relation} for the AutoScalingGroup.`);
  };
  if (desired > group.max) refuse(`above max value ${group.max}`);
  if (desired < group.min) refuse(`below min value ${group.min}`);
  if (honorCooldown) refuseWhileCoolingDown(world, group);
  if (desired !== group.desired) {
    const what = 'a user request explicitly set group desired capacity';
    group.capacityCause = capacityCause(world, what, group.desired, desired);
  }
  group.desired = desired;
  lookAt(world, group);
}

/** Until the cooldown after the last scaling activity is over, and while one is in progress. */
function refuseWhileCoolingDown(world: World, group: Group): void {
  const underWay = activitiesOf(world, group.name).findLast(({ endedAt }) => endedAt === null);
  const cooling = group.cooldown && world.now < group.cooldown.until ? group.cooldown.activityId : undefined;
  const activityId = underWay?.id ?? cooling;
  if (activityId === undefined) return;
  throw new ServiceError(
    'ScalingActivityInProgress',
    `Scaling activity ${activityId} is in progress and blocks this action`,
  );
}

function knownProcesses(names: readonly string[] | undefined): readonly string[] {
  if (!names || names.length === 0) return processes;
  for (const name of names) {
    if (!processes.some((process) => process === name)) {
      throw validationError(`Invalid Process Type: ${name}. Valid types are: [${processes.join(', ')}]`);
    }
  }
  return names;
}

export function suspend(world: World, group: Group, names: readonly string[] | undefined): void {
  for (const name of knownProcesses(names)) {
    group.suspended[name] ??= `User suspended at ${timestamp(world.now)}`;
  }
}

/** What waited for a process happens now: members that turned unhealthy meanwhile, missing or surplus capacity. */
export function resume(world: World, group: Group, names: readonly string[] | undefined): void {
  for (const name of knownProcesses(names)) delete group.suspended[name];
  for (const { instanceId } of allMembers(group)) {
    schedule(world, world.timing.reactionMs, { kind: 'group.health', group: group.name, id: instanceId });
  }
  lookAt(world, group);
}

/** By force "without waiting for all instances to be terminated", and without a word from lifecycle hooks. */
export function deleteGroup(world: World, group: Group, force: boolean): void {
  const members = allMembers(group);
  if (!force) {
    if (members.some((member) => counts(member) || isPrepared(member)) || group.desired > 0) {
      throw new ServiceError(
        'ResourceInUse',
        'You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.',
      );
    }
    if (members.length > 0) {
      throw new ServiceError(
        'ScalingActivityInProgress',
        'You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.',
      );
    }
  }
  if (members.length === 0) {
    delete world.groups[group.name];
    return;
  }
  Object.assign(group, { deleting: true, min: 0, max: 0, desired: 0, hooks: {} });
  if (group.warmPool) group.warmPool.deleting = true;
  const cause = causes(world, 'the AutoScalingGroup was deleted by force');
  for (const member of members) {
    const end = isTerminating(member) ? terminateAtOnce : terminateMember;
    end(world, group, member, cause);
  }
}
