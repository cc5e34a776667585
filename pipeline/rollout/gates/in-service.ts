/** Auto Scaling's own word: the lifecycle state is InService and the health status Healthy. */
import type { Answer } from '../state.ts';
import type { Subject } from './gates.ts';

export function inService({ instance }: Subject): Answer {
  const source = 'in-service';
  if (instance.lifecycle !== 'InService')
    return { status: 'waiting', source, reason: `is ${instance.lifecycle}` };
  if (!instance.healthy) return { status: 'waiting', source, reason: 'Auto Scaling calls it unhealthy' };
  return { status: 'passed', source, reason: 'InService and healthy' };
}
