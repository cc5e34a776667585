/**
 * What a member's lifecycle state says about it, and where a group's members are found.
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
 */
import type { Group, Member, MemberLifecycle, Passage } from './state.ts';

/** In the group or its warm pool. */
export function memberIn(group: Group, instanceId: string): Member | undefined {
  for (const members of [group.members, group.warmPool?.members ?? {}]) {
    if (Object.hasOwn(members, instanceId)) return members[instanceId];
  }
  return undefined;
}

export const allMembers = (group: Group): Member[] => [
  ...Object.values(group.members),
  ...Object.values(group.warmPool?.members ?? {}),
];

/** The passage a member is on, held up by hooks or not; null for one that stays where it is. */
export function passageOf(lifecycle: MemberLifecycle): Passage | null {
  const passage = lifecycle.replace(/:(?:Wait|Proceed)$/, '');
  return isPassage(passage) ? passage : null;
}

const isPassage = (text: string): text is Passage =>
  text === 'Pending' || text === 'Terminating' || text === 'Warmed:Pending' || text === 'Warmed:Terminating';

/** Launched or in service, and staying: these count towards desired. */
export const counts = ({ lifecycle }: Member): boolean =>
  lifecycle === 'InService' ||
  lifecycle === 'Pending' ||
  lifecycle === 'Pending:Wait' ||
  lifecycle === 'Pending:Proceed';

export const isLaunching = (member: Member): boolean => counts(member) && member.lifecycle !== 'InService';

export const isTerminating = ({ lifecycle }: Member): boolean =>
  lifecycle.startsWith('Terminating') || lifecycle.startsWith('Warmed:Terminating');

export const isWarm = ({ lifecycle }: Member): boolean => lifecycle.startsWith('Warmed:');

/** Prepared, and ready to be drawn into the group. */
export const isPrepared = ({ lifecycle }: Member): boolean =>
  lifecycle === 'Warmed:Stopped' || lifecycle === 'Warmed:Running';

/** A scaling activity is under way with it. */
export const isMoving = ({ lifecycle }: Member): boolean =>
  passageOf(lifecycle) !== null || lifecycle === 'EnteringStandby' || lifecycle === 'Detaching';
