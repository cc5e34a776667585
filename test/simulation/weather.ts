/** A cloud that refuses, loses answers, and shows what was true a while ago; and people who meddle meanwhile. */
import type { Clock } from '../../pipeline/clock.ts';
import {
  type Cloud,
  CloudError,
  type GroupChange,
  type GroupObservation,
} from '../../pipeline/cloud/cloud.ts';
import { setAlarmState } from '../../pipeline/simulator/model/alarms.ts';
import { resume, setDesired, suspend, updateGroup } from '../../pipeline/simulator/model/groups.ts';
import { terminate } from '../../pipeline/simulator/model/instances.ts';
import { enterStandby, setProtection } from '../../pipeline/simulator/model/membership.ts';
import type { Group, World } from '../../pipeline/simulator/model/state.ts';
import type { VirtualClock } from '../../pipeline/simulator/virtual-clock.ts';
import { alarmOf, inService, nameOf, templateOf } from './account.ts';
import { isMutation, wrapped } from './death.ts';
import type { Safety } from './safety.ts';
import type { Happening, Scenario, Staleness } from './scenario.ts';

/** A drain that sticks: longer than any rollout. */
const foreverMs = 30 * 86_400_000;

/** What somebody does, when it is time. */
type Act = Happening | { kind: 'alarm' | 'no-alarm' | 'capacity'; atS: number; group: number };

export interface People {
  does(act: Act): void;
  /** The engine has begun to drain these. */
  drained(targetGroup: string, instances: readonly string[]): void;
}

/**
 * Refuses and loses the calls the scenario names, counted over everybody who gets such a cloud; and lets people be just
 * ahead of the engine when it first sets a group's desired.
 */
export function stormy(
  { weather, groups }: Scenario,
  { people, advance, note }: { people: People; advance: () => void; note: (line: string) => void },
): (cloud: Cloud) => Cloud {
  let count = 0;
  const races = new Map(groups.map(({ race }, index) => [nameOf(index), race]));
  const beAhead = (name: string, { desired }: GroupChange): void => {
    const share = races.get(name) ?? null;
    if (share === null || desired === undefined) return;
    races.delete(name);
    advance();
    people.does({
      kind: 'desired',
      share,
      atS: 0,
      group: groups.findIndex((_, index) => nameOf(index) === name),
    });
  };
  return (cloud) =>
    wrapped(cloud, (name, call) => async (...given) => {
      if (!isMutation(name)) return call(...given);
      if (name === 'updateGroup') beAhead(given[0] as string, given[1] as GroupChange);
      count += 1;
      const does = weather.find((one) => one.call === count)?.does;
      if (does) note(`call ${count}, ${name}, is ${does}`);
      if (does === 'busy') throw new CloudError(name, 'ScalingActivityInProgress', 'busy');
      if (does === 'throttled') throw new CloudError(name, 'Throttling', 'Rate exceeded');
      const silence = new CloudError(name, 'EndpointUnreachable', 'hang up', { outcomeUnknown: true });
      if (does === 'unsent') throw silence;
      const answer = await call(...given);
      if (name === 'deregisterTargets') people.drained(given[0] as string, given[1] as string[]);
      if (does === 'lost') throw silence;
      return answer;
    });
}

/** Observations as an eventually consistent service gives them; `seen` hears of whom, and since when each is true. */
export function blurred(
  cloud: Cloud,
  staleness: readonly Staleness[],
  clock: Clock,
  seen: (names: readonly string[], ms: number) => void,
): Cloud {
  const startedAt = clock.now();
  let last: { at: number; names: string; groups: GroupObservation[] } | null = null;
  return {
    ...cloud,
    async observe(names, since) {
      const at = clock.now();
      const isStale = staleness.some(
        ({ atS, forS }) => at >= startedAt + atS * 1000 && at < startedAt + (atS + forS) * 1000,
      );
      if (!isStale || last?.names !== names.join()) {
        last = { at, names: names.join(), groups: await cloud.observe(names, since) };
      }
      seen(names, last.at);
      return structuredClone(last.groups);
    },
  };
}

/** Lets everything of the scenario happen at its time, until `signal` says that the run is over. */
export async function meddle(
  { happenings, groups }: Scenario,
  {
    people,
    clock,
    advance,
    signal,
  }: { people: People; clock: VirtualClock; advance: () => void; signal: AbortSignal },
): Promise<void> {
  const startedAt = clock.now();
  const shortages = happenings.flatMap((one): Act[] =>
    one.kind === 'no-capacity' ? [{ kind: 'capacity', group: one.group, atS: one.atS + one.forS }] : [],
  );
  const alarms = groups.flatMap(({ alarm }, group): Act[] => {
    if (!alarm?.rings) return [];
    const { atS, forS } = alarm.rings;
    return [
      { kind: 'alarm', group, atS },
      { kind: 'no-alarm', group, atS: atS + forS },
    ];
  });
  for (const act of [...happenings.filter((one) => !isBusy(one)), ...shortages, ...alarms].sort(
    (a, b) => a.atS - b.atS,
  )) {
    await clock.sleep(Math.max(0, startedAt + act.atS * 1000 - clock.now()), signal);
    advance();
    people.does(act);
  }
}

