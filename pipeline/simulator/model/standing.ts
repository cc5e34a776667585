/** The list of faults that were ordered: which are in force, whom they hit, how often they still may. */
import type { Fault, FaultKind, FaultOf } from './fault.ts';
import { draw } from './random.ts';
import type { Instance, StandingFault, World } from './state.ts';

export type Standing<K extends FaultKind> = StandingFault & { fault: FaultOf<K> };

export const inForce = (world: World, { state, endsAt }: StandingFault): boolean =>
  state === 'in force' && (endsAt === null || world.now < endsAt);

/** The list as it stands at the world's present: one whose time has passed is over, whether or not anything met it. */
export const standingFaults = (world: World): StandingFault[] =>
  world.faults.map((standing) =>
    standing.state === 'in force' && !inForce(world, standing) ? { ...standing, state: 'over' } : standing,
  );

/** The first fault in force of one of the kinds that `fits`. */
export function find<K extends FaultKind>(
  world: World,
  kinds: readonly K[],
  fits: (fault: FaultOf<K>) => boolean = () => true,
): Standing<K> | null {
  for (const standing of world.faults) {
    if (!(kinds as readonly FaultKind[]).includes(standing.fault.kind) || !inForce(world, standing)) continue;
    if (fits(standing.fault as FaultOf<K>)) return standing as Standing<K>;
  }
  return null;
}

/** It has happened once more, and is over when that was the last time. */
export function happened(standing: StandingFault): void {
  standing.happened += 1;
  if (standing.left === null) return;
  standing.left -= 1;
  if (standing.left <= 0) standing.state = 'over';
}

/** Whether a fault with this rate hits the occasion at hand. */
export function strikes(world: World, standing: StandingFault, rate: number): boolean {
  standing.seen += 1;
  return rate >= 1 || draw(world, `fault ${standing.id} ${standing.seen}`) < rate;
}

interface Whom {
  group?: string | undefined;
  environment?: string | undefined;
  zone?: string | undefined;
  imageId?: string;
}

/** Whether a fault means this instance. */
export const concerns = (
  fault: Whom,
  instance: Pick<Instance, 'zone' | 'groupName' | 'tags' | 'imageId'>,
): boolean =>
  (fault.imageId === undefined || fault.imageId === 'any' || fault.imageId === instance.imageId) &&
  (fault.group === undefined || fault.group === instance.groupName) &&
  (fault.environment === undefined || fault.environment === instance.tags.environment) &&
  (fault.zone === undefined || fault.zone === instance.zone);

/** A fault for the 'new' image belongs to the first image that appears after it. */
export function bindFaults(world: World, imageId: string): void {
  for (const { fault } of world.faults) {
    if ('imageId' in fault && fault.imageId === 'new') fault.imageId = imageId;
  }
}

/** 'ec2:Describe*' against 'ec2:DescribeInstances'. */
export const named = (pattern: string, name: string): boolean =>
  pattern === '*' ||
  new RegExp(`^${pattern.replace(/[\\^$.+?()[\]{}|]/g, '\\$&').replaceAll('*', '.*')}$`).test(name);

/** What the fault says of how often it may happen; the kinds that happen once say nothing. */
export const timesOf = (fault: Fault): number | null =>
  'count' in fault && fault.count !== undefined ? fault.count : null;
