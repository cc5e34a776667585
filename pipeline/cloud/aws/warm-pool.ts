/**
 * The instances of a group's warm pool, which DescribeAutoScalingGroups does not list, and their replacement.
 * TerminateInstanceInAutoScalingGroup "cannot be called on instances in a warm pool"; of an unhealthy one
 * "Amazon EC2 Auto Scaling automatically deletes the unhealthy instance and creates a new one to replace it", and
 * "custom health checks are also supported". EC2's own TerminateInstances would do as well, but is a right over
 * instances, and ends one that has been drawn into the group meanwhile.
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/warm-pools-health-checks-monitor-view-status.html
 */
import {
  type Instance,
  paginateDescribeWarmPool,
  SetInstanceHealthCommand,
} from '@aws-sdk/client-auto-scaling';
import { type Cloud, isPrepared } from '../cloud.ts';
import { type Connection, collect } from './clients.ts';

/** DescribeWarmPool: "The maximum value is 50." */
const poolPage = 50;

export const readWarmPool = (
  { autoScaling, call }: Connection,
  AutoScalingGroupName: string,
): Promise<Instance[]> =>
  call('DescribeWarmPool', 'read', () =>
    collect(
      paginateDescribeWarmPool({ client: autoScaling, pageSize: poolPage }, { AutoScalingGroupName }),
      (page) => page.Instances,
    ),
  );

export function warmPools(connection: Connection): Pick<Cloud, 'renewWarmPool'> {
  const { autoScaling, call } = connection;
  return {
    async renewWarmPool(group, instances) {
      const pool = await readWarmPool(connection, group);
      const ready = pool.filter(({ LifecycleState }) => isPrepared(LifecycleState));
      const ids = new Set(ready.map(({ InstanceId }) => InstanceId));
      for (const InstanceId of instances.filter((id) => ids.has(id))) {
        // Of one drawn just now the health check grace period is respected, which a pool has not.
        await call('SetInstanceHealth', 'mutation', () =>
          autoScaling.send(new SetInstanceHealthCommand({ InstanceId, HealthStatus: 'Unhealthy' })),
        );
      }
    },
  };
}
