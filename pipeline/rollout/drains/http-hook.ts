/**
 * Asks a service of the user's to drain the instance, again and again, until it says that it is done. Start and poll
 * are the same idempotent request: a service that does not know the instance yet begins, one that does says how far
 * it is; so nothing is lost with an answer or with the process that waited for it.
 */
import { CloudError, type InstanceObservation } from '../../cloud/cloud.ts';
import { NoAnswer } from '../services/http.ts';
import { tokenOf } from '../services/token.ts';
import type { DrainSpec } from '../spec.ts';
import type { Answer } from '../state.ts';
import type { AskedDrain, DrainContext } from './drains.ts';

type HookSpec = Extract<DrainSpec, { type: 'http-hook' }>;

/** Accepted, Conflict, Locked, Too Early, Too Many Requests, Service Unavailable (RFC 9110, 4918, 8470, 6585). */
const notYet = new Set([202, 409, 423, 425, 429, 503]);
const reasonLimit = 200;

export const httpHook = (spec: HookSpec): AskedDrain => ({
  name: spec.name,
  start: async () => {},
  poll: (context, instance) => post(spec, context, 'drain', instance),

  async abort(context, ids) {
    const victims = context.group.instances.filter(({ id }) => ids.includes(id));
    const answers = await Promise.all(victims.map((instance) => post(spec, context, 'abort', instance)));
    const refusal = answers.find(({ status }) => status !== 'passed');
    if (refusal) throw new CloudError('abort', 'NotAborted', `${refusal.source}: ${refusal.reason}`);
  },
});

async function post(
  spec: HookSpec,
  { http, release, group, signal }: DrainContext,
  request: 'drain' | 'abort',
  { id, privateAddress, zone }: InstanceObservation,
): Promise<Answer> {
  const answered = (status: Answer['status'], reason: string): Answer => ({
    status,
    source: spec.name,
    reason,
  });
  const token = await tokenOf(spec);
  if ('missing' in token) return answered('failed', token.missing);
  try {
    const { status, body } = await http(
      {
        method: 'POST',
        url: spec.url,
        headers: {
          'content-type': 'application/json',
          ...(token.value !== null && { authorization: `Bearer ${token.value}` }),
        },
        body: JSON.stringify({
          request,
          release,
          group: group.name,
          instance: { id, address: privateAddress, zone },
        }),
        timeoutMs: spec.timeoutMs,
      },
      signal,
    );
    const said = `status ${status}${body.trim() ? `: ${body.trim().slice(0, reasonLimit)}` : ''}`;
    if (notYet.has(status)) return answered('waiting', said);
    return answered(status >= 200 && status < 300 ? 'passed' : 'failed', said);
  } catch (error) {
    if (error instanceof NoAnswer) return answered('waiting', error.message);
    throw error;
  }
}
