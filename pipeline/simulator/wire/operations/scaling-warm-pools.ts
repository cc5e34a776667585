/** Auto Scaling's operations on warm pools. */
import type {
  DeleteWarmPoolType,
  DescribeWarmPoolAnswer,
  DescribeWarmPoolType,
  PutWarmPoolType,
} from '@aws-sdk/client-auto-scaling';
import { validationError } from '../../model/errors.ts';
import { findGroup } from '../../model/groups.ts';
import type { World } from '../../model/state.ts';
import { deletePool, putPool } from '../../model/warm-pool.ts';
import { page } from './pages.ts';
import { memberShape, recordLimit, warmPoolShape } from './scaling-shapes.ts';

export function PutWarmPool(world: World, input: PutWarmPoolType): object {
  const group = findGroup(world, input.AutoScalingGroupName!);
  const { MinSize: minSize, MaxGroupPreparedCapacity: prepared, PoolState: state } = input;
  const reuse = input.InstanceReusePolicy?.ReuseOnScaleIn;
  if (state === 'Hibernated') throw validationError('The pool state Hibernated is not simulated.');
  if (minSize !== undefined && minSize < 0) {
    throw validationError('MinSize must be greater than or equal to 0');
  }
  if (prepared !== undefined && prepared < -1) {
    throw validationError('MaxGroupPreparedCapacity must be greater than or equal to -1');
  }
  putPool(world, group, {
    ...(minSize !== undefined && { minSize }),
    ...(prepared !== undefined && { maxPrepared: prepared === -1 ? null : prepared }),
    ...(state !== undefined && { state }),
    ...(reuse !== undefined && { reuseOnScaleIn: reuse }),
  });
  return {};
}

export function DeleteWarmPool(world: World, input: DeleteWarmPoolType): object {
  deletePool(world, findGroup(world, input.AutoScalingGroupName!), input.ForceDelete === true);
  return {};
}

export function DescribeWarmPool(world: World, input: DescribeWarmPoolType): DescribeWarmPoolAnswer {
  const { warmPool } = findGroup(world, input.AutoScalingGroupName!);
  const { items, nextToken } = page(Object.values(warmPool?.members ?? {}), ({ instanceId }) => instanceId, {
    token: input.NextToken,
    size: recordLimit(input.MaxRecords),
  });
  return {
    WarmPoolConfiguration: warmPool ? warmPoolShape(warmPool) : undefined,
    Instances: items.map(memberShape),
    NextToken: nextToken,
  };
}
