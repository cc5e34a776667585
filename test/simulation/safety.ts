/**
 * The safety rules of a rollout, judged by the simulated world's own truth and never by what the engine believes.
 * Looks after every event of the model, and at every call of the engine before it is made.
 *
 * What others do is not the engine's fault, but it does not end the watch either: after an instance has died, the
 * least that must serve is what serves then, and rises with it up to the floor; after a user has asked for fewer,
 * the most there may be is what there is, and falls with it. So in the middle of a disaster the engine still may
 * not make anything worse. The one thing forgiven is acting on what was true when it last could look.
 */
import type { Cloud, GroupChange } from '../../pipeline/cloud/cloud.ts';
import type { Journal } from '../../pipeline/journal/records.ts';
import type { Allowance, GroupSpec } from '../../pipeline/rollout/spec.ts';
import { servingIn } from '../../pipeline/simulator/capacity.ts';
import { works } from '../../pipeline/simulator/model/behaviour.ts';
import { counts } from '../../pipeline/simulator/model/lifecycle.ts';
import type { Group, Member, World } from '../../pipeline/simulator/model/state.ts';
import { templateOf } from './account.ts';
import { wrapped } from './death.ts';

export interface Safety {
  readonly violations: string[];
  /** After every event of the model. */
  look(): void;
  /** Somebody else changes a group: `act` does it, `wanted` is what desired is to be from then on. */
  others(group: string, act: () => void, wanted?: number): void;
  /** What users and autoscalers want of a group now. */
  wanted(group: string): number;
  /** The cloud as the engine gets it: every call is judged before it is made. */
  watched(cloud: Cloud, journal: Journal, advance: () => void): Cloud;
  /** What is observed from now on was true at that time. */
  observedAt(ms: number): void;
}

/** Said again here, because an engine that counts wrong must not be measured by its own count. */
const surgeOf = (surge: Allowance, wanted: number): number =>
  'instances' in surge ? surge.instances : Math.ceil(surge.fraction * wanted);
const unavailableOf = (unavailable: Allowance, wanted: number): number =>
  'instances' in unavailable ? unavailable.instances : Math.floor(unavailable.fraction * wanted);

/** From an instance AZRebalance has launched being in service to Auto Scaling taking another for it. */
const rebalancingMs = 5_000;

interface Watch {
  spec: GroupSpec;
  wanted: number;
  /** The least that must serve, the most there may be: see above. */
  least: number;
  most: number;
  serving: Set<string>;
  /** Instances the engine has drained or ended, and since when it has drained them. */
  touched: Set<string>;
  drainedSince: Map<string, number>;
  /** When others last changed the group or took an instance from it. */
  disturbedAt: number;
  /** Desired was last lowered by somebody else: whom Auto Scaling takes then is their doing. */
  loweredByOthers: boolean;
  /** AZRebalance has launched one, by the last look, and takes another for it as soon as that is in service. */
  rebalances: boolean;
  /** When it was last about to. */
  rebalancedAt: number;
}

