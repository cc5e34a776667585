/** How an answer that is lost looks to a client in this process: as the SDK's own handler fails over a network. */
import type { Clock } from '../clock.ts';
import type { Loss } from './model/interference.ts';

/** A client with a timeout gives up after this long at most; a virtual clock makes nobody wait. */
const patienceMs = 60_000;

/** @throws always: ECONNRESET at once, or TimeoutError when the client's patience ends */
export async function loseAnswer(clock: Clock, { how }: Loss): Promise<never> {
  if (how === 'connection closed') throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
  await clock.sleep(patienceMs);
  throw Object.assign(new Error(`no answer within ${patienceMs} ms`), { name: 'TimeoutError' });
}
