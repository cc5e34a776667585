/** Whether a policy's statements allow a call: as much of IAM's evaluation as this repository's policy uses. */
import type { Statement } from '../../pipeline/cloud/aws/permissions.ts';

/** One thing a call is done to. `context` are the condition keys it is done with, in lower case. */
export interface Request {
  action: string;
  resource: string;
  context: Record<string, string | string[]>;
}

export const allowing = (statements: readonly Statement[], request: Request): Statement[] =>
  statements.filter(
    ({ Action, Resource, NotResource, Condition = {} }) =>
      Action.includes(request.action) &&
      (Resource ? isLike(Resource, request.resource) : !isLike(NotResource!, request.resource)) &&
      Object.entries(Condition).every(([operator, keys]) =>
        Object.entries(keys).every(([key, wanted]) =>
          holds(operator, [wanted].flat(), request.context[key.toLowerCase()]),
        ),
      ),
  );

/** A condition on a key that is absent does not hold, but for Null and for ForAllValues. */
function holds(operator: string, wanted: string[], given: string | string[] | undefined): boolean {
  switch (operator) {
    case 'Null':
      return wanted[0] === String(given === undefined);
    case 'StringEquals':
    case 'Bool':
      return given !== undefined && [given].flat().some((value) => wanted.includes(value));
    case 'StringLike':
    case 'ArnLike':
      return given !== undefined && [given].flat().some((value) => isLike(wanted, value));
    case 'ForAllValues:StringLike':
      return [given ?? []].flat().every((value) => isLike(wanted, value));
    default:
      throw new Error(`this test does not know the condition ${operator}`);
  }
}

const isLike = (patterns: readonly string[], value: string): boolean =>
  patterns.some((pattern) => {
    const literal = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${literal.join('.*')}$`).test(value);
  });
