/**
 * The simulator's own address, /_simulator, next to AWS's API:
 *
 *   GET    /_simulator                        who answers, the faults, what clients asked for and did not get
 *   POST   /_simulator/faults                 orders a fault (model/fault.ts); 400 says what is wrong with it
 *   DELETE /_simulator/faults                 takes all faults back
 *   PUT    /_simulator/images/ID/behaviour    how instances launched from the image behave from now on; null: healthy
 *   any    /_simulator/instances/ID/…         what the instance's software answers: 200, 500, or 503 when it is down;
 *                                             ID may be its private address
 */
import { z } from 'zod';
import { Refused } from '../errors.ts';
import { probe } from './model/behaviour.ts';
import { ServiceError } from './model/errors.ts';
import { behaviourSchema, readFault } from './model/fault.ts';
import { clearFaults, injectFault } from './model/faults.ts';
import { findImage } from './model/images.ts';
import { findInstance } from './model/instances.ts';
import { standingFaults } from './model/standing.ts';
import type { Instance, World } from './model/state.ts';
import type { Simulator } from './simulator.ts';

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
  /** Whether the world may differ from before, other than by time. */
  mutated: boolean;
}

export const isControl = (url: string): boolean => /^\/_simulator(?:[/?]|$)/.test(url);

/** Answers a request whose URL `isControl`. */
export function control(simulator: Simulator, method: string, url: string, body: string): Answer {
  simulator.advance();
  try {
    return route(simulator, method, url.replace(/\?.*/, ''), body);
  } catch (error) {
    if (error instanceof Refused) return text(400, `${error.message}\n${error.remedy}`);
    if (error instanceof ServiceError) return text(404, error.message);
    throw error;
  }
}

function route(simulator: Simulator, method: string, path: string, body: string): Answer {
  const { world, gaps } = simulator;
  const [, , resource, id, ...rest] = path.split('/');
  if (resource === 'instances' && id) {
    const answer = probe(world, instanceAt(world, id));
    return { ...text(answer.status, answer.body), mutated: false };
  }
  const known = `${method} ${resource ?? ''}${rest.length > 0 ? `/${rest.join('/')}` : ''}`;
  switch (known) {
    case 'GET ':
      return json({
        simulator: 'drover',
        pid: process.pid,
        region: world.region,
        now: world.now,
        faults: standingFaults(world),
        gaps: Object.fromEntries(gaps),
      });
    case 'POST faults':
      injectFault(world, readFault(parsed(body)));
      return json({ faults: standingFaults(world) }, true);
    case 'DELETE faults':
      clearFaults(world);
      return json({ faults: [] }, true);
    case 'PUT images/behaviour': {
      const image = findImage(world, id ?? '');
      image.behaviour = readBehaviour(parsed(body));
      return json({ image: image.id, behaviour: image.behaviour }, true);
    }
    default:
      return text(404, `Nothing at ${method} ${path}.`);
  }
}

/** By id, or by the private address of one that is there now. */
function instanceAt(world: World, place: string): Instance {
  if (!/^\d/.test(place)) return findInstance(world, place);
  const there = Object.values(world.instances).find(
    ({ privateAddress, state }) => privateAddress === place && state !== 'terminated',
  );
  if (there) return there;
  throw new ServiceError('NotFound', `No instance has the address ${place}.`);
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new Refused(
      'invalid',
      `The body is not JSON: ${(error as Error).message}`,
      'Send a JSON document.',
    );
  }
}

function readBehaviour(value: unknown) {
  const result = behaviourSchema.nullable().safeParse(value);
  if (result.success) return result.data;
  throw new Refused(
    'invalid',
    `This is not a behaviour: ${z.prettifyError(result.error)}`,
    'Send null for none.',
  );
}

const json = (body: unknown, mutated = false): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: `${JSON.stringify(body)}\n`,
  mutated,
});

const text = (status: number, body: string): Answer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: `${body.trimEnd()}\n`,
  mutated: false,
});