/** Protects itself when it is drained, because it has work to do, rather than at a time. */
const isBusy = (one: Happening): boolean => one.kind === 'protect' && one.which % 2 === 0;

export function peopleOf(
  { happenings }: Scenario,
  world: World,
  { clock, safety, note }: { clock: VirtualClock; safety: Safety; note: (line: string) => void },
): People {
  const limits = new Map(Object.values(world.groups).map(({ name, max }) => [name, max]));
  /** Groups in which whoever is drained next protects itself. */
  const busy = new Set(happenings.filter(isBusy).map(({ group }) => nameOf(group)));
  return {
    does(act) {
      const group = world.groups[nameOf(act.group)];
      if (!group) return;
      note(`${group.name}: ${JSON.stringify(act)} (desired ${group.desired}, max ${group.max})`);
      happen(world, group, act, { clock, safety, limits });
    },
    drained(arn, [instance]) {
      for (const group of Object.values(world.groups)) {
        if (!group.targetGroupArns.includes(arn) || !busy.delete(group.name)) continue;
        note(`${group.name}: ${instance} protects itself`);
        safety.others(group.name, () => setProtection(group, [instance!], true));
      }
    },
  };
}

function happen(
  world: World,
  group: Group,
  happening: Act,
  { clock, safety, limits }: { clock: VirtualClock; safety: Safety; limits: Map<string, number> },
): void {
  const others = (act: () => void, wanted?: number): void => safety.others(group.name, act, wanted);
  const pick = (which: number) => {
    const members = inService(group);
    return members[which % Math.max(1, members.length)];
  };
  switch (happening.kind) {
    case 'desired': {
      const to = group.min + Math.round(((group.max - group.min) * happening.share) / 10);
      // Setting the number the engine has just set says nothing.
      // Nor may anybody settle in the headroom the engine has made above the MaxSize the user has set.
      const wanted = Math.min(to, limits.get(group.name)!);
      if (to !== group.desired) others(() => setDesired(world, group, to), wanted);
      return;
    }
    case 'die': {
      const victim = pick(happening.which);
      if (victim) others(() => terminate(world, world.instances[victim.instanceId]!));
      return;
    }
    case 'raise-max':
      limits.set(group.name, group.max + happening.by);
      others(() => updateGroup(world, group, { max: group.max + happening.by }, {}));
      return;
    case 'suspend-alarms':
      others(() => suspend(world, group, ['AlarmNotification']));
      return;
    case 'resume-rebalance':
      others(() => resume(world, group, ['AZRebalance']));
      return;
    case 'protect': {
      const member = pick(happening.which);
      if (member) others(() => setProtection(group, [member.instanceId], true));
      return;
    }
    case 'release-all':
      others(() => {
        for (const member of Object.values(group.members)) member.protectedFromScaleIn = false;
      });
      return;
    case 'stand-by': {
      const member = pick(happening.which);
      const isAllowed = member && group.desired > group.min;
      if (isAllowed) {
        // With a decrement; what desired reads then is what is wanted, as after any other change of it.
        const wanted = Math.min(group.desired - 1, limits.get(group.name)!);
        others(() => enterStandby(world, group, [member.instanceId], true), wanted);
      }
      return;
    }
    case 'alarm':
    case 'no-alarm': {
      const name = alarmOf(group.name);
      const state = happening.kind === 'alarm' ? 'ALARM' : 'OK';
      if (world.alarms[name]) setAlarmState(world, name, state, 'errors were counted');
      return;
    }
    case 'template':
      if (group.template) others(() => Object.assign(group.template!, { version: '$Default' }));
      return;
    case 'drains-stick':
      for (const arn of group.targetGroupArns) world.targetGroups[arn]!.deregistrationDelayMs = foreverMs;
      return;
    case 'no-capacity':
    case 'capacity': {
      // An image that cannot be launched stands for a type of which EC2 has none left.
      const { versions, latestVersion } = world.templates[templateOf(group).id]!;
      const image = world.images[String(versions[latestVersion]!.data.ImageId)]!;
      image.state = happening.kind === 'capacity' ? 'available' : 'pending';
      return;
    }
    case 'clock-jump':
      clock.skip(happening.byS * 1000);
  }
}
