/**
 * What a user asks of single instances of a group: terminate, attach, detach, standby and back, protection, health.
 * All instances of a request are judged before the first is touched, so that a refusal changes nothing.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_TerminateInstanceInAutoScalingGroup.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-enter-exit-standby.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-detach-attach-instances.html
 */
import { atTime, beginMove, capacityChange } from './activities.ts';
import { lookAt } from './attention.ts';
import { validationError } from './errors.ts';
import { checkMember, markedByUser } from './health.ts';
import { findInstance } from './instances.ts';
import { counts, isTerminating, isWarm, memberIn } from './lifecycle.ts';
import { comeUp, drain, newMember, terminateMember } from './members.ts';
import type { Activity, Group, Instance, Member, World } from './state.ts';

export function findMember(world: World, instanceId: string): { group: Group; member: Member } {
  const groupName = Object.hasOwn(world.instances, instanceId) && world.instances[instanceId]!.groupName;
  const group = groupName ? world.groups[groupName] : undefined;
  const member = group && memberIn(group, instanceId);
  if (group && member) return { group, member };
  throw validationError(notManaged(instanceId));
}

/** Each once. */
function membersNamed(group: Group, instanceIds: readonly string[], absent = notPartOf): Member[] {
  return [...new Set(instanceIds)].map((id) => {
    const member = memberIn(group, id);
    if (member) return member;
    throw validationError(absent(id, group));
  });
}

const notPartOf = (id: string, { name }: Group): string =>
  `The instance ${id} is not part of Auto Scaling group ${name}.`;

const notManaged = (id: string): string =>
  `Instance Id not found - No managed instance found for instance ID: ${id}`;

function requireState(members: readonly Member[], states: readonly Member['lifecycle'][]): void {
  for (const { instanceId, lifecycle } of members) {
    if (states.includes(lifecycle)) continue;
    throw validationError(`The instance ${instanceId} is not in ${states.join(' or ')}.`);
  }
}

/**
 * TerminateInstanceInAutoScalingGroup, for one instance or several of one group: either all go or, refused, none. A
 * member already terminating keeps its activity; nothing is decremented twice.
 */
export function terminateInGroup(
  world: World,
  group: Group,
  instanceIds: readonly string[],
  decrement: boolean,
): Activity[] {
  const members = membersNamed(group, instanceIds, notManaged);
  const warm = members.find(isWarm);
  // "This operation cannot be called on instances in a warm pool."
  if (warm) throw validationError(`The instance ${warm.instanceId} is in the warm pool of ${group.name}.`);
  const leaving = members.filter(counts);
  if (decrement && group.desired - leaving.length < group.min) {
    const sizes =
      leaving.length === 1 && group.desired === group.min
        ? `desiredSize equals minSize (${group.min})`
        : `desiredSize is ${group.desired} and minSize is ${group.min}`;
    throw validationError(
      `Currently, ${sizes}. Terminating instance without replacement will violate group's min size constraint. ` +
        "Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
    );
  }
  return members.map((member) => {
    const shrinking = decrement && counts(member) ? shrinkByOne(group) : '';
    const cause = `${atTime(world)} instance ${member.instanceId} was taken out of service in response to a user request${shrinking}.`;
    return terminateMember(world, group, member, cause);
  });
}

function shrinkByOne(group: Group): string {
  group.desired -= 1;
  return `, ${capacityChange(group.desired + 1, group.desired)}`;
}

/** Refused with what the group's sizes would have to allow. */
function requireRoom(group: Group, change: number, verb: string): void {
  const { name, min, max, desired } = group;
  if (desired + change >= min && desired + change <= max) return;
  const count = Math.abs(change);
  throw validationError(
    `AutoScalingGroup ${name} has min-size=${min}, max-size=${max}, and desired-size=${desired}. ` +
      `To ${verb} ${count} ${count === 1 ? 'instance' : 'instances'}, please update the AutoScalingGroup sizes appropriately.`,
  );
}

export function enterStandby(
  world: World,
  group: Group,
  instanceIds: readonly string[],
  decrement: boolean,
): Activity[] {
  const members = membersNamed(group, instanceIds);
  requireState(members, ['InService']);
  if (decrement) requireRoom(group, -members.length, 'place into standby');
  return members.map((member) =>
    takeOut(world, group, member, {
      lifecycle: 'EnteringStandby',
      description: `Moving EC2 instance to Standby: ${member.instanceId}`,
      cause: `instance ${member.instanceId} was moved to standby in response to a user request`,
      decrement,
    }),
  );
}

