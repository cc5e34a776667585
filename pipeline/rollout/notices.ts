/**
 * What a rollout will meet in a group and what it does about it, one sentence each, for the plan. Pure; what keeps it
 * from succeeding at all is preflight.ts.
 */
import type { GroupObservation } from '../cloud/cloud.ts';
import { counted, leaving, standby } from './decision/members.ts';
import { poolKeptBy } from './decision/pool.ts';
import { surgeOf } from './decision/view.ts';
import type { Pacing } from './pacing.ts';
import type { GroupSpec } from './spec.ts';

/** Instances that are not simply taken. */
export function held(spec: GroupSpec, group: GroupObservation): string[] {
  const aside = group.instances.filter(standby).length;
  const guarded = group.instances.filter((i) => i.protectedFromScaleIn && !leaving(i) && !standby(i)).length;
  return [
    guarded > 0 && heldNotice(guarded, 'protected from scale-in', spec.protectedInstances),
    aside > 0 && heldNotice(aside, 'in Standby', spec.standbyInstances),
    group.newInstancesProtected && protectedAnew(spec, group),
  ].filter((notice) => notice !== false);
}

/** Settings that do not fit each other, and instances that are bad already. */
export function doubts(
  spec: GroupSpec,
  group: GroupObservation,
  { drainMs, readyMs, warmUpMs }: Pacing,
): string[] {
  const counting = group.instances.filter(counted);
  const failing = counting.filter(
    ({ healthy, statusChecks, targets }) =>
      !healthy || statusChecks === 'impaired' || targets.some(({ state }) => state.startsWith('unhealthy')),
  ).length;
  const drain = spec.drain.find(({ type }) => type === 'target-group');
  const isShort = drain && drainMs > 0 && drainMs >= drain.deadlineMs;
  const { healthCheckType, otherTraffic } = group;
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
    otherTraffic.length > 0 &&
      `gets traffic by ${otherTraffic.join(', ')} (Classic Load Balancer or VPC Lattice), which no gate and no drain sees: new instances count before it sends them any, and Auto Scaling alone takes instances off it; ask by a gate http or command, drain by a command, or use an Elastic Load Balancing target group`,
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
export function poolNotices({ strategy }: GroupSpec, group: GroupObservation): string[] {
  const { warmPool } = group;
  if (!warmPool?.length) return [];
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

/** Groups outside of the plan that would launch the new image before anything has proven it. */
export function strangers(
  { template }: GroupObservation,
  followers: readonly { group: string; template: string }[],
): string[] {
  const others = followers.filter((one) => one.template === template!.id).map(({ group }) => group);
  if (others.length === 0) return [];
  const pin = `aws autoscaling update-auto-scaling-group --auto-scaling-group-name ${others[0]} --launch-template LaunchTemplateId=${template!.id},Version=…`;
  return [
    `${others.join(', ')}, not in this plan, follow $Latest of the same launch template ${template!.name}: they launch the new image from the moment its version is made; pin them to a number first (${pin})`,
  ];
}

/** What the engine does about it by itself, and undoes. */
export function workarounds({ strategy }: GroupSpec, group: GroupObservation, surge: number): string[] {
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
