/**
 * Carries out what decide wants: writes the intent, makes the call, writes the outcome, and tells the memory. It
 * changes nothing of what was decided and decides nothing itself. One intent covers one action; draining from
 * several target groups is one action of several idempotent calls.
 */
import type { Clock } from '../clock.ts';
import { type Cloud, CloudError, type GroupObservation } from '../cloud/cloud.ts';
import { reasonOf } from '../errors.ts';
import type { EntryOf, Journal } from '../journal/records.ts';
import type { JsonObject } from '../json.ts';
import { doubted } from './decision/doubts.ts';
import { announced, applied } from './decision/owed.ts';
import { drainOf } from './drains/drains.ts';
import type { RunCommand } from './services/command.ts';
import type { Http } from './services/http.ts';
import type { Action, Assignment, Memory } from './state.ts';

export interface Hands {
  cloud: Cloud;
  clock: Clock;
  http: Http;
  runCommand: RunCommand;
  journal: Journal;
  signal: AbortSignal;
}

/** The weather: the service asks for another try, or the world moved on and the next tick decides anew. */
const transient = new Set(['ScalingActivityInProgress', 'ResourceContention', 'DesiredChanged']);

/** Performs the actions in order, until one does not succeed or a stop is asked for. */
export async function act(
  hands: Hands,
  assignment: Assignment,
  group: GroupObservation,
  before: Memory,
  actions: readonly Action[],
): Promise<Memory> {
  let memory = before;
  for (const action of actions) {
    // Between two calls is the safe point: nothing is half done.
    if (hands.signal.aborted) return memory;
    const { type, why, ...given } = action;
    const key = nextKey(hands.journal, group.name, type);
    memory = announced(memory, action, hands.clock.now());
    try {
      const done = await recorded(
        hands,
        { key, group: group.name, action: type, arguments: given as unknown as JsonObject, why },
        () => carriedOut(hands, assignment, group, action),
        resultOf,
      );
      memory = applied(memory, done);
    } catch (error) {
      if (!(error instanceof CloudError)) throw error;
      if (error.outcomeUnknown) return doubted(memory, key, action, hands.clock.now());
      const counts = transient.has(error.code) ? 0 : 1;
      return { ...memory, refusals: { count: memory.refusals.count + counts, last: error.message } };
    }
  }
  return actions.length > 0 ? { ...memory, refusals: { count: 0, last: '' } } : memory;
}

/** Keys count the intents of a group, so that every attempt has its own. */
export function nextKey(journal: Journal, group: string, action: string): string {
  const earlier = journal.records().filter((r) => r.type === 'intent' && r.data.group === group).length;
  return `${group}/${earlier + 1}-${action}`;
}

/** One call between its intent and its outcome. @throws what the call throws, after its outcome has been written */
export async function recorded<T>(
  { journal }: Pick<Hands, 'journal'>,
  intent: EntryOf<'intent'>['data'],
  call: () => Promise<T>,
  resultOf: (value: T) => JsonObject | null = () => null,
): Promise<T> {
  const { key } = intent;
  await journal.append({ type: 'intent', data: intent });
  let value: T;
  try {
    value = await call();
  } catch (error) {
    if (error instanceof CloudError) {
      const status = error.outcomeUnknown ? 'unknown' : 'failed';
      await journal.append({
        type: 'outcome',
        data: { key, status, result: null, error: reasonOf(error) },
      });
    }
    // Anything else is a crash as far as the journal is concerned: no outcome is known.
    throw error;
  }
  await journal.append({
    type: 'outcome',
    data: { key, status: 'done', result: resultOf(value), error: null },
  });
  return value;
}

/** Writes what looking again has shown about calls whose outcome was unknown. */
export async function recordResolved(journal: Journal, { resolved }: Memory): Promise<void> {
  for (const { key, done } of resolved) {
    const result = done && resultOf(done);
    const error = done ? null : 'no answer came, and nothing shows that it was carried out';
    await journal.append({
      type: 'outcome',
      data: { key, status: done ? 'done' : 'failed', result, error },
    });
  }
}

/** What an outcome says of an action done: the instances ended, because they may be fewer than the intent names; an id. */
function resultOf(done: Action): JsonObject | null {
  if (done.type === 'terminate') return { instances: done.instances };
  return done.type === 'refresh' ? { id: done.id! } : null;
}

/** The action, or the part of it that was carried out: desired has moved by the instances really ended. */
async function carriedOut(
  hands: Hands,
  assignment: Assignment,
  group: GroupObservation,
  action: Action,
): Promise<Action> {
  if (action.type === 'refresh') {
    return { ...action, id: await hands.cloud.startRefresh(group.name, action.request) };
  }
  if (action.type !== 'terminate') {
    await perform(hands, assignment, group, action);
    return action;
  }
  const options = { decrementDesired: action.decrement };
  const instances = await hands.cloud.terminateInstances(group.name, action.instances, options);
  return { ...action, instances };
}

async function perform(
  { cloud, clock, http, runCommand, signal }: Hands,
  { release, spec }: Assignment,
  group: GroupObservation,
  action: Exclude<Action, { type: 'terminate' | 'refresh' }>,
): Promise<void> {
  const { name } = group;
  switch (action.type) {
    case 'tag':
      return cloud.setGroupTags(name, action.tags);
    case 'untag':
      return cloud.removeGroupTags(name, action.keys);
    case 'suspend':
      return cloud.suspendProcesses(name, action.processes);
    case 'resume':
      // Also what does not show as suspended: the reading may be older than that, and resuming twice changes nothing.
      return cloud.resumeProcesses(name, action.processes);
    case 'update':
      return cloud.updateGroup(name, action.change);
    case 'widen':
      return;
    case 'renew':
      return cloud.renewWarmPool(name, action.instances);
    case 'cancel-refresh':
      return cloud.cancelRefresh(name, action);
    case 'heartbeat':
      return cloud.extendLifecycleActions(name, action.hook, action.instances);
    case 'complete':
      return cloud.completeLifecycleActions(name, action.hook, action.instances);
    case 'drain':
    case 'undrain': {
      // A victim that had passed its last step has none to undo but that one.
      const drain = spec.drain[Math.min(action.step, spec.drain.length - 1)];
      if (!drain) return;
      const context = { cloud, clock, http, runCommand, release, group, signal };
      if (action.type === 'drain') return drainOf(drain).start(context, action.instances);
      for (const done of spec.drain.slice(0, action.step + 1).reverse()) {
        await drainOf(done).abort(context, action.instances);
      }
    }
  }
}
