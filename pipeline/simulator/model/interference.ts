/**
 * What comes between a call and its answer: refusals (throttling, failures, missing permissions) and answers that
 * get lost. Both doors ask here, once for every call; the door does what it is told.
 */
import { denied, serverError, throttled } from './errors.ts';
import { countCall } from './faults.ts';
import { takeTokens } from './limits.ts';
import { find, happened, inForce, named, strikes } from './standing.ts';
import type { World } from './state.ts';

/** The call was carried out, but its answer never comes, or the connection closes instead. */
export interface Loss {
  how: 'no answer' | 'connection closed';
}

/**
 * @param service the name in credentials: 'ec2', 'autoscaling'
 * @param input in AWS's own shape, for limits that depend on it
 * @returns what becomes of the answer; null: it arrives
 * @throws ServiceError when the call is refused without being carried out
 */
export function interfere(
  world: World,
  service: string,
  operation: string,
  input: Record<string, unknown> = {},
): Loss | null {
  const call = `${service}:${operation}`;
  countCall(world, call);
  const limits = find(world, ['rate-limits']);
  if (limits && !takeTokens(world, service, operation, input)) {
    happened(limits);
    throw throttled(service);
  }
  let loss: Loss | null = null;
  for (const standing of world.faults) {
    const { fault } = standing;
    if (!('operation' in fault) || !inForce(world, standing) || !named(fault.operation, call)) continue;
    if (!strikes(world, standing, 'rate' in fault ? fault.rate : 1)) continue;
    happened(standing);
    switch (fault.kind) {
      case 'throttled':
        throw throttled(service);
      case 'server-error':
        throw serverError(service);
      case 'denied':
        throw denied(world.accountId, service, operation);
      case 'timeout':
        loss ??= { how: 'no answer' };
        break;
      case 'lost-response':
        loss ??= { how: 'connection closed' };
        break;
    }
  }
  return loss;
}
