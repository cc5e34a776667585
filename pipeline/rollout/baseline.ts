/** A group as it is, in the shape the journal keeps: before the first change, and when it is finished. */
import type { Cloud, GroupObservation } from '../cloud/cloud.ts';
import { Refused } from '../errors.ts';
import type { GroupBaseline, JournalRecord } from '../journal/records.ts';

/** @throws Refused for a group that has no launch template, or one that has gone */
export async function baselineOf(cloud: Cloud, group: GroupObservation): Promise<GroupBaseline> {
  const { template } = group;
  if (!template) throw withoutTemplate(group.name);
  const resolved = await cloud.templateImage(template.id, template.version);
  if (!resolved) {
    throw new Refused(
      'invalid',
      `group ${group.name} uses version ${template.version} of launch template ${template.name}, which does not exist`,
      'Point the group at a version that exists.',
    );
  }
  return {
    group: group.name,
    desired: group.desired,
    min: group.min,
    max: group.max,
    templateId: template.id,
    templateName: template.name,
    templateVersion: template.version,
    resolvedVersion: resolved.version,
    imageId: resolved.imageId,
    suspendedProcesses: group.suspendedProcesses,
    instances: group.instances.map(({ id, templateVersion, zone, lifecycle, healthy }) => ({
      id,
      version: templateVersion,
      zone,
      lifecycle,
      healthy,
    })),
  };
}

/** The first is the truth: later ones would describe a group the release had changed already. */
export function journaledBaseline(records: readonly JournalRecord[], group: string): GroupBaseline | null {
  const found = records.find((record) => record.type === 'group.baseline' && record.data.group === group);
  return found?.type === 'group.baseline' ? found.data : null;
}

export const withoutTemplate = (group: string): Refused =>
  new Refused(
    'invalid',
    `group ${group} has no launch template`,
    'Move it from its launch configuration to a launch template; AWS stopped taking new launch configurations in 2024.',
  );

export const missingGroup = (group: string, environment: string, wave: string): Refused =>
  new Refused(
    'invalid',
    `there is no Auto Scaling group '${group}'`,
    `Correct fleet.${environment}.waves (wave '${wave}') in drover.yaml, or create the group.`,
  );
