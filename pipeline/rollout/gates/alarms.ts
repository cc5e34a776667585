/**
 * CloudWatch alarms over the group, metric or composite. An alarm judges what users see, not an instance: ALARM
 * fails, OK passes, and what insufficient data means is written in the configuration. An alarm that does not exist
 * has failed: it watches nothing.
 */
import { type AlarmObservation, type Cloud, CloudError } from '../../cloud/cloud.ts';
import { Refused, reasonOf } from '../../errors.ts';
import type { GateSpec } from '../spec.ts';
import type { Answer } from '../state.ts';

/** The alarms that exist, or why they could not be read. */
export type AlarmReading = readonly AlarmObservation[] | { unread: string };

/** Every alarm the gates name, of any number of groups, in one reading. */
export async function readAlarms(cloud: Cloud, gates: readonly GateSpec[]): Promise<AlarmReading> {
  const names = gates.flatMap((gate) => (gate.type === 'alarms' ? gate.names : []));
  try {
    return names.length > 0 ? await cloud.alarms([...new Set(names)]) : [];
  } catch (error) {
    if (error instanceof CloudError || error instanceof Refused) return { unread: reasonOf(error) };
    throw error;
  }
}

const words = { wait: 'waiting', pass: 'passed', fail: 'failed' } as const;

/** One answer per alarm. */
export function alarms(gate: Extract<GateSpec, { type: 'alarms' }>, seen: AlarmReading): Answer[] {
  const source = 'alarms';
  if ('unread' in seen) return [{ status: 'waiting', source, reason: seen.unread }];
  return gate.names.map((name): Answer => {
    const alarm = seen.find((one) => one.name === name);
    if (!alarm) return { status: 'failed', source, reason: `there is no alarm '${name}'` };
    switch (alarm.state) {
      case 'OK':
        return { status: 'passed', source, reason: `${name} is OK` };
      case 'ALARM':
        return { status: 'failed', source, reason: `${name} is in ALARM: ${alarm.reason}` };
      default:
        return { status: words[gate.insufficient_data], source, reason: `${name} has insufficient data` };
    }
  });
}
