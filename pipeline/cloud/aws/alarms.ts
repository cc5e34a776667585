/** Reads CloudWatch alarms by name, metric and composite ones alike. It decides nothing about them. */
import { paginateDescribeAlarms } from '@aws-sdk/client-cloudwatch';
import type { AlarmObservation, Cloud } from '../cloud.ts';
import { type Connection, chunks } from './clients.ts';

/** DescribeAlarms: AlarmNames takes at most 100 items, and a page holds at most 100 records. */
const alarmBatch = 100;

export function alarmReader({ cloudWatch, call }: Connection): Cloud['alarms'] {
  return async function alarms(names) {
    const batches = await Promise.all(
      chunks([...new Set(names)], alarmBatch).map((AlarmNames) =>
        call('DescribeAlarms', 'read', async () => {
          const found: AlarmObservation[] = [];
          const pages = paginateDescribeAlarms(
            { client: cloudWatch, pageSize: alarmBatch },
            // "If you omit this parameter, only metric alarms are returned."
            { AlarmNames, AlarmTypes: ['MetricAlarm', 'CompositeAlarm'] },
          );
          for await (const { MetricAlarms = [], CompositeAlarms = [] } of pages) {
            for (const { AlarmName, StateValue, StateReason } of [...MetricAlarms, ...CompositeAlarms]) {
              found.push({ name: AlarmName!, state: StateValue!, reason: StateReason ?? 'no reason given' });
            }
          }
          return found;
        }),
      ),
    );
    return batches.flat();
  };
}
