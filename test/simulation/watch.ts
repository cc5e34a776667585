/** What safety remembers of one group, and the limits that hold for it at this moment. */
import type { JournalRecord } from '../../pipeline/journal/records.ts';
import type { Allowance, GroupSpec } from '../../pipeline/rollout/spec.ts';
import { servingIn } from '../../pipeline/simulator/capacity.ts';
import { isAtRisk } from '../../pipeline/simulator/model/health.ts';
import { counts } from '../../pipeline/simulator/model/lifecycle.ts';
import { activeRefresh } from '../../pipeline/simulator/model/refresh-state.ts';
import type { Group, Member, World } from '../../pipeline/simulator/model/state.ts';
import { templateOf } from './account.ts';
import type { Services } from './services.ts';

export interface Watch {
  spec: GroupSpec;
  wanted: number;
  /** The least that must serve, the most there may be: see safety.ts. */
  least: number;
  most: number;
  serving: Set<string>;
  /** Instances that were there before the release. */
  present: Set<string>;
  /** Instances the engine has drained or ended; and since when it has drained them. */
  touched: Set<string>;
  drainedSince: Map<string, number>;
  /** When the journal first announced a drain step of an instance, by both. */
  announced: Map<string, number>;
  /** When others last changed the group or took an instance from it, or the engine gave it one back. */
  disturbedAt: number;
  /** The desired the engine has asked for, while it is not known whether it was set. */
  asked: number | null;
  /** Desired was last lowered by somebody else: whom Auto Scaling takes then is their doing. */
  loweredByOthers: boolean;
  /** Auto Scaling has launched one ahead, by the last look, and takes another for it as soon as that is in service. */
  rebalances: boolean;
  /** When it was last about to. */
  rebalancedAt: number;
  /** The version the release has made for the group, while it moves the group there. */
  target: string | null;
  /** Since when as many instances of that version serve as the canary has, and whether it was found to have soaked. */
  canarySince: number | null;
  isWidened: boolean;
  /** What was wanted when an instance refresh was started; null when none was. */
  refreshedAt: number | null;
  /** The last two times the engine has seen the group as it was. */
  looks: number[];
  /**
   * Since when instances wait behind the hook Drover was given, when that runs out, when Drover last tried to answer for
   * them, and those it has let go.
   */
  waiting: Map<string, number>;
  endsAt: Map<string, number>;
  askedAt: Map<string, number>;
  letGo: Set<string>;
}

/** Said again here, because an engine that counts wrong must not be measured by its own count. */
export const surgeOf = (surge: Allowance, wanted: number): number =>
  'instances' in surge ? surge.instances : Math.ceil(surge.fraction * wanted);
export const unavailableOf = (unavailable: Allowance, wanted: number): number =>
  'instances' in unavailable ? unavailable.instances : Math.floor(unavailable.fraction * wanted);

/** AZRebalance may exceed desired by what it launches before it terminates. */
export const countedIn = (group: Group): Member[] =>
  Object.values(group.members).filter((member) => counts(member) && !member.rebalancing);

/** In service, and to be taken for one that Capacity Rebalancing launches ahead of the spot interruption. */
export const atRiskIn = (world: World, group: Group): Member[] =>
  Object.values(group.members).filter(
    (member) => member.lifecycle === 'InService' && isAtRisk(world, group, member),
  );

/**
 * In service, healthy by every check, and not given to a service to be drained. Of what a release
 * has launched the application must answer too; what was there before, and what is to be replaced, is judged by what can
 * be seen without asking it (see.ts).
 * @param present instances that were there before the release
 */
export function servingOf(
  world: World,
  group: Group,
  services: Services,
  present: ReadonlySet<string>,
): Member[] {
  const drained = services.holds('drain', group.name);
  const { version } = templateOf(group);
  return servingIn(world, group).filter(({ instanceId, template }) => {
    const isAsked = template?.version === version && !present.has(instanceId);
    if (isAsked && !services.isReady(world.instances[instanceId]!)) return false;
    return !drained.includes(instanceId);
  });
}

/** How many Auto Scaling takes for serving: in service and healthy as far as its checks have told. */
export const countedOnIn = (world: World, group: Group): number =>
  Object.values(group.members).filter(
    ({ instanceId, lifecycle, health }) =>
      lifecycle === 'InService' &&
      health === 'Healthy' &&
      group.targetGroupArns.every((arn) => world.targetGroups[arn]?.targets[instanceId]?.state === 'healthy'),
  ).length;

