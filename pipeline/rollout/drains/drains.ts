/**
 * Moving work off an instance before it is terminated. Every kind of drain can be started, asked how far it is, and
 * aborted; start and abort are idempotent, because a resumed release repeats them. Order, deadlines and what happens
 * at them are not decided here (drainage.ts).
 */
import type { Clock } from '../../clock.ts';
import type { Cloud, GroupObservation, InstanceObservation } from '../../cloud/cloud.ts';
import type { RunCommand } from '../services/command.ts';
import type { Http } from '../services/http.ts';
import type { DrainSpec } from '../spec.ts';
import type { Answer } from '../state.ts';
import { command } from './command.ts';
import { consul } from './consul.ts';
import { httpHook } from './http-hook.ts';
import { kubernetes } from './kubernetes.ts';
import { nomad } from './nomad.ts';
import { targetGroup } from './target-group.ts';
import { vault } from './vault.ts';

export interface DrainContext {
  cloud: Cloud;
  clock: Clock;
  http: Http;
  runCommand: RunCommand;
  release: string;
  group: GroupObservation;
  signal: AbortSignal;
}

interface Steps {
  /** Shown as the source of its answers. */
  name: string;
  /** It finds its own marks where it drained: aborted for any instance, it undoes what a release did and no more. */
  marksItself?: true;
  start(context: DrainContext, instances: readonly string[]): Promise<void>;
  abort(context: DrainContext, instances: readonly string[]): Promise<void>;
}

export interface SeenDrain extends Steps {
  /** How far it is, from what was observed. */
  seen(instance: InstanceObservation): Answer;
}

export interface AskedDrain extends Steps {
  /** How far it is, by asking, in bounded time. It is asked beside the loop, again and again. */
  poll(context: DrainContext, instance: InstanceObservation): Promise<Answer>;
}

export type Drain = SeenDrain | AskedDrain;

export function drainOf(spec: DrainSpec): Drain {
  switch (spec.type) {
    case 'target-group':
      return targetGroup;
    case 'command':
      return command(spec);
    case 'http-hook':
      return httpHook(spec);
    case 'kubernetes':
      return kubernetes(spec);
    case 'nomad':
      return nomad(spec);
    case 'vault':
      return vault(spec);
    case 'consul':
      return consul(spec);
  }
}
