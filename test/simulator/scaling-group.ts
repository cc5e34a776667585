/** A group of the example fleet as its users see it through the SDK. */
import {
  type Activity,
  type AutoScalingGroup,
  DescribeAutoScalingGroupsCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeScalingActivitiesCommand,
  type Instance,
  SetDesiredCapacityCommand,
  TerminateInstanceInAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { eventually, type InMemory } from './clients.ts';

export async function groupOf({ scaling }: InMemory, name = 'web-a'): Promise<AutoScalingGroup> {
  const answer = await scaling.send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name] }));
  return answer.AutoScalingGroups![0]!;
}

export const inService = (group: AutoScalingGroup): Instance[] =>
  group.Instances!.filter((instance) => instance.LifecycleState === 'InService');
export const ids = (group: AutoScalingGroup): string[] =>
  inService(group).map((instance) => instance.InstanceId!);

/** Waits until the group has exactly `count` instances, all of them in service. */
export const settled = (aws: InMemory, count: number, name = 'web-a'): Promise<AutoScalingGroup> =>
  eventually(aws.clock, `${name} settles at ${count}`, async () => {
    const group = await groupOf(aws, name);
    return group.Instances!.length === count && inService(group).length === count && group;
  });

export const terminate = (aws: InMemory, id: string, decrement: boolean) =>
  aws.scaling.send(
    new TerminateInstanceInAutoScalingGroupCommand({
      InstanceId: id,
      ShouldDecrementDesiredCapacity: decrement,
    }),
  );

export const setDesired = (aws: InMemory, DesiredCapacity: number, name = 'web-a') =>
  aws.scaling.send(new SetDesiredCapacityCommand({ AutoScalingGroupName: name, DesiredCapacity }));

/** Newest first, those in progress before all others. */
export const activities = async ({ scaling }: InMemory, name = 'web-a'): Promise<Activity[]> =>
  (await scaling.send(new DescribeScalingActivitiesCommand({ AutoScalingGroupName: name }))).Activities!;

/** The lifecycle state of an instance in a group or its warm pool; null when it is in none. */
export async function stateOf({ scaling }: InMemory, id: string): Promise<string | null> {
  const answer = await scaling.send(new DescribeAutoScalingInstancesCommand({ InstanceIds: [id] }));
  return answer.AutoScalingInstances![0]?.LifecycleState ?? null;
}

export const reaches = (aws: InMemory, id: string, state: string | null, withinMs = 600_000): Promise<true> =>
  eventually(aws.clock, `${id} is ${state}`, async () => (await stateOf(aws, id)) === state, { withinMs });