export function watchOf(world: World, spec: GroupSpec, services: Services): Watch {
  const group = world.groups[spec.group]!;
  const present = new Set(Object.keys(group.members));
  const serving = new Set(servingOf(world, group, services, present).map(({ instanceId }) => instanceId));
  return {
    spec,
    wanted: group.desired,
    least: Math.min(serving.size, group.desired - unavailableOf(spec.unavailable, group.desired)),
    most: Math.max(countedIn(group).length, group.desired + surgeOf(spec.surge, group.desired)),
    serving,
    present,
    touched: new Set(),
    drainedSince: new Map(),
    announced: new Map(),
    disturbedAt: Number.NEGATIVE_INFINITY,
    asked: null,
    loweredByOthers: false,
    rebalances: false,
    rebalancedAt: Number.NEGATIVE_INFINITY,
    target: null,
    canarySince: null,
    isWidened: false,
    refreshedAt: null,
    looks: [],
    waiting: new Map(),
    endsAt: new Map(),
    askedAt: new Map(),
    letGo: new Set(),
  };
}

/**
 * What the configuration promises. While Auto Scaling replaces, within percentages that were right for what was
 * wanted when it began, a user who changes desired gets those percentages of the new number.
 */
export function limitsOf(
  world: World,
  { spec, wanted, refreshedAt }: Watch,
): { floor: number; most: number } {
  const floor = Math.max(0, wanted - unavailableOf(spec.unavailable, wanted));
  const most = wanted + surgeOf(spec.surge, wanted);
  const refresh = activeRefresh(world, spec.group);
  const { desired } = world.groups[spec.group]!;
  if (!refresh || (refreshedAt === wanted && desired === wanted)) return { floor, most };
  const { minHealthyPercent, maxHealthyPercent } = refresh.preferences;
  const fewest = Math.ceil((desired * minHealthyPercent) / 100);
  // "it is mathematically impossible to replace instances while honoring both bounds": one more than desired.
  const greatest = Math.max(desired + 1, Math.floor((desired * (maxHealthyPercent ?? 100)) / 100));
  return { floor: Math.min(floor, fewest), most: Math.max(most, greatest) };
}

/** The most instances of the target version there may be while a canary is tried; null when none is. */
export function canaryLimitOf({ spec: { strategy }, wanted, target, isWidened }: Watch): number | null {
  if (strategy.type !== 'canary' || target === null || isWidened) return null;
  return Math.max(1, surgeOf(strategy.size, wanted));
}

/** What the journal says, as far as it concerns the group. `opened` keeps the intents that have no outcome yet. */
export function hear(
  watch: Watch,
  record: JournalRecord,
  opened: Map<string, JournalRecord & { type: 'intent' }>,
): void {
  const { group } = watch.spec;
  const at = Date.parse(record.at);
  if (record.type === 'group.baseline' && record.data.group === group) {
    Object.assign(watch, { target: null, canarySince: null, isWidened: false });
    watch.present = new Set(record.data.instances.map(({ id }) => id));
  } else if (record.type === 'rollback.started') watch.target = null;
  // Nobody answers for hooks any more.
  else if (record.type === 'group.finished' && record.data.group === group) watch.looks = [];
  else if (record.type === 'intent' && record.data.group === group) {
    opened.set(record.data.key, record);
    const { step, instances, change } = record.data.arguments as {
      step?: number;
      instances?: string[];
      change?: { desired?: number };
    };
    if (change?.desired !== undefined) watch.asked = change.desired;
    for (const id of instances ?? []) {
      if (record.data.action === 'drain' && !watch.announced.has(`${step} ${id}`))
        watch.announced.set(`${step} ${id}`, at);
    }
  } else if (record.type === 'outcome' && record.data.status !== 'unknown') {
    const intent = opened.get(record.data.key)?.data;
    if (intent?.group !== group) return;
    if (intent.action === 'update') watch.asked = null;
    if (record.data.status !== 'done') return;
    if (intent.action === 'template') watch.target = String(record.data.result?.version);
    if (intent.action === 'widen') watch.isWidened = true;
  }
}
