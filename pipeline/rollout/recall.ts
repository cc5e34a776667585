/** From the journal of another process to the memory this one goes on with. Pure. */
import type { JournalRecord } from '../journal/records.ts';
import { consistentAfterMs, doubted } from './decision/doubts.ts';
import { announced, applied } from './decision/owed.ts';
import type { Action, Memory } from './state.ts';

/**
 * The memory of a group whose rollout another process began, from the journal alone. Gates are asked afresh and
 * drains under way begin their deadline anew, because nobody watched them meanwhile. Work behind a hook was not asked
 * about either, but it goes on without anybody: its deadline stands, and only the way back has one of its own.
 */
export function recalled(records: readonly JournalRecord[], group: string, fresh: Memory): Memory {
  let memory = fresh;
  const open = new Map<string, { action: Action; sinceMs: number }>();
  for (const record of records) {
    if (record.type === 'intent' && record.data.group === group) {
      const action = actionOf(record.data.action, record.data.arguments, record.data.why);
      if (!action) continue;
      open.set(record.data.key, { action, sinceMs: Date.parse(record.at) });
      // From the intent on, the instance may have lost its traffic.
      if (action.type === 'drain') memory = applied(memory, action);
      if (action.type === 'undrain') memory = announced(memory, action, Date.parse(record.at));
    } else if (record.type === 'rollback.started') {
      memory = { ...memory, handovers: {} };
    } else if (record.type === 'outcome') {
      const begun = open.get(record.data.key);
      if (!begun || record.data.status === 'unknown') continue;
      open.delete(record.data.key);
      // A doubt resolved later names what of it was carried out.
      const { status, result } = record.data;
      if (status !== 'done') continue;
      const { expected } = memory.owed;
      memory = applied(memory, { ...begun.action, ...result } as Action);
      // The number to read until then may still be read for a while.
      const echo = { desired: expected, untilMs: Date.parse(record.at) + consistentAfterMs };
      if (memory.owed.expected !== expected) memory = { ...memory, echoes: [...memory.echoes, echo] };
    }
  }
  const drains = Object.entries(memory.drains).map(
    ([id, drain]) => [id, { ...drain, started: false, since: fresh.startedAt }] as const,
  );
  const begun = { ...memory, drains: Object.fromEntries(drains) };
  return [...open].reduce<Memory>(
    (result, [key, { action, sinceMs }]) => doubted(result, key, action, sinceMs),
    begun,
  );
}

const actionTypes = [
  'tag',
  'suspend',
  'update',
  'drain',
  'undrain',
  'terminate',
  'renew',
  'widen',
  'heartbeat',
  'complete',
  'refresh',
  'cancel-refresh',
  'resume',
  'untag',
];

/** An intent's arguments are the action itself (act.ts writes them so); null for intents of other kinds. */
function actionOf(type: string, given: object, why: string): Action | null {
  return actionTypes.includes(type) ? ({ type, why, ...given } as unknown as Action) : null;
}
