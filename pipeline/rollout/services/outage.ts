/**
 * A service beside the cloud that does not answer, or says no: while a gate or a drain asks, that is waited out until
 * its deadline decides; while work is given back it must not go unnoticed.
 */
import { CloudError } from '../../cloud/cloud.ts';
import { reasonOf } from '../../errors.ts';
import type { Answer } from '../state.ts';

/** No answer, or not the one that was needed; the message names the place and why, in words that stay the same. */
export class ServiceError extends Error {}

export async function patiently(source: string, question: () => Promise<Answer>): Promise<Answer> {
  try {
    return await question();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    return { status: 'waiting', source, reason: error.message };
  }
}

/** @throws CloudError, which is journaled and met by trying again */
export async function undone(
  what: string,
  instances: readonly string[],
  undo: (instance: string) => Promise<void>,
): Promise<void> {
  // All at once: a service that hangs takes its time limit once, not once per instance.
  const results = await Promise.allSettled(instances.map(undo));
  for (const [index, result] of results.entries()) {
    if (result.status === 'fulfilled') continue;
    const { reason: cause } = result;
    if (!(cause instanceof ServiceError)) throw cause;
    throw new CloudError(what, 'NotUndone', `${instances[index]}: ${reasonOf(cause)}`, { cause });
  }
}
