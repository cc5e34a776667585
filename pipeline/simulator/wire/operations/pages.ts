/**
 * Pages of a list. A token names the key of the last item given, so that items may come and go between pages
 * without any being given twice or left out.
 */
import { ServiceError } from '../../model/errors.ts';

export interface PageRequest {
  token: string | undefined;
  size: number;
}

/** Items in the order of their keys, which must be unique. */
export function page<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  request: PageRequest,
): { items: T[]; nextToken: string | undefined } {
  const after = request.token === undefined ? null : decode(request.token);
  const rest = items
    .map((item) => ({ item, key: keyOf(item) }))
    .filter(({ key }) => after === null || key > after)
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const taken = rest.slice(0, request.size);
  const last = taken.at(-1);
  return {
    items: taken.map(({ item }) => item),
    nextToken: last && rest.length > taken.length ? encode(last.key) : undefined,
  };
}

/** A key that orders by age. */
export const bySerial = ({ serial }: { serial: number }): string => String(serial).padStart(15, '0');

const mark = 'drover:';
const encode = (key: string): string => Buffer.from(mark + key).toString('base64url');

function decode(token: string): string {
  const text = Buffer.from(token, 'base64url').toString();
  if (text.startsWith(mark)) return text.slice(mark.length);
  throw new ServiceError('InvalidNextToken', `The token '${token}' is invalid.`);
}