export function createSafety(
  world: World,
  specs: readonly GroupSpec[],
  note: (line: string) => void,
): Safety {
  const violations: string[] = [];
  const initialVersions = new Map(Object.values(world.templates).map((t) => [t.id, t.latestVersion]));
  let viewAt = world.now;
  const watches = new Map(
    specs.map((spec): [string, Watch] => {
      const group = world.groups[spec.group]!;
      const serving = new Set(servingIn(world, group).map(({ instanceId }) => instanceId));
      return [
        spec.group,
        {
          spec,
          wanted: group.desired,
          least: Math.min(serving.size, group.desired - unavailableOf(spec.unavailable, group.desired)),
          most: Math.max(countedIn(group).length, group.desired + surgeOf(spec.surge, group.desired)),
          serving,
          touched: new Set(),
          drainedSince: new Map(),
          disturbedAt: Number.NEGATIVE_INFINITY,
          loweredByOthers: false,
          rebalances: false,
          rebalancedAt: Number.NEGATIVE_INFINITY,
        },
      ];
    }),
  );

  function violated(group: string, what: string): void {
    const line = `${group}: ${what}`;
    note(`VIOLATION ${line}`);
    violations.push(line);
  }
  const known = (watch: Watch): boolean => watch.disturbedAt < viewAt;

  function lookAt(name: string, watch: Watch): void {
    const group = world.groups[name]!;
    const { spec, wanted } = watch;
    const serving = new Set(servingIn(world, group).map(({ instanceId }) => instanceId));
    const lost = [...watch.serving].filter((id) => !serving.has(id));
    const members = Object.values(group.members);
    const rebalances = members.some(({ rebalancing }) => rebalancing);
    // Nothing need have happened between the last look and its coming into service.
    if (rebalances || watch.rebalances) watch.rebalancedAt = world.now;
    watch.rebalances = rebalances;
    const byOthers = lost.filter((id) => !watch.touched.has(id) && isOthers(watch, group.members[id]));
    watch.serving = serving;
    if (byOthers.length > 0) watch.disturbedAt = world.now;
    const ours = lost.filter((id) => !byOthers.includes(id));
    if (serving.size < watch.least && ours.length > 0 && known(watch)) {
      violated(
        name,
        `${ours.join(', ')} taken: ${serving.size} serve, ${watch.least} must (wanted ${wanted})`,
      );
    }
    const floor = Math.max(0, wanted - unavailableOf(spec.unavailable, wanted));
    watch.least = Math.min(floor, serving.size);

    const total = countedIn(group).length;
    if (total > watch.most) violated(name, `${total} instances, ${watch.most} allowed (wanted ${wanted})`);
    watch.most = Math.max(wanted + surgeOf(spec.surge, wanted), Math.min(watch.most, total));

    const template = templateOf(group);
    const isNewer = world.templates[template.id]!.latestVersion > initialVersions.get(template.id)!;
    if (template.version === '$Latest' && isNewer)
      violated(name, 'follows $Latest while a new version exists');
  }

  /** Whether an instance the engine has not touched went by somebody else's doing. */
  function isOthers(watch: Watch, member: Member | undefined): boolean {
    const instance = member && world.instances[member.instanceId];
    if (!member || !instance || !works(world, instance)) return true;
    if (member.lifecycle !== 'Terminating') return true;
    return watch.loweredByOthers || world.now - watch.rebalancedAt <= rebalancingMs;
  }

  function look(): void {
    for (const [name, watch] of watches) lookAt(name, watch);
  }

  /** The engine's call, before it is made. */
  function judge(call: keyof Cloud, given: unknown[], journal: Journal): void {
    if (call === 'deregisterTargets' || call === 'registerTargets') {
      const [arn, ids] = given as [string, string[]];
      for (const [name, watch] of watches) {
        const group = world.groups[name]!;
        if (!group.targetGroupArns.includes(arn)) continue;
        requireIntent(journal, name, call);
        for (const id of ids) {
          if (call === 'registerTargets') watch.touched.delete(id);
          else watch.touched.add(id);
          if (call === 'registerTargets') watch.drainedSince.delete(id);
          else if (!watch.drainedSince.has(id)) watch.drainedSince.set(id, world.now);
        }
      }
      return;
    }
    const [name] = given as [string];
    const watch = watches.get(name);
    if (!watch || typeof name !== 'string') return;
    requireIntent(journal, name, call);
    if (call === 'updateGroup') judgeUpdate(name, watch, given[1] as GroupChange);
    if (call === 'terminateInstances') {
      const { decrementDesired } = given[2] as { decrementDesired: boolean };
      for (const id of given[1] as string[]) judgeTermination(name, watch, id, decrementDesired);
    }
  }

  function judgeUpdate(
    name: string,
    watch: Watch,
    { desired, templateVersion, ifDesired, max }: GroupChange,
  ): void {
    const group = world.groups[name]!;
    if (ifDesired !== undefined && group.desired !== ifDesired && group.desired !== desired) return;
    if (desired !== undefined) {
      watch.loweredByOthers = false;
      const most = watch.wanted + surgeOf(watch.spec.surge, watch.wanted);
      if (desired > Math.max(most, group.desired) && known(watch)) {
        violated(name, `desired set to ${desired}, ${most} allowed`);
      }
      if (desired < group.desired) violated(name, `desired lowered from ${group.desired} to ${desired}`);
    }
    if (max !== undefined && max < group.desired && known(watch)) {
      violated(name, `MaxSize set to ${max} below desired ${group.desired}`);
    }
    const { id } = templateOf(group);
    if (typeof templateVersion === 'number' && !world.templates[id]!.versions[templateVersion]) {
      violated(name, `pinned to version ${templateVersion}, which does not exist`);
    }
  }

  function judgeTermination(name: string, watch: Watch, id: string, decrement: boolean): void {
    const group = world.groups[name]!;
    const member = group.members[id];
    if (!member || member.lifecycle === 'Terminating') return;
    watch.touched.add(id);
    const { spec } = watch;
    const isHeld = member.protectedFromScaleIn ? spec.protectedInstances : undefined;
    if (isHeld && isHeld !== 'replace' && known(watch)) violated(name, `${id} ended although protected`);
    if (member.lifecycle === 'Standby') {
      if (spec.standbyInstances !== 'replace' && known(watch)) violated(name, `${id} ended in Standby`);
      if (decrement) violated(name, `${id} is in Standby: desired does not count it`);
    }
    const [drain] = spec.drain;
    const isBusy = group.targetGroupArns.some((arn) => world.targetGroups[arn]!.targets[id] !== undefined);
    if (!drain || !isBusy) return;
    const since = watch.drainedSince.get(id);
    const isLate = since !== undefined && world.now - since >= drain.deadlineMs;
    if (!isLate) violated(name, `${id} ended before its drain`);
    else if (drain.on_deadline === 'fail')
      violated(name, `${id} ended after a drain that must fail the rollout`);
  }

  /** Nothing is changed that the journal does not announce, nor before the group's baseline is in it. */
  function requireIntent(journal: Journal, name: string, call: string): void {
    const records = journal.records();
    if (!records.some(({ type, data }) => type === 'group.baseline' && data.group === name)) {
      violated(name, `${call} before the baseline was journaled`);
    }
    const last = records.findLast(({ type, data }) => type === 'intent' && data.group === name);
    const key = last?.type === 'intent' ? last.data.key : null;
    if (!key || records.some(({ type, data }) => type === 'outcome' && data.key === key)) {
      violated(name, `${call} without an open intent`);
    }
  }

  return {
    violations,
    look,
    others(name, act, wanted) {
      const watch = watches.get(name)!;
      const group = world.groups[name]!;
      const before = group.desired;
      act();
      if (wanted !== undefined) watch.wanted = wanted;
      watch.disturbedAt = world.now;
      if (group.desired < before) watch.loweredByOthers = true;
      watch.most = Math.max(watch.most, wantedMost(watch));
      look();
    },
    wanted: (name) => watches.get(name)!.wanted,
    watched: (cloud, journal, advance) =>
      wrapped(cloud, (name, call) => async (...given) => {
        advance();
        judge(name, given, journal);
        const answer = await call(...given);
        look();
        return answer;
      }),
    observedAt(ms) {
      viewAt = ms;
    },
  };
}

const wantedMost = ({ wanted, spec }: Watch): number => wanted + surgeOf(spec.surge, wanted);

/** AZRebalance may exceed desired by what it launches before it terminates. */
const countedIn = (group: Group): Member[] =>
  Object.values(group.members).filter((member) => counts(member) && !member.rebalancing);
