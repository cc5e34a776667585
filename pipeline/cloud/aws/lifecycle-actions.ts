/** Answers for instances in a wait state of a lifecycle hook. Auto Scaling takes one instance per call. */
import {
  CompleteLifecycleActionCommand,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling';
import { type Cloud, CloudError } from '../cloud.ts';
import type { Connection } from './clients.ts';

type LifecycleCalls = Pick<Cloud, 'extendLifecycleActions' | 'completeLifecycleActions'>;

export function lifecycleActions({ autoScaling, call }: Connection): LifecycleCalls {
  return {
    async extendLifecycleActions(AutoScalingGroupName, LifecycleHookName, instances) {
      for (const InstanceId of instances) {
        const given = { AutoScalingGroupName, LifecycleHookName, InstanceId };
        await unlessOver(() =>
          call('RecordLifecycleActionHeartbeat', 'mutation', () =>
            autoScaling.send(new RecordLifecycleActionHeartbeatCommand(given)),
          ),
        );
      }
    },

    async completeLifecycleActions(AutoScalingGroupName, LifecycleHookName, instances) {
      for (const InstanceId of instances) {
        const given = { AutoScalingGroupName, LifecycleHookName, InstanceId };
        await unlessOver(() =>
          call('CompleteLifecycleAction', 'mutation', () =>
            autoScaling.send(
              new CompleteLifecycleActionCommand({ ...given, LifecycleActionResult: 'CONTINUE' }),
            ),
          ),
        );
      }
    },
  };
}

/** "No active Lifecycle Action found with instance ID …": it timed out, or somebody else has completed it. */
async function unlessOver(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const isOver = error instanceof CloudError && /No active Lifecycle Action/i.test(error.message);
    if (!isOver) throw error;
  }
}
