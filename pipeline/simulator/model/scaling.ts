/**
 * What Auto Scaling does by itself: keep the number of instances at desired, spread them over zones, take
 * members into service and out of it. Where it grows and who goes is placement.ts, what a user asks of a group is
 * groups.ts, who is unhealthy is health.ts.
 *
 * Lifecycle: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
 * Suspension: https://docs.aws.amazon.com/autoscaling/ec2/userguide/understand-how-suspending-processes-affects-other-processes.html
 */
import { timestamp } from '../../clock.ts';
import { activitiesOf, begin, end, findActivity } from './activities.ts';
import { ServiceError } from './errors.ts';
import * as instances from './instances.ts';
import { launchParameters } from './launching.ts';
import {
  addTo,
  chooseVictim,
  emptiestZone,
  removeFrom,
  type Spread,
  sizeOf,
  spreadOf,
  unbalanced,
} from './placement.ts';
import { schedule } from './queue.ts';
import { configurationOf, wantedIn } from './refresh-state.ts';
import type { Activity, Group, Instance, LaunchTemplate, Member, TemplateVersion, World } from './state.ts';
import { deregister, register } from './targets.ts';
import { findTemplate, resolveVersion } from './templates.ts';

/** Auto Scaling looks at the group after `delayMs`, or sooner if it was going to. */
export function lookAt(world: World, group: Group, delayMs = world.timing.reactionMs): void {
  const due = world.now + delayMs;
  if (group.reconcileDue !== null && group.reconcileDue <= due) return;
  group.reconcileDue = due;
  schedule(world, delayMs, { kind: 'group.reconcile', group: group.name });
}

/** Launches what is missing, terminates what is too much. */
export function reconcile(world: World, group: Group): void {
  const spread = spreadOf(group);
  const actual = sizeOf(spread);
  const wanted = wantedIn(world, group);
  if (actual < wanted) {
    if (group.suspended.Launch !== undefined) return;
    for (let count = actual; count < wanted; count += 1) {
      const cause = differenceCause(world, 'started', count, count + 1);
      const member = launchMember(world, group, emptiestZone(group, spread), cause);
      if (!member) {
        lookAt(world, group, world.timing.launchRetryMs);
        return;
      }
      addTo(spread, member);
    }
  }
  const rebalancing = [...spread.values()].flat().filter(isExtra).length;
  for (let count = actual - rebalancing; count > wanted; count -= 1) {
    if (!scaleInByOne(world, group, spread, count)) break;
  }
  considerRebalancing(world, group, spread);
}

const isExtra = (member: Member): boolean => member.rebalancing && member.lifecycle === 'Pending';

const differenceCause = (world: World, verb: 'started' | 'taken out of service', from: number, to: number) =>
  `At ${timestamp(world.now)} an instance was ${verb} in response to a difference between desired and actual ` +
  `capacity, ${to > from ? 'increasing' : 'shrinking'} the capacity from ${from} to ${to}.`;

/** Null when the launch failed; the activity then says why, as it does on AWS. */
export function launchMember(world: World, group: Group, zone: string, cause: string): Member | null {
  const activity = begin(world, group.name, {
    description: 'Launching a new EC2 instance',
    cause,
    status: 'PreInService',
    zone,
  });
  try {
    const { template, version, instanceType } = launchSource(world, group);
    const parameters = launchParameters({
      ...version.data,
      ...(instanceType && { InstanceType: instanceType }),
    });
    const subnet = world.subnets.find(
      (candidate) => candidate.zone === zone && group.subnetIds.includes(candidate.id),
    );
    const instance = instances.launch(world, {
      ...parameters,
      subnetId: subnet?.id ?? '',
      groupName: group.name,
      tags: {
        ...parameters.tags,
        ...propagatedTags(group),
        'aws:autoscaling:groupName': group.name,
        'aws:ec2launchtemplate:id': template.id,
        'aws:ec2launchtemplate:version': String(version.version),
      },
    });
    activity.description += `: ${instance.id}`;
    activity.progress = 30;
    const member: Member = {
      instanceId: instance.id,
      lifecycle: 'Pending',
      health: 'Healthy',
      zone,
      instanceType: instance.instanceType,
      protectedFromScaleIn: group.newInstancesProtected,
      template: { id: template.id, name: template.name, version: String(version.version) },
      joinedAt: world.now,
      inServiceAt: null,
      rebalancing: false,
      activityId: activity.id,
    };
    group.members[instance.id] = member;
    return member;
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    end(world, activity, 'Failed', `${error.message}. Launching EC2 instance failed.`);
    return null;
  }
}

/** The template version a launch uses now; in a mixed instances policy, that of its first override. */
function launchSource(
  world: World,
  group: Group,
): { template: LaunchTemplate; version: TemplateVersion; instanceType: string | null } {
  const configuration = configurationOf(world, group);
  if (configuration.template) {
    const template = findTemplate(world, { id: configuration.template.id });
    return {
      template,
      version: resolveVersion(template, configuration.template.version),
      instanceType: null,
    };
  }
  const policy = configuration.mixedInstances?.LaunchTemplate as MixedTemplate | undefined;
  const [override] = policy?.Overrides ?? [];
  const reference = override?.LaunchTemplateSpecification ?? policy?.LaunchTemplateSpecification;
  const template = findTemplate(world, { id: reference?.LaunchTemplateId });
  return {
    template,
    version: resolveVersion(template, reference?.Version),
    instanceType: override?.InstanceType ?? null,
  };
}

interface MixedTemplate {
  LaunchTemplateSpecification?: { LaunchTemplateId?: string; Version?: string };
  Overrides?: {
    InstanceType?: string;
    LaunchTemplateSpecification?: { LaunchTemplateId?: string; Version?: string };
  }[];
}

