/**
 * What Drover changes on an Auto Scaling group and its target groups. Every call is idempotent or guarded, as the
 * port promises; the rest is the shape AWS wants.
 */
import {
  type AutoScalingGroup,
  CreateOrUpdateTagsCommand,
  DeleteTagsCommand,
  DescribeAutoScalingGroupsCommand,
  ResumeProcessesCommand,
  SetInstanceProtectionCommand,
  SuspendProcessesCommand,
  type Tag,
  TerminateInstanceInAutoScalingGroupCommand,
  UpdateAutoScalingGroupCommand,
  type UpdateAutoScalingGroupType,
} from '@aws-sdk/client-auto-scaling';
import { DeregisterTargetsCommand, RegisterTargetsCommand } from '@aws-sdk/client-elastic-load-balancing-v2';
import { Refused } from '../../errors.ts';
import { type Cloud, CloudError, type GroupChange } from '../cloud.ts';
import { type Connection, chunks } from './clients.ts';

type GroupCalls = Pick<
  Cloud,
  | 'updateGroup'
  | 'suspendProcesses'
  | 'resumeProcesses'
  | 'setGroupTags'
  | 'removeGroupTags'
  | 'setScaleInProtection'
  | 'terminateInstances'
  | 'deregisterTargets'
  | 'registerTargets'
>;

/** SetInstanceProtection: "You can specify up to 50 instances". */
const protectionBatch = 50;
/** TerminateInstanceInAutoScalingGroup: "You can specify up to 100 instances". */
const terminationBatch = 100;
/** RegisterTargets and DeregisterTargets name no limit; this keeps a request small. */
const targetBatch = 100;

export function groupMutations(connection: Connection): GroupCalls {
  const { autoScaling, elb, call } = connection;

  async function terminate(group: string, instances: string[], decrementDesired: boolean): Promise<void> {
    const [single] = instances;
    await call('TerminateInstanceInAutoScalingGroup', 'mutation', () =>
      autoScaling.send(
        new TerminateInstanceInAutoScalingGroupCommand({
          ...(instances.length === 1
            ? { InstanceId: single }
            : { InstanceIds: instances, AutoScalingGroupName: group }),
          ShouldDecrementDesiredCapacity: decrementDesired,
        }),
      ),
    );
  }

  /** Those of the instances that are in the group, and not on their way out of it. */
  async function stayingOf(group: string, instances: readonly string[]): Promise<string[]> {
    const { Instances = [] } = await describeGroup(connection, group);
    const staying = Instances.filter(({ LifecycleState }) => !LifecycleState?.startsWith('Terminat'));
    const ids = new Set(staying.map(({ InstanceId }) => InstanceId));
    return instances.filter((id) => ids.has(id));
  }

  return {
    async updateGroup(group, change) {
      // The group is read first only where the change depends on it: the guard, and the shape of its template.
      const needsCurrent = change.ifDesired !== undefined || change.templateVersion !== undefined;
      const current = needsCurrent ? await describeGroup(connection, group) : null;
      if (current) guardDesired(current, change);
      await call('UpdateAutoScalingGroup', 'mutation', () =>
        autoScaling.send(
          new UpdateAutoScalingGroupCommand({
            AutoScalingGroupName: group,
            ...(change.desired !== undefined && { DesiredCapacity: change.desired }),
            ...(change.min !== undefined && { MinSize: change.min }),
            ...(change.max !== undefined && { MaxSize: change.max }),
            ...(change.templateVersion !== undefined && pinned(current!, String(change.templateVersion))),
          }),
        ),
      );
    },

    async suspendProcesses(group, processes) {
      // Without names AWS would suspend every process.
      if (processes.length === 0) return;
      await call('SuspendProcesses', 'mutation', () =>
        autoScaling.send(
          new SuspendProcessesCommand({ AutoScalingGroupName: group, ScalingProcesses: [...processes] }),
        ),
      );
    },

    async resumeProcesses(group, processes) {
      // Without names AWS would resume every process, also those an operator suspended.
      if (processes.length === 0) return;
      await call('ResumeProcesses', 'mutation', () =>
        autoScaling.send(
          new ResumeProcessesCommand({ AutoScalingGroupName: group, ScalingProcesses: [...processes] }),
        ),
      );
    },

    async setGroupTags(group, tags) {
      await call('CreateOrUpdateTags', 'mutation', () =>
        autoScaling.send(
          new CreateOrUpdateTagsCommand({
            Tags: Object.entries(tags).map(([Key, Value]) => ({ ...tag(group, Key), Value })),
          }),
        ),
      );
    },

    async removeGroupTags(group, keys) {
      if (keys.length === 0) return;
      await call('DeleteTags', 'mutation', () =>
        autoScaling.send(new DeleteTagsCommand({ Tags: keys.map((key) => tag(group, key)) })),
      );
    },

    async setScaleInProtection(group, instances, isProtected) {
      for (const batch of chunks(instances, protectionBatch)) {
        await call('SetInstanceProtection', 'mutation', () =>
          autoScaling.send(
            new SetInstanceProtectionCommand({
              AutoScalingGroupName: group,
              InstanceIds: batch,
              ProtectedFromScaleIn: isProtected,
            }),
          ),
        );
      }
    },

    async terminateInstances(group, instances, { decrementDesired }) {
      const ended: string[] = [];
      const end = async (batch: string[]): Promise<void> => {
        try {
          await terminate(group, batch, decrementDesired);
          ended.push(...batch);
        } catch (error) {
          // An instance that has left the group meanwhile is what was asked for; one of several fails them all.
          if (!isGone(error)) throw error;
          if (batch.length === 1) return;
          const rest = await stayingOf(group, batch);
          // The group still lists the one that is gone: only asking one by one finds out which.
          const isStale = rest.length === batch.length;
          for (const next of isStale ? chunks(rest, 1) : chunks(rest, terminationBatch)) await end(next);
        }
      };
      try {
        // Nobody documents what a decrement does for an instance that is ending already, and the answer does not tell
        // whether desired has moved. So whoever reads as staying a moment before is asked for, and no other.
        const staying = decrementDesired ? await stayingOf(group, instances) : instances;
        for (const batch of chunks(staying, terminationBatch)) await end(batch);
      } catch (error) {
        // Desired has moved by those already ended: what refused the rest refuses it again when it is asked alone.
        const isRefusal = error instanceof Refused || (error instanceof CloudError && !error.outcomeUnknown);
        if (ended.length === 0 || !isRefusal) throw error;
      }
      return ended;
    },

    async deregisterTargets(targetGroup, instances) {
      for (const batch of chunks(instances, targetBatch)) {
        await call('DeregisterTargets', 'mutation', () =>
          elb.send(
            new DeregisterTargetsCommand({
              TargetGroupArn: targetGroup,
              Targets: batch.map((Id) => ({ Id })),
            }),
          ),
        );
      }
    },

    async registerTargets(targetGroup, instances) {
      for (const batch of chunks(instances, targetBatch)) {
        await call('RegisterTargets', 'mutation', () =>
          elb.send(
            new RegisterTargetsCommand({ TargetGroupArn: targetGroup, Targets: batch.map((Id) => ({ Id })) }),
          ),
        );
      }
    },
  };
}

