/**
 * Groups that Drover cannot roll, however they are configured in drover.yaml: told by the plan and refused by the rollout
 * before anything is changed.
 */
import type { GroupObservation } from '../cloud/cloud.ts';
import { Refused } from '../errors.ts';
import { withoutTemplate } from './baseline.ts';

/** @throws Refused naming what is in the way, and what would help */
export function requireRollable({ name, template, ownOverrides, desiredUnit }: GroupObservation): void {
  if (!template) throw withoutTemplate(name);
  if (ownOverrides > 0) {
    throw new Refused(
      'invalid',
      `group ${name} has ${ownOverrides} instance-type overrides with a launch template or an image of their own`,
      'A new version of the group’s template would not reach them: let the overrides use the group’s template and its image (aws autoscaling update-auto-scaling-group --mixed-instances-policy).',
    );
  }
  if (desiredUnit !== 'instances') {
    throw new Refused(
      'invalid',
      `group ${name} counts its capacity in ${desiredUnit}, not in instances`,
      'A surge or a floor of so many instances means nothing there: leave WeightedCapacity (or DesiredCapacityType) out of its mixed instances policy, and set MinSize, MaxSize and desired in instances.',
    );
  }
}
