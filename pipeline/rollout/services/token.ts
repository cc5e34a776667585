/**
 * The token for a service, from where the configuration says. Never from the configuration itself, which the journal
 * and the evidence hold; read anew for every request because tokens expire.
 */
import { readFile } from 'node:fs/promises';
import type { TokenSource } from '../../config/orchestrators.ts';
import { reasonOf } from '../../errors.ts';

/** Null where none is configured; `missing` says why one that is cannot be had. */
export async function tokenOf({
  token_env,
  token_file,
}: TokenSource): Promise<{ value: string | null } | { missing: string }> {
  if (token_env !== undefined) {
    const value = process.env[token_env];
    return value ? { value } : { missing: `the environment has no ${token_env}` };
  }
  if (token_file === undefined) return { value: null };
  try {
    return { value: (await readFile(token_file, 'utf8')).trim() };
  } catch (error) {
    return { missing: `the token cannot be read: ${reasonOf(error)}` };
  }
}
