/** The Auto Scaling operations this account knows. */
import type { Operation } from '../services.ts';
import * as refreshes from './instance-refresh.ts';
import * as groups from './scaling-groups.ts';
import * as instances from './scaling-instances.ts';
import * as tags from './scaling-tags.ts';

export const autoScalingOperations: Record<string, Operation> = {
  ...groups,
  ...instances,
  ...refreshes,
  ...tags,
};
