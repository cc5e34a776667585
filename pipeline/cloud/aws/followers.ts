/** Which groups of the account follow a template's newest version, whoever they belong to: pages of all groups, without instances. */
import {
  type AutoScalingGroup,
  type LaunchTemplateSpecification,
  paginateDescribeAutoScalingGroups,
} from '@aws-sdk/client-auto-scaling';
import type { Cloud } from '../cloud.ts';
import { type Connection, collect } from './clients.ts';

export const followersFinder =
  ({ autoScaling, call }: Connection): Cloud['findFollowers'] =>
  async (templates) => {
    if (templates.length === 0) return [];
    const groups = await call('DescribeAutoScalingGroups', 'read', () =>
      collect(
        paginateDescribeAutoScalingGroups(
          { client: autoScaling, pageSize: 100 },
          { IncludeInstances: false },
        ),
        (page) => page.AutoScalingGroups,
      ),
    );
    return groups.flatMap((group) =>
      specificationsOf(group).flatMap(({ LaunchTemplateId: template, Version }) =>
        template && templates.includes(template) && Version === '$Latest'
          ? [{ group: group.AutoScalingGroupName!, template }]
          : [],
      ),
    );
  };

/** The group's own template, and those of instance-type overrides. */
function specificationsOf({
  LaunchTemplate,
  MixedInstancesPolicy,
}: AutoScalingGroup): LaunchTemplateSpecification[] {
  const { LaunchTemplateSpecification: mixed, Overrides = [] } = MixedInstancesPolicy?.LaunchTemplate ?? {};
  const all = [LaunchTemplate, mixed, ...Overrides.map((one) => one.LaunchTemplateSpecification)];
  return all.filter((one) => one !== undefined);
}
