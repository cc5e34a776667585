/**
 * Moving work off an instance before it is terminated. Every kind of drain can be started, polled and aborted;
 * start and abort are idempotent, because a resumed release repeats them. Order, deadlines and what happens at
 * them are not decided here (drainage.ts).
 */
import type { Clock } from '../../clock.ts';
import type { Cloud, GroupObservation, InstanceObservation } from '../../cloud/cloud.ts';
import type { DrainSpec } from '../spec.ts';
import type { Answer } from '../state.ts';
import { command } from './command.ts';
import { kubernetes } from './kubernetes.ts';
import { targetGroup } from './target-group.ts';

export interface DrainContext {
  cloud: Cloud;
  clock: Clock;
  release: string;
  group: GroupObservation;
  signal: AbortSignal;
}

export interface Drain {
  /** Shown as the source of its answers. */
  name: string;
  start(context: DrainContext, instances: readonly string[]): Promise<void>;
  poll(context: DrainContext, instance: InstanceObservation): Promise<Answer>;
  abort(context: DrainContext, instances: readonly string[]): Promise<void>;
}

export function drainOf(spec: DrainSpec): Drain {
  switch (spec.type) {
    case 'target-group':
      return targetGroup;
    case 'command':
      return command(spec);
    case 'kubernetes':
      return kubernetes(spec);
  }
}
