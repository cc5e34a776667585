/**
 * Orders faults, brings them into force when their time has come, and applies those that happen to the account by
 * themselves. Faults of what instances run are applied at launch (behaviour.ts), faults of the API at the doors
 * (interference.ts), the others where the thing happens that goes wrong.
 */
import { ServiceError } from './errors.ts';
import { type Fault, type FaultOf, type FaultOrder, readFault } from './fault.ts';
import { findGroup, updateGroup, usableTemplate } from './groups.ts';
import { schedule } from './queue.ts';
import { draw } from './random.ts';
import { concerns, happened, inForce, named, type Standing, timesOf } from './standing.ts';
import type { Event, Instance, StandingFault, World } from './state.ts';

/** Orders a fault; without `when` it is in force at once. @throws Refused when it is none */
export function injectFault(world: World, order: FaultOrder): StandingFault {
  const fault = readFault(order);
  world.serial += 1;
  const standing: StandingFault = {
    id: world.serial,
    fault,
    state: 'waiting',
    seen: 0,
    left: timesOf(fault),
    endsAt: null,
    happened: 0,
    failure: null,
  };
  world.faults.push(standing);
  const { when } = fault;
  if (!when) begin(world, standing);
  else if ('atMs' in when) schedule(world, when.atMs - world.now, { kind: 'fault.begins', id: standing.id });
  else if ('afterMs' in when) schedule(world, when.afterMs, { kind: 'fault.begins', id: standing.id });
  return standing;
}

/** Takes every fault back. What has happened stays: instances keep their behaviour, groups their size. */
export function clearFaults(world: World): void {
  world.faults = [];
}

/** A call has come: faults that waited for it are in force before it is carried out. */
export function countCall(world: World, operation: string): void {
  for (const standing of world.faults) {
    const { when } = standing.fault;
    if (standing.state !== 'waiting' || !when || !('calls' in when)) continue;
    if (named(when.operation, operation)) countTo(world, standing, when.calls);
  }
}

/** Something has happened by itself: faults that waited for it come into force. */
export function countEvent(world: World, event: Event): void {
  for (const standing of world.faults) {
    const { when } = standing.fault;
    if (standing.state !== 'waiting' || !when || !('events' in when)) continue;
    if (named(when.event, event.kind)) countTo(world, standing, when.events);
  }
}

function countTo(world: World, standing: StandingFault, count: number): void {
  standing.seen += 1;
  if (standing.seen < count) return;
  standing.seen = 0;
  begin(world, standing);
}

export function beginFault(world: World, id: number): void {
  const standing = world.faults.find((candidate) => candidate.id === id);
  if (standing?.state === 'waiting') begin(world, standing);
}

function begin(world: World, standing: StandingFault): void {
  const { fault } = standing;
  standing.state = 'in force';
  standing.endsAt = fault.forMs === undefined ? null : world.now + fault.forMs;
  switch (fault.kind) {
    case 'spot-interruption':
    case 'death': {
      const chance = ({ id }: Instance): number => draw(world, `fault ${standing.id} ${id}`);
      const eligible = Object.values(world.instances).filter((instance) => instance.checks === 'ok');
      for (const instance of eligible.sort((a, b) => chance(a) - chance(b)))
        strike(world, standing, instance);
      return;
    }
    case 'changed-group':
      happened(standing);
      standing.state = 'over';
      standing.failure = refusalOf(() => changeGroup(world, fault));
      return;
    case 'clock-jump':
      happened(standing);
      standing.state = 'over';
      world.clockOffsetMs += fault.byMs;
      return;
    default:
      return;
  }
}

/** An instance's health checks pass: a fault that found too few of them may have waited for it. */
export function noticeWorking(world: World, instance: Instance): void {
  for (const standing of world.faults) strike(world, standing, instance);
}

function strike(world: World, standing: StandingFault, instance: Instance): void {
  if (!isOf(standing, 'spot-interruption', 'death')) return;
  const { fault } = standing;
  if (!inForce(world, standing) || !concerns(fault, instance)) return;
  const { id, life } = instance;
  if (fault.kind === 'death') {
    schedule(world, fault.afterMs, { kind: 'instance.fails', id, life, of: fault.of });
  } else {
    if (instance.interruption || !mayBeTakenBack(world, instance)) return;
    instance.interruption = { recommendedAt: world.now, endsAt: null };
    if (instance.groupName !== null) {
      schedule(world, world.timing.reactionMs, { kind: 'group.health', group: instance.groupName, id });
    }
    schedule(world, fault.recommendedMs, { kind: 'instance.notice', id, noticeMs: fault.noticeMs });
  }
  happened(standing);
}

/** EC2 takes back spot instances alone; where there is none, any may be one. */
function mayBeTakenBack(world: World, { spot, groupName }: Instance): boolean {
  const group = groupName === null ? undefined : world.groups[groupName];
  return spot || !Object.values(group?.members ?? {}).some((member) => member.spot);
}

const isOf = <K extends Fault['kind']>(standing: StandingFault, ...kinds: K[]): standing is Standing<K> =>
  (kinds as string[]).includes(standing.fault.kind);

function changeGroup(world: World, fault: FaultOf<'changed-group'>): void {
  const group = findGroup(world, fault.group);
  const { min, max, desired, version } = fault;
  const settings =
    version === undefined ? {} : { template: usableTemplate(world, { id: group.template?.id, version }) };
  updateGroup(world, group, { min, max, desired }, settings);
}

/** AWS's own reason why a change could not be made; null when it was. */
function refusalOf(change: () => void): string | null {
  try {
    change();
    return null;
  } catch (error) {
    if (error instanceof ServiceError) return `${error.code}: ${error.message}`;
    throw error;
  }
}
