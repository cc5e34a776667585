/**
 * Auto Scaling's operations on what sends traffic to a group: target groups, by their own operations or as traffic
 * sources. https://docs.aws.amazon.com/autoscaling/ec2/userguide/attach-load-balancer-asg.html
 */
import type {
  AttachLoadBalancerTargetGroupsType,
  AttachTrafficSourcesType,
  DescribeLoadBalancerTargetGroupsRequest,
  DescribeLoadBalancerTargetGroupsResponse,
  DescribeTrafficSourcesRequest,
  DescribeTrafficSourcesResponse,
  DetachLoadBalancerTargetGroupsType,
  DetachTrafficSourcesType,
} from '@aws-sdk/client-auto-scaling';
import { validationError } from '../../model/errors.ts';
import { findGroup } from '../../model/groups.ts';
import { asksTargetGroups } from '../../model/health.ts';
import type { Group, World } from '../../model/state.ts';
import { targetHealth } from '../../model/target-checks.ts';
import { deregister, findTargetGroup, register } from '../../model/targets.ts';
import { page } from './pages.ts';
import { recordLimit, targetGroupsIn } from './scaling-shapes.ts';

function attach(world: World, group: Group, arns: readonly string[]): object {
  for (const targetGroup of arns.map((arn) => findTargetGroup(world, arn))) {
    if (group.targetGroupArns.includes(targetGroup.arn)) continue;
    group.targetGroupArns.push(targetGroup.arn);
    for (const member of Object.values(group.members)) {
      const instance = world.instances[member.instanceId];
      if (instance?.state === 'running' && member.lifecycle === 'InService')
        register(world, targetGroup, instance);
    }
  }
  return {};
}

function detach(world: World, group: Group, arns: readonly string[]): object {
  for (const arn of arns) {
    if (!group.targetGroupArns.includes(arn)) {
      throw validationError('Trying to remove Target Groups that are not part of the group');
    }
  }
  group.targetGroupArns = group.targetGroupArns.filter((arn) => !arns.includes(arn));
  for (const arn of arns) {
    const targetGroup = findTargetGroup(world, arn);
    for (const id of Object.keys(group.members)) deregister(world, targetGroup, id);
  }
  return {};
}

export const AttachLoadBalancerTargetGroups = (world: World, input: AttachLoadBalancerTargetGroupsType) =>
  attach(world, findGroup(world, input.AutoScalingGroupName!), input.TargetGroupARNs ?? []);

export const DetachLoadBalancerTargetGroups = (world: World, input: DetachLoadBalancerTargetGroupsType) =>
  detach(world, findGroup(world, input.AutoScalingGroupName!), input.TargetGroupARNs ?? []);

export const AttachTrafficSources = (world: World, input: AttachTrafficSourcesType) =>
  attach(world, findGroup(world, input.AutoScalingGroupName!), targetGroupsIn(input.TrafficSources));

export const DetachTrafficSources = (world: World, input: DetachTrafficSourcesType) =>
  detach(world, findGroup(world, input.AutoScalingGroupName!), targetGroupsIn(input.TrafficSources));

/**
 * Added until "at least one Auto Scaling instance passes the health check", then InService; a group that does not use
 * these health checks stays with Added.
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/load-balancer-status.html
 */
function stateOf(world: World, group: Group, arn: string): string {
  if (!asksTargetGroups(group)) return 'Added';
  const targetGroup = findTargetGroup(world, arn);
  const passes = Object.keys(group.members).some(
    (id) => targetHealth(world, targetGroup, id).state === 'healthy',
  );
  return passes ? 'InService' : 'Added';
}

export function DescribeLoadBalancerTargetGroups(
  world: World,
  input: DescribeLoadBalancerTargetGroupsRequest,
): DescribeLoadBalancerTargetGroupsResponse {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const { items, nextToken } = page(group.targetGroupArns, (arn) => arn, {
    token: input.NextToken,
    size: recordLimit(input.MaxRecords, 100),
  });
  return {
    LoadBalancerTargetGroups: items.map((arn) => ({
      LoadBalancerTargetGroupARN: arn,
      State: stateOf(world, group, arn),
    })),
    NextToken: nextToken,
  };
}

export function DescribeTrafficSources(
  world: World,
  input: DescribeTrafficSourcesRequest,
): DescribeTrafficSourcesResponse {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const wanted = (input.TrafficSourceType ?? 'elbv2') === 'elbv2' ? group.targetGroupArns : [];
  const { items, nextToken } = page(wanted, (arn) => arn, {
    token: input.NextToken,
    size: recordLimit(input.MaxRecords),
  });
  return {
    TrafficSources: items.map((Identifier) => ({
      Identifier,
      State: stateOf(world, group, Identifier),
      Type: 'elbv2',
    })),
    NextToken: nextToken,
  };
}
