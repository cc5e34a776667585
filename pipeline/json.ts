/** JSON as a type, and its canonical form (RFC 8785), which is what Drover hashes and signs. */
import { createHash } from 'node:crypto';
import serialize from 'canonicalize';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** RFC 8785 canonical JSON. Throws on values JSON cannot hold. */
export function canonical(value: unknown): string {
  const text = serialize(value);
  if (text === undefined) throw new TypeError('not a JSON value');
  return text;
}

/** SHA-256, lower-case hex. */
export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
