/**
 * The cloud port over the AWS SDK: EC2, EC2 Auto Scaling, Elastic Load Balancing v2, CloudWatch and STS. The only
 * importer of @aws-sdk in Drover. It translates; it decides nothing about a rollout.
 */
import { DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import type { Cloud } from '../cloud.ts';
import { alarmReader } from './alarms.ts';
import { type AwsOptions, connect } from './clients.ts';
import { clusterTokens } from './cluster-token.ts';
import { followersFinder } from './followers.ts';
import { groupMutations } from './groups.ts';
import { images } from './images.ts';
import { lifecycleActions } from './lifecycle-actions.ts';
import { observer } from './observe.ts';
import { refreshes } from './refreshes.ts';
import { timesObserver } from './times.ts';
import { warmPools } from './warm-pool.ts';

export type { AwsOptions } from './clients.ts';

/** Opens no connection by itself; `identify` is the first call to make. */
export function createAwsCloud(options: AwsOptions): Cloud {
  const connection = connect(options);
  const { autoScaling, sts, address, call } = connection;
  return {
    async identify() {
      await call('DescribeAutoScalingGroups', 'read', () =>
        autoScaling.send(new DescribeAutoScalingGroupsCommand({ MaxRecords: 1 })),
      );
      const { Account } = await call('GetCallerIdentity', 'read', () =>
        sts.send(new GetCallerIdentityCommand({})),
      );
      return { provider: options.provider, ...address, account: Account! };
    },
    observe: observer(connection),
    alarms: alarmReader(connection),
    observeTimes: timesObserver(connection),
    findFollowers: followersFinder(connection),
    ...images(connection),
    ...groupMutations(connection),
    ...lifecycleActions(connection),
    ...refreshes(connection),
    ...warmPools(connection),
    clusterToken: clusterTokens(options),
  };
}
