/**
 * The safety rules of a rollout, judged by the simulated world's own truth and never by what the engine believes.
 * Looks after every event of the model, and at every call of the engine before it is made (calls.ts).
 *
 * What others do is not the engine's fault, but it does not end the watch either: after an instance has died, the
 * least that must serve is what serves then, and rises with it up to the floor; after a user has asked for fewer,
 * the most there may be is what there is, and falls with it. So in the middle of a disaster the engine still may
 * not make anything worse. The one thing forgiven is acting on what was true when it last could look. What Auto Scaling
 * does for an instance refresh the engine has started is judged as if the engine did it.
 */
import type { Cloud } from '../../pipeline/cloud/cloud.ts';
import type { Journal, JournalRecord } from '../../pipeline/journal/records.ts';
import type { GroupSpec } from '../../pipeline/rollout/spec.ts';
import { isHealthyIn } from '../../pipeline/simulator/capacity.ts';
import { works } from '../../pipeline/simulator/model/behaviour.ts';
import { activeRefresh } from '../../pipeline/simulator/model/refresh-state.ts';
import type { Group, Member, World } from '../../pipeline/simulator/model/state.ts';
import { templateOf } from './account.ts';
import { judgeCall } from './calls.ts';
import { wrapped } from './death.ts';
import type { Services } from './services.ts';
import { judgeWaiting } from './waiting.ts';
import {
  atRiskIn,
  canaryLimitOf,
  countedIn,
  countedOnIn,
  hear,
  limitsOf,
  servingOf,
  surgeOf,
  type Watch,
  watchOf,
} from './watch.ts';

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
  /** A record has been written. */
  heard(record: JournalRecord): void;
  /** The engine looks at these groups; what it sees was true at that time. */
  observedAt(names: readonly string[], ms: number): void;
  /** A process has ended, and with it what it was about to do. */
  ended(): void;
  /** Says that a rule was broken. */
  violated(group: string, what: string): void;
}

/** From an instance launched ahead being in service to Auto Scaling taking another for it. */
const rebalancingMs = 5_000;

