/**
 * What a rollout would meet, read before anything is changed: how much there is to replace, and everything that
 * would block it or that it will work around, in sentences. Refuses what cannot be rolled at all.
 */
import type { Clock } from '../clock.ts';
import type { Cloud, GroupObservation, InstanceObservation } from '../cloud/cloud.ts';
import type { TokenSource } from '../config/orchestrators.ts';
import { faultOf } from '../doctor/doctor.ts';
import { Refused } from '../errors.ts';
import { baselineOf, missingGroup, withoutTemplate } from './baseline.ts';
import { requireHook } from './decision/handover.ts';
import { counted, leaving, standby, warmed } from './decision/members.ts';
import { poolKeptBy } from './decision/pool.ts';
import { requireDelegable, underWay, waitOrCancel } from './decision/refresh-request.ts';
import { surgeOf, unavailableOf } from './decision/view.ts';
import { leastMs, type Pacing, pacingOf } from './pacing.ts';
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

function requireRollable(group: GroupObservation): void {
  if (!group.template) throw withoutTemplate(group.name);
  if (group.templateOverrides > 0) {
    throw new Refused(
      'invalid',
      `group ${group.name} has ${group.templateOverrides} instance-type overrides with a launch template of their own`,
      'A new version of the group’s template would not reach them: let the overrides use the group’s template.',
    );
  }
}

/** What a person must change: with it every rollout fails, or is refused. */
function blockers(spec: GroupSpec, group: GroupObservation, surge: number): string[] {
  const holder = holderOf(group);
  const needed = ['Launch', 'Terminate', 'AddToLoadBalancer'].filter((process) =>
    group.suspendedProcesses.includes(process),
  );
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

/** Instances that are not simply taken. */
function held(spec: GroupSpec, group: GroupObservation): string[] {
  const aside = group.instances.filter(standby).length;
  const guarded = group.instances.filter((i) => i.protectedFromScaleIn && !leaving(i) && !standby(i)).length;
  return [
    guarded > 0 && heldNotice(guarded, 'protected from scale-in', spec.protectedInstances),
    aside > 0 && heldNotice(aside, 'in Standby', spec.standbyInstances),
    group.newInstancesProtected && protectedAnew(spec, group),
  ].filter((notice) => notice !== false);
}

/** Settings that do not fit each other, and instances that are bad already. */
function doubts(spec: GroupSpec, group: GroupObservation, { drainMs, readyMs, warmUpMs }: Pacing): string[] {
  const counting = group.instances.filter(counted);
  const failing = counting.filter(
    ({ healthy, statusChecks, targets }) =>
      !healthy || statusChecks === 'impaired' || targets.some(({ state }) => state.startsWith('unhealthy')),
  ).length;
  const drain = spec.drain.find(({ type }) => type === 'target-group');
  const isShort = drain && drainMs > 0 && drainMs >= drain.deadlineMs;
  const { healthCheckType } = group;
  const isDelegated = spec.strategy.type === 'instance-refresh';
  const isDeaf = isDelegated && group.targetGroups.length > 0 && !healthCheckType.split(',').includes('ELB');
  const isHeldUp = group.warmUpMs === null && (warmUpMs ?? 0) > readyMs;
  const isBlind = group.targetGroups.length > 0 && !spec.gates.some(({ type }) => type === 'target-health');
  return [
    failing > 0 && `${failing} of ${counting.length} instances are unhealthy today: they are replaced first`,
    isShort &&
      `the deregistration delay (${drainMs / 1000} s) is no shorter than the drain's deadline (${drain.deadlineMs / 1000} s): a drain that takes it all will ${drain.on_deadline}`,
    isDeaf &&
      `health check type ${healthCheckType}: an instance refresh counts instances before the target groups call them healthy, so fewer than the floor may serve (aws autoscaling update-auto-scaling-group --auto-scaling-group-name ${group.name} --health-check-type ELB)`,
    isHeldUp &&
      `no default instance warmup: the instance refresh waits for the health check grace period (${warmUpMs! / 1000} s) after each instance it launches (aws autoscaling update-auto-scaling-group --auto-scaling-group-name ${group.name} --default-instance-warmup ${Math.ceil(readyMs / 1000)})`,
    isBlind &&
      'has target groups but no gate target-health: new instances count before they are sent traffic',
  ].filter((notice) => typeof notice === 'string');
}

/** They are protected as soon as they are launched: what that means for a rollback. */
function protectedAnew({ protectedInstances = 'wait' }: GroupSpec, { name }: GroupObservation): string {
  const does = {
    wait: `waits, at most until its deadline, until a person lets go those on the new image (aws autoscaling set-instance-protection --auto-scaling-group-name ${name} --no-protected-from-scale-in --instance-ids …), or with protected_instances: replace does not`,
    ignore: 'leaves those on the new image in service, as protected_instances: ignore says',
    replace: 'drains and replaces them like the others',
  };
  return `new instances are protected from scale-in: a rollback ${does[protectedInstances]}`;
}

function heldNotice(count: number, what: string, policy: GroupSpec['protectedInstances'] = 'wait'): string {
  const does = {
    wait: 'the rollout waits for them, at most until its deadline',
    ignore: 'they keep their image',
    replace: 'they are drained and replaced like the others',
  };
  return `${count} ${what}: ${does[policy]}`;
}

/** What becomes of instances prepared beside the group; a rollback does the same with those of the release. */
function poolNotices({ strategy }: GroupSpec, group: GroupObservation): string[] {
  const { warmPool } = group;
  if (!warmPool) return [];
  const kept = poolKeptBy(group);
  if (kept !== null) {
    return [
      `the ${warmPool.length} instances of the warm pool keep their image, because ${kept} is suspended: a scale-out brings them into service`,
    ];
  }
  const how = {
    rolling: 'replaced too, half of them at a time',
    canary: 'replaced too when the canary has served, half of them at a time',
    'instance-refresh': 'replaced last, by the instance refresh',
  };
  return [
    `the ${warmPool.length} instances of the warm pool are ${how[strategy.type]}; in a rollback those on the new image go at once, and scale-outs start cold until others are prepared`,
  ];
}

/** What the engine does about it by itself, and undoes. */
function workarounds({ strategy }: GroupSpec, group: GroupObservation, surge: number): string[] {
  const version = group.template?.version;
  const raised = group.desired + surge;
  return [
    version?.startsWith('$') && `follows ${version}: it will be pinned to a numbered version, and stays so`,
    strategy.type === 'canary' &&
      `${surgeOf(strategy.size, group.desired)} first; the others follow when they have served for ${strategy.soakMs / 1000} s`,
    strategy.type === 'instance-refresh' &&
      'Auto Scaling replaces the instances by an instance refresh, and drains them its own way',
    raised > group.max &&
      strategy.type !== 'instance-refresh' &&
      `MaxSize ${group.max} is raised to ${raised} while rolling, then restored`,
    group.desired === group.min &&
      surge === 0 &&
      'desired equals MinSize: instances are replaced one by one, never decremented',
    group.suspendedProcesses.includes('AZRebalance') && 'AZRebalance is suspended already and stays so',
    group.hooks.launching.length > 0 &&
      `launch hooks run for every new instance: ${group.hooks.launching.join(', ')}`,
    group.hooks.terminating.length > 0 &&
      `termination hooks run after the drain: ${group.hooks.terminating.join(', ')}`,
  ].filter((notice) => typeof notice === 'string');
}
