/**
 * How the software of an instance behaves: a fault that matches, else what the image's tag says, else the behaviour
 * set for the image, else healthy. Drawn once, at launch; it stays a fact from then on.
 */
import { z } from 'zod';
import { ServiceError } from './errors.ts';
import { type Behaviour, behaviourSchema } from './fault.ts';
import { draw, drawWithin } from './random.ts';
import { concerns, find, happened } from './standing.ts';
import type { Conduct, Image, Instance, World } from './state.ts';

/** An image tagged with it behaves so, in the words of a fault: {"kind":"leaks","fails":{"fromMs":…,"toMs":…}}. */
export const behaviourTag = 'simulator:behaviour';

const kinds = behaviourSchema.options.map((option) => option.shape.kind.value);

/** @throws ServiceError when the image's tag says nothing that can be understood: the launch fails */
export function conductFor(
  world: World,
  image: Image,
  instance: Pick<Instance, 'id' | 'zone' | 'groupName' | 'tags'>,
): Conduct {
  const standing = find(world, kinds, (fault) => concerns(fault, { ...instance, imageId: image.id }));
  if (standing) happened(standing);
  const conduct: Conduct = { readyAfterMs: world.timing.warmUpMs, failsAfterMs: null, errorRate: 0 };
  const behaviour = standing?.fault ?? taggedBehaviour(image) ?? image.behaviour;
  switch (behaviour?.kind) {
    case undefined:
      return conduct;
    case 'unhealthy':
      return { ...conduct, failsAfterMs: behaviour.failsAfterMs };
    case 'never-boots':
      return { ...conduct, readyAfterMs: null };
    case 'boots-slowly':
      return { ...conduct, readyAfterMs: drawWithin(world, behaviour.ready, `${instance.id} ready`) };
    case 'leaks':
      return { ...conduct, failsAfterMs: drawWithin(world, behaviour.fails, `${instance.id} fails`) };
    case 'serves-errors':
      return { ...conduct, errorRate: behaviour.rate };
  }
}

function taggedBehaviour(image: Image): Behaviour | null {
  const text = image.tags[behaviourTag];
  if (text === undefined) return null;
  const parsed = behaviourSchema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  throw new ServiceError(
    'InvalidParameterValue',
    `The tag ${behaviourTag} of ${image.id} is not a behaviour: ${z.prettifyError(parsed.error)}`,
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Whether the instance's software works at the world's present: what every health check finds out in the end. */
export function works(world: World, instance: Instance): boolean {
  const { readyAfterMs, failsAfterMs } = instance.conduct;
  if (instance.state !== 'running' || instance.runningSince === null || readyAfterMs === null) return false;
  const ranMs = world.now - instance.runningSince;
  return ranMs >= readyAfterMs && (failsAfterMs === null || ranMs < failsAfterMs);
}

/**
 * The instance's answer to an HTTP request at the world's present: no software, no service, or now and then an error.
 * Which requests those are depends on the instance, the seed and the time alone.
 */
export function probe(world: World, instance: Instance): { status: number; body: string } {
  if (!works(world, instance)) return { status: 503, body: `${instance.id} does not work\n` };
  const failed = draw(world, `${instance.id} at ${world.now}`) < instance.conduct.errorRate;
  return failed ? { status: 500, body: 'error\n' } : { status: 200, body: 'ok\n' };
}