export async function describeGroup(
  { autoScaling, call }: Connection,
  name: string,
): Promise<AutoScalingGroup> {
  const { AutoScalingGroups = [] } = await call('DescribeAutoScalingGroups', 'read', () =>
    autoScaling.send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name] })),
  );
  const [found] = AutoScalingGroups;
  if (found) return found;
  throw new CloudError('DescribeAutoScalingGroups', 'GroupNotFound', `no group '${name}'`);
}

const tag = (group: string, Key: string): Tag => ({
  ResourceId: group,
  ResourceType: 'auto-scaling-group',
  Key,
  PropagateAtLaunch: false,
});

const isGone = (error: unknown): boolean =>
  error instanceof CloudError &&
  error.code === 'ValidationError' &&
  /no managed instance found|not found/i.test(error.message);

function guardDesired(current: AutoScalingGroup, change: GroupChange): void {
  const { desired, ifDesired } = change;
  if (ifDesired === undefined || desired === undefined) return;
  if (current.DesiredCapacity === ifDesired || current.DesiredCapacity === desired) return;
  throw new CloudError(
    'UpdateAutoScalingGroup',
    'DesiredChanged',
    `desired is ${current.DesiredCapacity}, no longer ${ifDesired}`,
  );
}

/** The group's own template at another version, wherever the group keeps it; a policy is sent back whole. */
export function pinned(
  current: AutoScalingGroup,
  version: string,
): Pick<UpdateAutoScalingGroupType, 'LaunchTemplate' | 'MixedInstancesPolicy'> {
  const policy = current.MixedInstancesPolicy;
  if (policy?.LaunchTemplate) {
    const { LaunchTemplateId } = policy.LaunchTemplate.LaunchTemplateSpecification ?? {};
    return {
      MixedInstancesPolicy: {
        ...policy,
        LaunchTemplate: {
          ...policy.LaunchTemplate,
          LaunchTemplateSpecification: { LaunchTemplateId, Version: version },
        },
      },
    };
  }
  const { LaunchTemplateId } = current.LaunchTemplate ?? {};
  return { LaunchTemplate: { LaunchTemplateId, Version: version } };
}
