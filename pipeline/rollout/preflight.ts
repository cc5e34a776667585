/**
 * What a rollout would meet, read before anything is changed: how much there is to replace, and everything that
 * would block it or that it will work around, in sentences. Refuses what cannot be rolled at all.
 */
import type { Clock } from '../clock.ts';
import type { Cloud, GroupObservation, InstanceObservation } from '../cloud/cloud.ts';
import type { TokenSource } from '../config/orchestrators.ts';
import { faultOf } from '../doctor/doctor.ts';
import { baselineOf, missingGroup } from './baseline.ts';
import { requireHook } from './decision/handover.ts';
import { leaving, warmed } from './decision/members.ts';
import { requireDelegable, underWay, waitOrCancel } from './decision/refresh-request.ts';
import { surgeOf, unavailableOf } from './decision/view.ts';
import { doubts, held, poolNotices, strangers, workarounds } from './notices.ts';
import { leastMs, type Pacing, pacingOf } from './pacing.ts';
import { requireRollable } from './rollable.ts';
import { drainNotices, gateNotices } from './services/kubernetes/preflight.ts';
import { tokenOf } from './services/token.ts';
import type { GroupSpec, WaveSpec } from './spec.ts';
import { holderOf } from './tags.ts';

export interface GroupPlan {
  environment: 'staging' | 'production';
  wave: string;
  group: string;
  desired: number;
  /** Instances that are not on the image yet; all of them while there is no image. */
  toReplace: number;
  /** Instances above and below desired while rolling, and the least that serve meanwhile. */
  surge: number;
  unavailable: number;
  floor: number;
  /** What the group launches today. */
  previous: { version: number; imageId: string | null };
  pacing: Pacing;
  /** The least its rollout can take at that pace, without the soak. */
  leastMs: number;
  /** What must be changed before a rollout can succeed, one sentence each. */
  blockers: string[];
  /** What the rollout will meet and what it does about it, one sentence each. */
  notices: string[];
}

/** A plan with the reading it was made of. */
export interface GroupSurvey extends GroupPlan {
  observed: GroupObservation;
}

/**
 * @param image the image to roll to; null when it has not been built yet
 * @throws Refused for groups that do not exist or cannot be rolled
 */
export async function preflight(
  { cloud, clock }: { cloud: Cloud; clock: Clock },
  waves: readonly WaveSpec[],
  image: { id: string } | null = null,
  given: Parameters<typeof pacingOf>[3] = {},
): Promise<GroupSurvey[]> {
  const specs = waves.flatMap(({ groups }) => groups);
  const names = specs.map(({ group }) => group);
  const observed = new Map((await cloud.observe(names, clock.now())).map((group) => [group.name, group]));
  const groups = specs.map((spec) => {
    const group = observed.get(spec.group);
    if (!group) throw missingGroup(spec.group, spec.environment, spec.wave);
    requireRollable(group);
    requireHook(spec, group);
    requireDelegable(spec);
    return group;
  });
  const times = await cloud.observeTimes(groups);
  const refreshes = await cloud.newestRefreshes(names);
  const templates = groups.map(({ template }) => template!.id);
  const followers = (await cloud.findFollowers([...new Set(templates)])).filter(
    ({ group }) => !names.includes(group),
  );
  const plans = specs.map(async (spec, index): Promise<GroupSurvey> => {
    const group = groups[index]!;
    const { resolvedVersion, imageId: previousImage } = await baselineOf(cloud, group);
    const staying = group.instances.filter((instance) => !leaving(instance) && !warmed(instance));
    const replaced = staying.filter(({ imageId }) => image === null || imageId !== image.id);
    const surge = surgeOf(spec.surge, group.desired);
    const unavailable = unavailableOf(spec.unavailable, group.desired);
    const pacing = pacingOf(spec, group, times[index]!, given);
    return {
      environment: spec.environment,
      wave: spec.wave,
      group: group.name,
      desired: group.desired,
      toReplace: replaced.length,
      surge,
      unavailable,
      floor: Math.max(0, group.desired - unavailable),
      previous: { version: resolvedVersion, imageId: previousImage },
      pacing,
      leastMs: leastMs(pacing, replaced.length, surge + unavailable),
      blockers: [
        ...blockers(spec, { ...group, refresh: refreshes[group.name] ?? null }, surge),
        ...(await missingHere(spec)),
      ],
      notices: [
        ...held(spec, group),
        ...doubts(spec, group, pacing),
        ...(await servicesWouldMeet({ cloud, clock }, spec, replaced)),
        ...workarounds(spec, group, surge),
        ...poolNotices(spec, group),
        ...strangers(group, followers),
      ],
      observed: group,
    };
  });
  return await Promise.all(plans);
}

/** Gates and drains that would fail because of where we run: there is no token for them, or not their program. */
async function missingHere({ gates, drain, handover }: GroupSpec): Promise<string[]> {
  const steps = [
    ...gates.map((gate) => ({ step: `gate ${gate.type}`, needs: gate as Needs })),
    ...[...drain, ...(handover ? [handover.until] : [])].map((step) => ({
      step: `drain ${step.type}`,
      needs: step as Needs,
    })),
  ];
  const missing = steps.map(async ({ step, needs }) => {
    const [program] = needs.argv ?? [];
    const fault = program === undefined ? null : faultOf(program);
    const token = await tokenOf(needs);
    return [
      ...(fault === null ? [] : [`${step}: ${program} ${fault}`]),
      ...('missing' in token ? [`${step}: ${token.missing}`] : []),
    ];
  });
  return (await Promise.all(missing)).flat();
}

/** What a gate or a drain may need from the machine that asks it. */
type Needs = TokenSource & { argv?: readonly string[] };

/** What drains and gates of these instances would meet; of most kinds nothing is known beforehand. */
async function servicesWouldMeet(
  given: { cloud: Cloud; clock: Clock },
  { group, drain, gates }: GroupSpec,
  instances: readonly InstanceObservation[],
): Promise<string[]> {
  const ids = instances.map(({ id }) => id);
  const notices = await Promise.all([
    ...drain.map((spec) => (spec.type === 'kubernetes' ? drainNotices(given, group, spec, ids) : [])),
    ...gates.map((gate) => (gate.type === 'kubernetes' ? gateNotices(given, group, gate.cluster, ids) : [])),
  ]);
  return notices.flat();
}

/** What a person must change: with it every rollout fails, or is refused. */
function blockers(spec: GroupSpec, group: GroupObservation, surge: number): string[] {
  const holder = holderOf(group);
  const isDelegated = spec.strategy.type === 'instance-refresh';
  const processes = ['Launch', 'Terminate', 'AddToLoadBalancer', ...(isDelegated ? ['InstanceRefresh'] : [])];
  const needed = processes.filter((process) => group.suspendedProcesses.includes(process));
  const { refresh } = group;
  const impossible = surge === 0 && unavailableOf(spec.unavailable, group.desired) === 0 && group.desired > 0;
  return [
    holder !== null &&
      `carries the marks of release ${holder}: end that first (drover resume or rollback ${holder}; where its journal is lost, drover recover ${group.name})`,
    needed.length > 0 && `suspended processes a rollout needs: ${needed.join(', ')}; resume them first`,
    refresh &&
      underWay.has(refresh.status) &&
      `instance refresh ${refresh.id} is ${refresh.status} (${refresh.percent} %): ${waitOrCancel(group.name)}; until then the rollout is refused`,
    impossible && 'surge and unavailable are both 0: no instance can be replaced',
  ].filter((notice) => typeof notice === 'string');
}
