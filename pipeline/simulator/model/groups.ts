/**
 * Auto Scaling groups as their users see them: creation, limits, desired capacity, suspended processes,
 * protection, tags. Every change only writes what was asked for and lets scaling.ts find out what follows.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html
 */
import { timestamp } from '../../clock.ts';
import { ServiceError, validationError } from './errors.ts';
import { newUuid, nextSerial } from './identity.ts';
import { findImage } from './images.ts';
import { counts } from './placement.ts';
import { schedule } from './queue.ts';
import { activeRefresh } from './refresh-state.ts';
import { lookAt, terminateMember } from './scaling.ts';
import type { Activity, Group, GroupTag, Member, TemplateData, TemplateReference, World } from './state.ts';
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

export function findMember(world: World, instanceId: string): { group: Group; member: Member } {
  const groupName = world.instances[instanceId]?.groupName;
  const group = groupName == null ? undefined : world.groups[groupName];
  const member = group?.members[instanceId];
  if (group && member) return { group, member };
  throw validationError(`Instance Id not found - No managed instance found for instance ID: ${instanceId}`);
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

export interface GroupSettings {
  zones: string[];
  subnetIds: string[];
  template: TemplateReference | null;
  mixedInstances: TemplateData | null;
  healthCheckType: string;
  healthCheckGraceMs: number;
  cooldownMs: number;
  newInstancesProtected: boolean;
  terminationPolicies: string[];
}

export function createGroup(
  world: World,
  name: string,
  limits: Required<Pick<Limits, 'min' | 'max'>> & Limits,
  settings: GroupSettings & { targetGroupArns: string[]; tags: Record<string, GroupTag> },
): Group {
  if (Object.hasOwn(world.groups, name)) {
    throw new ServiceError(
      'AlreadyExists',
      `AutoScalingGroup by this name already exists - A group with the name ${name} already exists`,
    );
  }
  const { region, accountId } = world;
  const group: Group = {
    name,
    arn: `arn:aws:autoscaling:${region}:${accountId}:autoScalingGroup:${newUuid(world)}:autoScalingGroupName/${name}`,
    serial: nextSerial(world),
    createdAt: world.now,
    ...withinLimits({ min: 0, max: 0, desired: limits.min }, limits),
    ...settings,
    suspended: {},
    members: {},
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

export function updateGroup(
  world: World,
  group: Group,
  limits: Limits,
  settings: Partial<GroupSettings>,
): void {
  const changesLaunches = settings.template !== undefined || settings.mixedInstances !== undefined;
  if (changesLaunches && activeRefresh(world, group.name)?.desired) {
    throw validationError(
      'An active instance refresh with a desired configuration exists. All configuration options derived from ' +
        'the desired configuration are not available for update while the instance refresh is active.',
    );
  }
  Object.assign(group, withinLimits(group, limits), settings);
  lookAt(world, group);
}

export function setDesired(world: World, group: Group, desired: number): void {
  const refuse = (relation: string): never => {
    throw validationError(`New SetDesiredCapacity value ${desired} is ${relation} for the AutoScalingGroup.`);
  };
  if (desired > group.max) refuse(`above max value ${group.max}`);
  if (desired < group.min) refuse(`below min value ${group.min}`);
  group.desired = desired;
  lookAt(world, group);
}

/** TerminateInstanceInAutoScalingGroup. A member already terminating keeps its activity; nothing is decremented twice. */
export function terminateInGroup(world: World, instanceId: string, decrement: boolean): Activity {
  const { group, member } = findMember(world, instanceId);
  const already = member.lifecycle === 'Terminating';
  const from = group.desired;
  if (decrement && !already && counts(member)) {
    if (group.desired - 1 < group.min) {
      throw validationError(
        `Currently, desiredSize equals minSize (${group.min}). Terminating instance without replacement will ` +
          "violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower " +
          "group's min size.",
      );
    }
    group.desired -= 1;
  }
  const shrinking = group.desired < from ? `, shrinking the capacity from ${from} to ${group.desired}` : '';
  const cause = `At ${timestamp(world.now)} instance ${instanceId} was taken out of service in response to a user request${shrinking}.`;
  return terminateMember(world, group, member, cause);
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
  checkAllMembers(world, group);
  lookAt(world, group);
}

function checkAllMembers(world: World, group: Group): void {
  for (const id of Object.keys(group.members)) {
    schedule(world, world.timing.reactionMs, { kind: 'group.health', group: group.name, id });
  }
}

export function setInstanceHealth(
  world: World,
  instanceId: string,
  health: Member['health'],
  respectGrace: boolean,
): void {
  const { group, member } = findMember(world, instanceId);
  const graceEndsAt = (member.inServiceAt ?? world.now) + group.healthCheckGraceMs;
  if (respectGrace && health === 'Unhealthy' && world.now < graceEndsAt) return;
  member.health = health;
  schedule(world, world.timing.reactionMs, { kind: 'group.health', group: group.name, id: instanceId });
}

export function setProtection(group: Group, instanceIds: readonly string[], isProtected: boolean): void {
  const members = instanceIds.map((id) => {
    const member = group.members[id];
    if (!member) throw validationError(`The instance ${id} is not part of Auto Scaling group ${group.name}.`);
    if (member.lifecycle === 'Terminating') {
      throw validationError(`The instance ${id} is not in InService or EnteringStandby or Standby.`);
    }
    return member;
  });
  for (const member of members) member.protectedFromScaleIn = isProtected;
}

export function deleteGroup(world: World, group: Group, force: boolean): void {
  const members = Object.values(group.members);
  if (!force && (members.length > 0 || group.desired > 0)) {
    throw new ServiceError(
      'ResourceInUse',
      `You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.`,
    );
  }
  if (members.length === 0) {
    delete world.groups[group.name];
    return;
  }
  Object.assign(group, { deleting: true, min: 0, max: 0, desired: 0 });
  for (const member of members) {
    terminateMember(world, group, member, `At ${timestamp(world.now)} the group was deleted by force.`);
  }
}
