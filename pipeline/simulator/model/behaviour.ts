/**
 * Which behaviour an instance gets: a fault that matches, else the image's own profile, else healthy. Decided
 * once, at launch; what an instance is does not change afterwards.
 */
import type { Behaviour, Fault, Image, Instance, World } from './state.ts';

/** Orders a fault. It applies to instances launched from now on. */
export function injectFault(world: World, fault: Pick<Fault, 'kind' | 'imageId'> & Partial<Fault>): void {
  world.faults.push({ failsAfterMs: 0, environment: null, zone: null, ...fault });
}

/** Takes every fault back. Instances already launched keep their behaviour. */
export function clearFaults(world: World): void {
  world.faults = [];
}

/** A fault for 'new' images belongs to the first image that appears after it. */
export function bindFaults(world: World, imageId: string): void {
  for (const fault of world.faults) if (fault.imageId === 'new') fault.imageId = imageId;
}

export function behaviourFor(
  world: World,
  image: Image,
  zone: string,
  environment: string | null,
): Behaviour {
  const fault = world.faults.find(
    (candidate) =>
      candidate.imageId === image.id &&
      (candidate.environment === null || candidate.environment === environment) &&
      (candidate.zone === null || candidate.zone === zone),
  );
  if (fault) return { kind: fault.kind, failsAfterMs: fault.failsAfterMs };
  return image.behaviour ?? { kind: 'healthy' };
}

/** Whether the instance's software works at the world's present: what every health check finds out in the end. */
export function works(world: World, instance: Instance): boolean {
  if (instance.state !== 'running' || instance.runningSince === null) return false;
  switch (instance.behaviour.kind) {
    case 'healthy':
      return true;
    case 'never-boots':
      return false;
    case 'unhealthy':
      return world.now < instance.runningSince + (instance.behaviour.failsAfterMs ?? 0);
  }
}
