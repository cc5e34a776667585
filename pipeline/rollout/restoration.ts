/**
 * What a group's marks and its present state say together: what the engine changed there, what of it still stands and
 * is to be undone, and what somebody else has changed since and keeps. Pure; recover.ts carries it out.
 */
import type { GroupObservation } from '../cloud/cloud.ts';
import { Refused } from '../errors.ts';
import { counted } from './decision/members.ts';
import { underWay } from './decision/refresh-request.ts';
import { drainOf } from './drains/drains.ts';
import type { DrainSpec } from './spec.ts';
import type { Owed } from './state.ts';
import { type Marks, marksOf } from './tags.ts';

export interface Restoration {
  /** The release whose marks they are. */
  release: string;
  /** The version that release moved it to; null when there was no other yet. */
  abandoned: number | null;
  /** The numbered template version the group will be pinned to, and whether it has to be set. */
  version: number;
  isPinned: boolean;
  /** What it followed before the release, and is to follow again if that means `version`; null when it had a number. */
  follows: string | null;
  /** The release's instance refresh, still under way; null when there is none. */
  refresh: string | null;
  /** What the engine would remember, had it the journal. */
  owed: Owed;
  /** In service and taken off a target group: they were being drained. The first of them are the surplus. */
  drained: string[];
  surplus: number;
  /** One sentence each: what the marks say, what will be undone, what is left and why. */
  found: string[];
  undone: string[];
  left: string[];
}

/**
 * Null when the group carries no marks.
 * @param group with its newest instance refresh
 * @throws Refused 'invalid' for marks that are incomplete, and when the group no longer has a numbered version
 */
export function restorationOf(group: GroupObservation, drain: readonly DrainSpec[]): Restoration | null {
  const marks = marksOf(group);
  if (!marks) return null;
  const version = versionOf(group, marks);
  const max = marks.max !== null && marks.maxRaised.includes(group.max) ? marks.max : null;
  const wanted = wantedOf(group, marks, max);
  const suspended = marks.suspended.filter((name) => group.suspendedProcesses.includes(name));
  const drained = drainedIn(group, drain);
  const surplus = Math.max(0, group.desired - wanted);
  const back = drained.slice(surplus);
  const others = drain.filter(({ type }) => type !== 'target-group');
  const marked = others.filter((spec) => drainOf(spec).marksItself).map(({ type }) => type);
  const unmarked = others.filter((spec) => !drainOf(spec).marksItself).map(({ type }) => type);

  const { refresh } = group;
  // Marks that name one version were set when there was no other yet.
  const isMoved = marks.version !== marks.previousVersion;
  const isGoingOn = isMoved && refresh && refresh.version === marks.version && underWay.has(refresh.status);
  const isPinned = [String(version), marks.follows].includes(group.template!.version);
  const follows = version === marks.previousVersion ? marks.follows : null;

  const pooled = (group.warmPool ?? []).filter((one) => isMoved && one.templateVersion === marks.version);

  const undone = [
    isGoingOn &&
      `instance refresh ${refresh.id} (${refresh.percent} %): ${refresh.status === 'Cancelling' ? 'it is being cancelled, and its end waited for' : 'cancelled'}`,
    !isPinned && `template version ${group.template!.version} → ${version}`,
    follows !== null && `follows ${follows} again, if that means version ${version}`,
    surplus > 0 && `desired ${group.desired} → ${wanted}: ${surplus} drained and terminated`,
    max !== null && `MaxSize ${group.max} → ${max}`,
    suspended.length > 0 && `resumed: ${suspended.join(', ')}`,
    back.length > 0 && `registered with the load balancer again: ${back.join(', ')}`,
    marked.length > 0 && `given back where a release has drained it: ${marked.join(', ')}`,
    'the marks are removed',
  ].filter((sentence) => typeof sentence === 'string');
  const left = [
    version !== marks.previousVersion &&
      `template version ${version}: somebody set it after the release (${marks.previousVersion} before it)`,
    group.desired !== marks.wanted &&
      surplus === 0 &&
      `desired ${group.desired}: somebody or an autoscaler set it after the release last looked (${marks.wanted})`,
    marks.max !== null &&
      max === null &&
      group.max !== marks.max &&
      `MaxSize ${group.max}: somebody set it after the release (${marks.max} before it)`,
    ...marks.suspended.filter((name) => !suspended.includes(name)).map((name) => `${name}: runs already`),
    pooled.length > 0 &&
      `${pooled.length} in the warm pool on version ${marks.version}: the next scale-out brings them into service; the next release replaces them, or you do (aws autoscaling set-instance-health --health-status Unhealthy --instance-id ${pooled[0]!.id})`,
    unmarked.length > 0 &&
      `instances on which a drain had begun (${unmarked.join(', ')}): the marks do not say which; look there`,
  ].filter((sentence) => typeof sentence === 'string');
  return {
    release: marks.release,
    abandoned: isMoved ? marks.version : null,
    version,
    isPinned,
    follows,
    refresh: isGoingOn ? refresh.id : null,
    owed: {
      wanted,
      expected: group.desired,
      max: max === null ? null : { from: max, raised: [...marks.maxRaised] },
      suspended,
      tagged: true,
    },
    drained,
    surplus,
    found: foundIn(marks),
    undone,
    left,
  };
}

/** The engine's own version gives way to the one before it; anybody else's stays. */
function versionOf({ name, template }: GroupObservation, marks: Marks): number {
  if (marks.follows !== null && template?.version === marks.follows) return marks.previousVersion;
  const present = Number(template?.version);
  if (!Number.isInteger(present)) {
    throw new Refused(
      'invalid',
      `group ${name} follows ${template?.version ?? 'no launch template'}, which release ${marks.release} did not set`,
      `Point it at a numbered version (before the release it was at ${marks.previousVersion}), then repeat the command.`,
    );
  }
  return present === marks.version ? marks.previousVersion : present;
}

/** What lies within the engine's raise is the engine's; nobody may settle in the headroom it made. */
function wantedOf({ desired }: GroupObservation, { wanted, raise }: Marks, max: number | null): number {
  const isOurs = desired > wanted && desired <= wanted + raise;
  return Math.min(isOurs ? wanted : desired, max ?? Number.POSITIVE_INFINITY);
}

/** Only where the group's drain deregisters: elsewhere somebody else has taken them off. */
function drainedIn({ instances }: GroupObservation, drain: readonly DrainSpec[]): string[] {
  if (!drain.some(({ type }) => type === 'target-group')) return [];
  return instances
    .filter((instance) => counted(instance) && instance.lifecycle === 'InService')
    .filter(({ targets }) =>
      targets.some(({ state, reason }) => state === 'draining' || reason === 'Target.NotRegistered'),
    )
    .map(({ id }) => id);
}

const foundIn = (marks: Marks): string[] => [
  `marks of release ${marks.release}: template version ${marks.previousVersion} → ${marks.version}`,
  `desired ${marks.wanted}, raised by up to ${marks.raise}`,
  marks.max === null ? 'MaxSize not touched' : `MaxSize ${marks.max}, raised to ${marks.maxRaised.at(-1)}`,
  marks.suspended.length > 0 ? `suspended: ${marks.suspended.join(', ')}` : 'no process suspended',
];
