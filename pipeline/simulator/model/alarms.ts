/**
 * CloudWatch alarms as others see them: a state. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
 */
import type { World } from './state.ts';

export type AlarmState = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';

export interface Alarm {
  name: string;
  state: AlarmState;
}

/** Null when there is no such alarm. */
export const alarmState = (world: World, name: string): AlarmState | null =>
  Object.hasOwn(world.alarms, name) ? world.alarms[name]!.state : null;