const propagatedTags = (group: Group): Record<string, string> =>
  Object.fromEntries(
    Object.entries(group.tags)
      .filter(([, tag]) => tag.propagateAtLaunch)
      .map(([key, tag]) => [key, tag.value]),
  );

function scaleInByOne(world: World, group: Group, spread: Spread, count: number): boolean {
  const victim = chooseVictim(world, group, spread);
  if (victim) {
    removeFrom(spread, victim);
    terminateMember(world, group, victim, differenceCause(world, 'taken out of service', count, count - 1));
    return true;
  }
  if (group.suspended.Terminate !== undefined) return false;
  const message =
    'Could not scale to desired capacity because all remaining instances are protected from scale-in.';
  const last = activitiesOf(world, group.name).at(-1);
  if (last?.message !== message) {
    const cause = differenceCause(world, 'taken out of service', count, count - 1);
    const activity = begin(world, group.name, {
      description: 'Terminating EC2 instance',
      cause,
      status: 'InProgress',
      zone: null,
    });
    end(world, activity, 'Failed', message);
  }
  return false;
}

/** A zone is two or more instances behind another: AZRebalance launches there first and terminates after. */
function considerRebalancing(world: World, group: Group, spread: Spread): void {
  if (group.rebalanceDue !== null || !unbalanced(spread)) return;
  group.rebalanceDue = world.now + world.timing.rebalanceMs;
  schedule(world, world.timing.rebalanceMs, { kind: 'group.rebalance', group: group.name });
}

export function rebalance(world: World, group: Group): void {
  const { AZRebalance, Launch, Terminate } = group.suspended;
  const spread = spreadOf(group);
  if (AZRebalance !== undefined || Launch !== undefined || !unbalanced(spread)) return;
  const settled = Object.values(group.members).every((member) => member.lifecycle === 'InService');
  // Launched before terminated: "up to 10 percent larger than its maximum size" while it lasts, and for as
  // long as Terminate is suspended.
  const size = sizeOf(spread);
  const room = size < group.max + Math.max(1, Math.floor(group.max / 10));
  if (settled && room && (size === group.desired || Terminate !== undefined)) {
    const cause = `At ${timestamp(world.now)} instances were launched to balance instances in zones.`;
    const member = launchMember(world, group, emptiestZone(group, spread), cause);
    if (member) member.rebalancing = true;
  }
  considerRebalancing(world, group, spread);
}

/** The instance runs: its member enters service and is registered with the group's load balancers. */
export function enterService(world: World, group: Group, member: Member, instance: Instance): void {
  if (member.lifecycle !== 'Pending') return;
  member.lifecycle = 'InService';
  member.inServiceAt = world.now;
  member.rebalancing = false;
  end(world, findActivity(world, group.name, member.activityId), 'Successful');
  if (group.suspended.AddToLoadBalancer === undefined) {
    for (const arn of group.targetGroupArns) {
      const targetGroup = world.targetGroups[arn];
      if (targetGroup) register(world, targetGroup, instance);
    }
  }
  lookAt(world, group);
}

/**
 * Takes a member out of service: deregisters it, waits until every target group has drained it, then terminates
 * the instance. Returns the activity; for a member already on its way out, the one that is under way.
 */
export function terminateMember(world: World, group: Group, member: Member, cause: string): Activity {
  if (member.lifecycle === 'Terminating') {
    const underWay = findActivity(world, group.name, member.activityId);
    if (underWay) return underWay;
  }
  end(world, unfinished(findActivity(world, group.name, member.activityId)), 'Cancelled');
  const drainedAt = Math.max(
    world.now,
    ...group.targetGroupArns.map((arn) => {
      const targetGroup = world.targetGroups[arn];
      return targetGroup ? deregister(world, targetGroup, member.instanceId) : world.now;
    }),
  );
  const activity = begin(world, group.name, {
    description: `Terminating EC2 instance: ${member.instanceId}`,
    cause,
    status: drainedAt > world.now ? 'WaitingForELBConnectionDraining' : 'InProgress',
    zone: member.zone,
  });
  activity.progress = 50;
  member.lifecycle = 'Terminating';
  member.activityId = activity.id;
  schedule(world, drainedAt - world.now, {
    kind: 'member.drained',
    group: group.name,
    id: member.instanceId,
  });
  lookAt(world, group);
  return activity;
}

/** The launch of a pending member failed; its instance, should it still be there, is terminated. */
export function failLaunch(world: World, group: Group, member: Member, message: string): void {
  end(world, findActivity(world, group.name, member.activityId), 'Failed', message);
  const cause = `At ${timestamp(world.now)} an instance was taken out of service because its launch failed.`;
  terminateMember(world, group, member, cause);
}

const unfinished = (activity: Activity | undefined): Activity | undefined =>
  activity?.endedAt === null ? activity : undefined;

export function memberDrained(world: World, group: Group, member: Member): void {
  if (member.lifecycle !== 'Terminating') return;
  const activity = findActivity(world, group.name, member.activityId);
  if (activity) activity.status = 'InProgress';
  const instance = world.instances[member.instanceId];
  if (instance && instance.state !== 'terminated') instances.terminate(world, instance);
  else memberGone(world, group, member);
}

/** The instance of a terminating member is terminated: it leaves the group. */
export function memberGone(world: World, group: Group, member: Member): void {
  if (member.lifecycle !== 'Terminating') return;
  end(world, findActivity(world, group.name, member.activityId), 'Successful');
  delete group.members[member.instanceId];
  if (group.deleting && Object.keys(group.members).length === 0) delete world.groups[group.name];
  else lookAt(world, group);
}
