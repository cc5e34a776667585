/**
 * ClientToken: "If you retry a request that completed successfully using the same client token and the same
 * parameters, the retry succeeds without performing any further actions"; with other parameters it is refused.
 * https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
 */
import type { Json } from '../../json.ts';
import { ServiceError } from './errors.ts';
import { schedule } from './queue.ts';
import type { World } from './state.ts';

/**
 * Of RunInstances "a client token is valid for at least 24 hours after the termination of the instance". For the
 * others nothing is documented; they are kept as long, from the request on.
 */
const validForMs = 24 * 3_600_000;

export function idempotent<T extends object>(
  world: World,
  operation: string,
  request: { ClientToken?: string | undefined },
  carryOut: () => T,
): T {
  const token = request.ClientToken;
  if (!token) return carryOut();
  const key = `${operation} ${token}`;
  const text = JSON.stringify(request);
  const earlier = Object.hasOwn(world.tokens, key) ? world.tokens[key] : undefined;
  if (earlier) {
    if (earlier.request !== text) {
      throw new ServiceError(
        'IdempotentParameterMismatch',
        `Arguments on this idempotent request are inconsistent with arguments used in previous request(s).`,
      );
    }
    return earlier.answer as T;
  }
  const answer = carryOut();
  world.tokens[key] = { request: text, answer: JSON.parse(JSON.stringify(answer)) as Json, expiresAt: null };
  if (operation !== 'RunInstances') expireToken(world, key);
  return answer;
}

/** The token's lifetime begins to run out; whoever says so last counts. */
export function expireToken(world: World, key: string): void {
  const token = world.tokens[key];
  if (!token) return;
  token.expiresAt = world.now + validForMs;
  schedule(world, validForMs, { kind: 'token.expires', key });
}

export function forgetToken(world: World, key: string): void {
  const expiresAt = world.tokens[key]?.expiresAt;
  if (expiresAt != null && expiresAt <= world.now) delete world.tokens[key];
}