/** "After you put the instances back in service, the desired capacity is incremented." */
export function exitStandby(world: World, group: Group, instanceIds: readonly string[]): Activity[] {
  const members = membersNamed(group, instanceIds);
  requireState(members, ['Standby']);
  requireRoom(group, members.length, 'place into service');
  return members.map((member) => {
    group.desired += 1;
    const activity = beginMove(world, group, member, {
      description: `Moving EC2 instance out of Standby: ${member.instanceId}`,
      cause:
        `${atTime(world)} instance ${member.instanceId} was moved out of standby in response to a user request, ` +
        `${capacityChange(group.desired - 1, group.desired)}.`,
      status: 'PreInService',
      progress: 30,
    });
    comeUp(world, group, member);
    return activity;
  });
}

export function detach(
  world: World,
  group: Group,
  instanceIds: readonly string[],
  decrement: boolean,
): Activity[] {
  const members = membersNamed(group, instanceIds);
  requireState(members, ['InService', 'Standby']);
  if (decrement) requireRoom(group, -members.filter(counts).length, 'detach');
  return members.map((member) =>
    takeOut(world, group, member, {
      lifecycle: 'Detaching',
      description: `Detaching EC2 instance: ${member.instanceId}`,
      cause: `instance ${member.instanceId} was detached in response to a user request`,
      decrement: decrement && counts(member),
    }),
  );
}

function takeOut(
  world: World,
  group: Group,
  member: Member,
  move: {
    lifecycle: 'EnteringStandby' | 'Detaching';
    description: string;
    cause: string;
    decrement: boolean;
  },
): Activity {
  drain(world, group, member);
  const shrinking = move.decrement ? shrinkByOne(group) : '';
  const activity = beginMove(world, group, member, {
    description: move.description,
    cause: `${atTime(world)} ${move.cause}${shrinking}.`,
    status: 'InProgress',
    progress: 50,
  });
  member.lifecycle = move.lifecycle;
  lookAt(world, group);
  return activity;
}

/**
 * A running instance of one of the group's zones, whose image exists and that is in no group, becomes a member and raises desired.
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/attach-instance-asg.html
 */
export function attach(world: World, group: Group, instanceIds: readonly string[]): void {
  const instances = [...new Set(instanceIds)].map((id) => findInstance(world, id));
  for (const instance of instances) requireAttachable(world, group, instance);
  requireRoom(group, instances.length, 'attach');
  for (const instance of instances) {
    group.desired += 1;
    instance.groupName = group.name;
    instance.tags['aws:autoscaling:groupName'] = group.name;
    const member = newMember(world, instance, {
      lifecycle: 'Pending',
      protectedFromScaleIn: group.newInstancesProtected,
      template: null,
      activity: 0,
    });
    group.members[instance.id] = member;
    beginMove(world, group, member, {
      description: `Attaching an existing EC2 instance: ${instance.id}`,
      cause:
        `${atTime(world)} an instance was attached in response to a user request, ` +
        `${capacityChange(group.desired - 1, group.desired)}.`,
      status: 'PreInService',
      progress: 30,
    });
    comeUp(world, group, member);
  }
}

function requireAttachable(world: World, group: Group, instance: Instance): void {
  const refuse = (reason: string): never => {
    throw validationError(`Invalid Instance ID: ${instance.id}. ${reason}`);
  };
  if (instance.state !== 'running') refuse(`The instance is not in correct state: ${instance.state}.`);
  if (instance.groupName !== null) refuse(`The instance is already a member of ${instance.groupName}.`);
  if (!group.zones.includes(instance.zone)) {
    refuse(`The instance is in ${instance.zone}, which is not an Availability Zone of the group.`);
  }
  if (!Object.hasOwn(world.images, instance.imageId)) refuse(`Its image ${instance.imageId} does not exist.`);
}

/** "This operation cannot be called on instances in a warm pool." */
export function setProtection(group: Group, instanceIds: readonly string[], isProtected: boolean): void {
  const members = membersNamed(group, instanceIds);
  requireState(members, ['InService', 'EnteringStandby', 'Standby']);
  for (const member of members) member.protectedFromScaleIn = isProtected;
}

export function setInstanceHealth(
  world: World,
  instanceId: string,
  health: Member['health'],
  respectGrace: boolean,
): void {
  const { group, member } = findMember(world, instanceId);
  if (isTerminating(member)) {
    throw validationError(`The instance ${instanceId} is terminating; its health cannot be set.`);
  }
  const graceEndsAt = (member.inServiceAt ?? world.now) + group.healthCheckGraceMs;
  // "There is no health check grace period for warm pool instances."
  const isForgiven = respectGrace && !isWarm(member) && world.now < graceEndsAt;
  if (isForgiven && health === 'Unhealthy') return;
  member.health = health;
  member.unhealthyBecause = health === 'Unhealthy' ? markedByUser : null;
  checkMember(world, group, member);
}