export function createSafety(
  world: World,
  specs: readonly GroupSpec[],
  services: Services,
  note: (line: string) => void,
): Safety {
  const violations: string[] = [];
  const initialVersions = new Map(Object.values(world.templates).map((t) => [t.id, t.latestVersion]));
  let viewAt = world.now;
  const watches = new Map(specs.map((spec): [string, Watch] => [spec.group, watchOf(world, spec, services)]));
  const opened = new Map<string, JournalRecord & { type: 'intent' }>();

  function violated(group: string, what: string): void {
    const line = `${group}: ${what}`;
    note(`VIOLATION ${line}`);
    violations.push(line);
  }
  const known = (watch: Watch): boolean => watch.disturbedAt < viewAt;

  function lookAt(name: string, watch: Watch): void {
    const group = world.groups[name]!;
    const { wanted } = watch;
    const serving = new Set(
      servingOf(world, group, services, watch.present).map(({ instanceId }) => instanceId),
    );
    const lost = [...watch.serving].filter((id) => !serving.has(id));
    const members = Object.values(group.members);
    const atRisk = atRiskIn(world, group).length;
    const rebalances = atRisk > 0 || members.some(({ rebalancing }) => rebalancing);
    // Nothing need have happened between the last look and its coming into service.
    if (rebalances || watch.rebalances) watch.rebalancedAt = world.now;
    watch.rebalances = rebalances;
    const byOthers = lost.filter((id) => !watch.touched.has(id) && isOthers(watch, group.members[id]));
    watch.serving = serving;
    if (byOthers.length > 0) watch.disturbedAt = world.now;
    const ours = lost.filter((id) => !byOthers.includes(id));
    if (serving.size < watch.least && ours.length > 0 && known(watch) && !isBlind(watch, group)) {
      violated(
        name,
        `${ours.join(', ')} taken: ${serving.size} serve, ${watch.least} must (wanted ${wanted})`,
      );
    }
    const limits = limitsOf(world, watch);
    watch.least = Math.min(limits.floor, serving.size);

    const total = countedIn(group).length;
    // What was launched ahead is in service for a moment before another is taken for it.
    const isRebalanced = world.now - watch.rebalancedAt <= rebalancingMs;
    if (total > watch.most + atRisk && !isRebalanced)
      violated(name, `${total} instances, ${watch.most} allowed (wanted ${wanted})`);
    watch.most = Math.max(limits.most, Math.min(watch.most, total));

    lookAtVersions(name, group);
    lookAtCanary(watch, group, serving);
    judgeWaiting(world, services, watch, (what) => violated(name, what));
  }

  /**
   * Auto Scaling replaces by itself, and counts on whoever its own checks (EC2's, every minute; the target group's, a few in
   * a row) have not yet found to have failed: "Amazon EC2 Auto Scaling periodically checks the health status".
   * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
   */
  const isBlind = ({ spec, least }: Watch, group: Group): boolean =>
    activeRefresh(world, spec.group)?.status === 'InProgress' && countedOnIn(world, group) >= least;

  function lookAtVersions(name: string, group: Group): void {
    const template = templateOf(group);
    const isNewer = world.templates[template.id]!.latestVersion > initialVersions.get(template.id)!;
    if (template.version === '$Latest' && isNewer)
      violated(name, 'follows $Latest while a new version exists');
    const desired = activeRefresh(world, name)?.desired;
    if (desired && !/^\d+$/.test(templateOf(desired).version)) {
      violated(name, `its instance refresh follows ${templateOf(desired).version}`);
    }
  }

  function lookAtCanary(watch: Watch, group: Group, serving: Set<string>): void {
    const limit = canaryLimitOf(watch);
    if (limit === null) return;
    const whole = [...serving].filter((id) => group.members[id]?.template?.version === watch.target).length;
    if (whole >= Math.min(limit, watch.wanted)) watch.canarySince ??= world.now;
  }

  /**
   * A soak that was broken begins anew, as soon as anybody could see that it was: software fails before the checks of
   * a target group say so, and between two looks an instance may go and another take its place.
   */
  function seeCanary(watch: Watch): void {
    const limit = canaryLimitOf(watch);
    if (limit === null) return;
    const group = world.groups[watch.spec.group]!;
    const whole = Object.values(group.members).filter(
      ({ instanceId, lifecycle, template }) =>
        template?.version === watch.target &&
        lifecycle === 'InService' &&
        isHealthyIn(world, group, instanceId),
    ).length;
    if (whole < Math.min(limit, watch.wanted)) watch.canarySince = null;
  }

  /** Whether an instance the engine has not touched went by somebody else's doing. */
  function isOthers(watch: Watch, member: Member | undefined): boolean {
    const instance = member && world.instances[member.instanceId];
    if (!member || !instance || !works(world, instance)) return true;
    if (services.holds('drain', watch.spec.group).includes(member.instanceId)) return false;
    if (!services.isReady(instance)) return true;
    if (member.lifecycle !== 'Terminating' || member.health === 'Unhealthy') return true;
    return watch.loweredByOthers || world.now - watch.rebalancedAt <= rebalancingMs;
  }

  function look(): void {
    for (const [name, watch] of watches) lookAt(name, watch);
  }

  return {
    violations,
    violated,
    look,
    others(name, act, wanted) {
      const watch = watches.get(name)!;
      const group = world.groups[name]!;
      const before = group.desired;
      // The number the engine is just asking for nobody else sets: whose it is could not be told.
      if (wanted !== undefined && wanted === watch.asked) return;
      act();
      watch.wanted = wanted ?? watch.wanted;
      watch.disturbedAt = world.now;
      if (group.desired < before) watch.loweredByOthers = true;
      watch.most = Math.max(watch.most, watch.wanted + surgeOf(watch.spec.surge, watch.wanted));
      look();
    },
    wanted: (name) => watches.get(name)!.wanted,
    watched: (cloud, journal, advance) =>
      wrapped(cloud, (name, call) => async (...given) => {
        advance();
        judgeCall({ world, watches, services, journal, known, violated }, name, given);
        const answer = await call(...given);
        look();
        return answer;
      }),
    heard(record) {
      if (record.type === 'intent' && record.data.action === 'widen') {
        const watch = watches.get(record.data.group)!;
        const { strategy } = watch.spec;
        const soakMs = strategy.type === 'canary' ? strategy.soakMs : 0;
        const isSoaked = watch.canarySince !== null && world.now - watch.canarySince >= soakMs;
        if (!isSoaked && known(watch)) violated(record.data.group, 'widened before the canary had soaked');
      }
      for (const watch of watches.values()) hear(watch, record, opened);
    },
    observedAt(names, ms) {
      viewAt = ms;
      for (const watch of ms === world.now ? names.map((name) => watches.get(name)!) : []) {
        watch.looks = [...watch.looks.slice(-1), ms];
        seeCanary(watch);
      }
    },
    ended() {
      for (const watch of watches.values()) watch.looks = [];
    },
  };
}
