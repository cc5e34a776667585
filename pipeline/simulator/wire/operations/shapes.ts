/** Small pieces of AWS's shapes that several resources share. */
import type { Json } from '../../../json.ts';
import { ServiceError } from '../../model/errors.ts';
import type { Tags, TemplateData, World } from '../../model/state.ts';

export const tagList = (tags: Tags): { Key: string; Value: string }[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

export const tagRecord = (
  list: readonly { Key?: string | undefined; Value?: string | undefined }[] | undefined,
): Tags => Object.fromEntries((list ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));

/** A structure the model only keeps, as plain data. */
export const plain = (value: object | undefined): TemplateData =>
  JSON.parse(JSON.stringify(value ?? {})) as TemplateData;

/**
 * ClientToken: "If you retry the request with the same client token, it returns the result of the first"; with
 * other parameters it is refused. https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
 */
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
  world.tokens[key] = { request: text, answer: JSON.parse(JSON.stringify(answer)) as Json };
  return answer;
}
