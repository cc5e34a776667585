/**
 * How far an instance refresh is: which members it still has to replace, which are ready to serve, and what the
 * others wait for. Looks, changes nothing.
 */
import { elbVerdicts } from './health.ts';
import { counts, isPrepared, isTerminating } from './lifecycle.ts';
import { launchOptions } from './purchasing.ts';
import type { InstanceRefresh, LaunchConfiguration } from './refresh-state.ts';
import type { Group, Member, World } from './state.ts';
import { findTemplate, resolveVersion } from './templates.ts';

export interface Survey {
  /** Members that count towards desired: all that run or are being launched, and stay. */
  present: number;
  /** Those of them that are to be replaced. */
  outdated: number;
  /** Present members to be replaced, and those of Standby where the preferences have them terminated. */
  stale: Member[];
  /** Stale members that must wait until somebody lifts their protection or returns them to service. */
  held: { member: Member; because: string }[];
  /** In service, healthy and warmed up. */
  ready: Set<Member>;
  /** In service and healthy, their warm-up not over. */
  warming: number;
  /** Ready members that need no replacement. */
  updated: number;
  /** How many members the refresh is about: desired, without those it ignores. */
  scope: number;
  /** The first of those that are not ready, and why; null when all are. */
  waitingFor: string | null;
  /** Members of the warm pool that stay, and those of them that are to be replaced or not prepared yet. */
  pool: { size: number; stale: Member[]; unprepared: number };
}

export function surveyOf(world: World, group: Group, refresh: InstanceRefresh): Survey {
  const { scaleInProtected, standby } = refresh.preferences;
  const isStale = staleness(world, group, refresh);
  const survey: Survey = {
    present: 0,
    outdated: 0,
    stale: [],
    held: [],
    ready: new Set(),
    warming: 0,
    updated: 0,
    scope: group.desired,
    waitingFor: null,
    pool: { size: 0, stale: [], unprepared: 0 },
  };
  for (const member of Object.values(group.members)) {
    if (member.lifecycle === 'Standby') {
      if (standby === 'Ignore' || !isStale(member)) continue;
      if (standby === 'Terminate') survey.stale.push(member);
      else survey.held.push({ member, because: 'is in Standby. Return it to service to continue.' });
      continue;
    }
    if (!counts(member)) continue;
    survey.present += 1;
    const obstacle = notReady(world, group, member) ?? warmingUpIn(world, refresh, member, isStale(member));
    if (obstacle === null) survey.ready.add(member);
    else if (obstacle === warmingUp) survey.warming += 1;
    if (isStale(member)) {
      if (member.protectedFromScaleIn && scaleInProtected === 'Ignore') {
        survey.scope -= 1;
        continue;
      }
      survey.outdated += 1;
      if (!member.protectedFromScaleIn || scaleInProtected === 'Refresh') survey.stale.push(member);
      else {
        survey.held.push({
          member,
          because: 'is protected. Remove instance scale-in protection to continue.',
        });
      }
    } else if (obstacle === null) survey.updated += 1;
    else survey.waitingFor ??= `${member.instanceId} ${obstacle}`;
  }
  for (const member of Object.values(group.warmPool?.members ?? {})) {
    if (isTerminating(member)) continue;
    survey.pool.size += 1;
    if (isStale(member)) survey.pool.stale.push(member);
    else if (!isPrepared(member)) survey.pool.unprepared += 1;
  }
  const [held] = survey.held;
  if (survey.stale.length === 0 && held) survey.waitingFor ??= `${held.member.instanceId} ${held.because}`;
  return survey;
}

const warmingUp = 'has not finished warming up.';

/** Wordings 'insufficient data …' as DescribeInstanceRefreshes gives them. */
function notReady(world: World, group: Group, member: Member): string | null {
  if (member.lifecycle !== 'InService') return `is ${member.lifecycle}.`;
  if (member.health !== 'Healthy') return 'is unhealthy.';
  if (world.instances[member.instanceId]?.checks !== 'ok') {
    return 'has insufficient data to evaluate its health with Amazon EC2.';
  }
  if (elbVerdicts(world, group, member).some((state) => state !== 'healthy')) {
    return 'has insufficient data to evaluate its health with Elastic Load Balancing.';
  }
  return null;
}

/**
 * InstanceWarmup: the time "an instance refresh waits before moving on to replacing the next instance after a new
 * instance enters the InService state". What is to be replaced serves already, however young it is.
 */
function warmingUpIn(
  world: World,
  { preferences }: InstanceRefresh,
  { inServiceAt }: Member,
  isStale: boolean,
): string | null {
  return !isStale && world.now < (inServiceAt ?? 0) + preferences.warmUpMs ? warmingUp : null;
}

/**
 * Which members are to be replaced: on the way forward all that were there before, but with skip matching only
 * those that do not match; on the way back those launched since, unless they match what is returned to.
 */
function staleness(world: World, group: Group, refresh: InstanceRefresh): (member: Member) => boolean {
  const launchedSince = (member: Member): boolean =>
    (world.instances[member.instanceId]?.serial ?? 0) > refresh.serial;
  if (refresh.status === 'RollbackInProgress') {
    const matches = matcher(world, group);
    return (member) => launchedSince(member) && !matches(member);
  }
  const matches = matcher(world, refresh.desired ?? group);
  const { skipMatching } = refresh.preferences;
  return (member) => !matches(member) || !(skipMatching || launchedSince(member));
}

/** Whether a member could have been launched from this configuration as it is now, '$Latest' resolved. */
function matcher(world: World, configuration: LaunchConfiguration): (member: Member) => boolean {
  const options = launchOptions(configuration).map(({ templateId: id, version, instanceType }) => ({
    id,
    version: String(resolveVersion(findTemplate(world, { id }), version).version),
    instanceType,
  }));
  return ({ template, instanceType }) =>
    options.some(
      (option) =>
        template?.id === option.id &&
        template?.version === option.version &&
        (option.instanceType === null || option.instanceType === instanceType),
    );
}
