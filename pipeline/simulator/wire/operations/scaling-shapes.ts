/** Pieces of Auto Scaling's shapes that several of its operations share. */
import type { Instance as MemberShape, Tag, TagDescription } from '@aws-sdk/client-auto-scaling';
import { validationError } from '../../model/errors.ts';
import type { Group, GroupTag, Member, TemplateReference } from '../../model/state.ts';

/** MaxRecords of most reads: "The default value is 50 and the maximum value is 100." */
export function recordLimit(given: number | undefined, fallback = 50): number {
  if (given !== undefined && (given < 1 || given > 100)) {
    throw validationError(
      `1 validation error detected: Value '${given}' at 'maxRecords' failed to satisfy constraint: Member must have value between 1 and 100`,
    );
  }
  return given ?? fallback;
}

export const launchTemplateShape = (template: TemplateReference) => ({
  LaunchTemplateId: template.id,
  LaunchTemplateName: template.name,
  Version: template.version,
});

/** HealthStatus is 'Healthy' or 'Unhealthy' here, and upper case in DescribeAutoScalingInstances, as in AWS. */
export const memberShape = (member: Member): MemberShape => ({
  InstanceId: member.instanceId,
  InstanceType: member.instanceType,
  AvailabilityZone: member.zone,
  LifecycleState: member.lifecycle,
  HealthStatus: member.health,
  LaunchTemplate: launchTemplateShape(member.template),
  ProtectedFromScaleIn: member.protectedFromScaleIn,
});

export const groupTagShapes = (group: Group): TagDescription[] =>
  Object.entries(group.tags).map(([Key, tag]) => ({
    ResourceId: group.name,
    ResourceType: 'auto-scaling-group',
    Key,
    Value: tag.value,
    PropagateAtLaunch: tag.propagateAtLaunch,
  }));

export function readGroupTags(tags: readonly Tag[] | undefined): Record<string, GroupTag> {
  return Object.fromEntries(
    (tags ?? []).map((tag) => {
      const key = tag.Key ?? '';
      if (key.startsWith('aws:')) {
        throw validationError(`Tag keys starting with 'aws:' are reserved: ${key}`);
      }
      return [key, { value: tag.Value ?? '', propagateAtLaunch: tag.PropagateAtLaunch ?? false }];
    }),
  );
}
