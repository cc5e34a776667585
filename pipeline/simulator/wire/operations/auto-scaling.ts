/** The Auto Scaling operations this account knows. */
import type { Operation } from '../services.ts';
import * as refreshes from './instance-refresh.ts';
import * as activities from './scaling-activities.ts';
import * as groups from './scaling-groups.ts';
import * as hooks from './scaling-hooks.ts';
import * as instances from './scaling-instances.ts';
import * as schedules from './scaling-schedules.ts';
import * as tags from './scaling-tags.ts';
import * as traffic from './scaling-traffic.ts';
import * as warmPools from './scaling-warm-pools.ts';

export const autoScalingOperations: Record<string, Operation> = {
  ...activities,
  ...groups,
  ...hooks,
  ...instances,
  ...refreshes,
  ...schedules,
  ...tags,
  ...traffic,
  ...warmPools,
};
