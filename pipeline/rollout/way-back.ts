/**
 * Whether a group can go back to what it had: the template version must still exist, and its image must still launch.
 * Asked before anything is changed, because a group that was pinned to a version that launches nothing could not even
 * replace an instance that dies.
 */
import type { Cloud, GroupObservation } from '../cloud/cloud.ts';
import type { GroupBaseline } from '../journal/records.ts';
import type { Assignment } from './state.ts';
import { followedIn } from './tags.ts';

/**
 * What the group is to follow again: what it followed, if that still means the version it had. $Latest means the
 * release's own version as soon as there is one, so then the group stays pinned.
 */
export async function followedAgain(cloud: Cloud, baseline: GroupBaseline): Promise<string | null> {
  const follows = followedIn(baseline);
  if (follows === null) return null;
  const meant = await cloud.templateImage(baseline.templateId, follows);
  return meant?.version === baseline.resolvedVersion ? follows : null;
}

/** Why it cannot go back, with what would help; null when it can, or when there is nothing to put back. */
export async function obstacleOf(
  cloud: Cloud,
  { baseline, goal }: Assignment,
  group: GroupObservation,
): Promise<string | null> {
  const { resolvedVersion, templateVersion, templateName, templateId, imageId } = baseline;
  const isPinnedBack = [templateVersion, String(resolvedVersion)].includes(group.template?.version ?? '');
  const isMoved = group.instances.some((instance) => instance.templateVersion === goal.abandoned);
  if (isPinnedBack && !isMoved) return null;
  if (!(await cloud.templateImage(templateId, String(resolvedVersion)))) {
    return `version ${resolvedVersion} of launch template ${templateName}, which it had, has been deleted; make the group one that launches ${imageId ?? 'its previous image'} by hand`;
  }
  // Anything else is a parameter's name, which EC2 resolves at launch.
  if (!imageId?.startsWith('ami-')) return null;
  const image = await cloud.findImage(imageId);
  if (image?.state === 'available') return null;
  return `image ${imageId}, which it had, is ${image?.state ?? 'gone'}; restore it (aws ec2 restore-image-from-recycle-bin --image-id ${imageId})`;
}
