/**
 * What drains through another service have in common: its failures while work is moved off are waited out, until the
 * deadline's policy decides; its failures while work is given back must not go unnoticed.
 */
import { CloudError } from '../../cloud/cloud.ts';
import { reasonOf } from '../../errors.ts';
import { ServiceError } from '../service.ts';
import type { Answer } from '../state.ts';

/** A failed start is not the last word: the next poll does what is left to do, and reports what keeps it from that. */
export async function bestEffort(
  instances: readonly string[],
  begin: (instance: string) => Promise<void>,
): Promise<void> {
  await Promise.allSettled(instances.map(begin));
}

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
  for (const instance of instances) {
    try {
      await undo(instance);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      throw new CloudError(what, 'NotUndone', `${instance}: ${reasonOf(error)}`, { cause: error });
    }
  }
}
