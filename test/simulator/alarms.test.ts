import { SetDesiredCapacityCommand } from '@aws-sdk/client-auto-scaling';
import {
  DeleteAlarmsCommand,
  DescribeAlarmsCommand,
  GetMetricDataCommand,
  GetMetricStatisticsCommand,
  PutCompositeAlarmCommand,
  PutMetricAlarmCommand,
  type PutMetricAlarmCommandInput,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch';
import { expect, test } from 'vitest';
import { parseRule } from '../../pipeline/simulator/model/alarm-rule.ts';
import type { AlarmState } from '../../pipeline/simulator/model/alarms.ts';
import { type InMemory, inMemory } from './clients.ts';

/** Over 4 instances in service in `batch` is too many: it begins with 2 and may have 4. */
const crowded: PutMetricAlarmCommandInput = {
  AlarmName: 'crowded',
  Namespace: 'AWS/AutoScaling',
  MetricName: 'GroupDesiredCapacity',
  Dimensions: [{ Name: 'AutoScalingGroupName', Value: 'batch' }],
  Statistic: 'Average',
  Period: 60,
  EvaluationPeriods: 3,
  DatapointsToAlarm: 2,
  Threshold: 3,
  ComparisonOperator: 'GreaterThanThreshold',
};
/** A metric nobody reports. */
const silent = { ...crowded, AlarmName: 'silent', Namespace: 'Shop', MetricName: 'Orders' };

const put = ({ cloudWatch }: InMemory, alarm: PutMetricAlarmCommandInput) =>
  cloudWatch.send(new PutMetricAlarmCommand(alarm));
const combine = ({ cloudWatch }: InMemory, AlarmName: string, AlarmRule: string) =>
  cloudWatch.send(new PutCompositeAlarmCommand({ AlarmName, AlarmRule }));
const force = ({ cloudWatch }: InMemory, AlarmName: string, StateValue: AlarmState) =>
  cloudWatch.send(new SetAlarmStateCommand({ AlarmName, StateValue, StateReason: 'the test says so' }));
const desire = ({ scaling }: InMemory, DesiredCapacity: number) =>
  scaling.send(new SetDesiredCapacityCommand({ AutoScalingGroupName: 'batch', DesiredCapacity }));

async function stateOf({ cloudWatch }: InMemory, name: string): Promise<string> {
  const { MetricAlarms, CompositeAlarms } = await cloudWatch.send(
    new DescribeAlarmsCommand({ AlarmNames: [name], AlarmTypes: ['MetricAlarm', 'CompositeAlarm'] }),
  );
  return [...MetricAlarms!, ...CompositeAlarms!][0]!.StateValue!;
}

test('a metric alarm has no data at first, and then follows M of its last N data points', async () => {
  const aws = inMemory();
  await put(aws, crowded);
  expect(await stateOf(aws, 'crowded')).toBe('INSUFFICIENT_DATA');
  await aws.clock.sleep(180_000);
  expect(await stateOf(aws, 'crowded')).toBe('OK');
  await desire(aws, 4);
  await aws.clock.sleep(60_000);
  expect(await stateOf(aws, 'crowded')).toBe('OK');
  await aws.clock.sleep(60_000);
  expect(await stateOf(aws, 'crowded')).toBe('ALARM');
  await desire(aws, 2);
  await aws.clock.sleep(60_000);
  expect(await stateOf(aws, 'crowded')).toBe('ALARM');
  await aws.clock.sleep(60_000);
  expect(await stateOf(aws, 'crowded')).toBe('OK');
});

test.each<[PutMetricAlarmCommandInput['TreatMissingData'], AlarmState]>([
  [undefined, 'INSUFFICIENT_DATA'],
  ['missing', 'INSUFFICIENT_DATA'],
  ['breaching', 'ALARM'],
  ['notBreaching', 'OK'],
])(
  'with all data missing, treated as %s, an alarm that was forced to another state is %s',
  async (treat, state) => {
    const aws = inMemory();
    await put(aws, { ...silent, TreatMissingData: treat });
    await force(aws, 'silent', state === 'OK' ? 'ALARM' : 'OK');
    await aws.clock.sleep(60_000);
    expect(await stateOf(aws, 'silent')).toBe(state);
  },
);

test('an alarm that ignores missing data keeps the state it was given', async () => {
  const aws = inMemory();
  await put(aws, { ...silent, TreatMissingData: 'ignore' });
  await force(aws, 'silent', 'ALARM');
  await aws.clock.sleep(600_000);
  expect(await stateOf(aws, 'silent')).toBe('ALARM');
});

test('a state set by hand lasts until the next evaluation', async () => {
  const aws = inMemory();
  await put(aws, crowded);
  await aws.clock.sleep(60_000);
  await force(aws, 'crowded', 'ALARM');
  expect(await stateOf(aws, 'crowded')).toBe('ALARM');
  await aws.clock.sleep(60_000);
  expect(await stateOf(aws, 'crowded')).toBe('OK');
});

test('a composite alarm follows its rule at once, also through another composite', async () => {
  const aws = inMemory();
  await put(aws, { ...silent, AlarmName: 'a', TreatMissingData: 'ignore' });
  await put(aws, { ...silent, AlarmName: 'b', TreatMissingData: 'ignore' });
  await combine(aws, 'either', 'ALARM("a") OR ALARM(b)');
  await combine(aws, 'serious', 'ALARM(either) AND NOT OK("a")');
  expect(await stateOf(aws, 'either')).toBe('OK');
  await force(aws, 'b', 'ALARM');
  expect(await stateOf(aws, 'either')).toBe('ALARM');
  expect(await stateOf(aws, 'serious')).toBe('ALARM');
  await force(aws, 'a', 'OK');
  expect(await stateOf(aws, 'serious')).toBe('OK');
});

test('a rule is read as it is written, and nonsense is refused', () => {
  const states: Record<string, AlarmState> = { a: 'ALARM', b: 'OK', c: 'INSUFFICIENT_DATA' };
  const holds = (rule: string) => parseRule(rule).holds((name) => states[name]!);
  expect(holds('ALARM(a)')).toBe(true);
  expect(holds('NOT ALARM(a) OR OK(b)')).toBe(true);
  expect(holds('NOT (ALARM(a) OR OK(b))')).toBe(false);
  expect(holds('OK(a) AND OK(b) OR INSUFFICIENT_DATA("c")')).toBe(true);
  expect(holds('OK(a) AND (OK(b) OR INSUFFICIENT_DATA("c"))')).toBe(false);
  expect(holds('ALARM("arn:aws:cloudwatch:eu-central-1:123456789012:alarm:a") AND TRUE')).toBe(true);
  for (const nonsense of [
    '',
    'ALARM',
    'ALARM()',
    'ALARM(a) OK(b)',
    '(ALARM(a)',
    'alarm(a)',
    'ALARM(a) AND',
  ]) {
    expect(() => parseRule(nonsense), nonsense).toThrow('Invalid AlarmRule');
  }
});

test('alarms are listed by name, prefix, state and type, in pages', async () => {
  const aws = inMemory();
  for (const AlarmName of ['a1', 'a2', 'b1']) await put(aws, { ...silent, AlarmName });
  await combine(aws, 'c1', 'ALARM(a1)');
  const list = async (request: object) => {
    const answer = await aws.cloudWatch.send(new DescribeAlarmsCommand(request));
    const names = [...answer.MetricAlarms!, ...answer.CompositeAlarms!].map(({ AlarmName }) => AlarmName);
    return { names, next: answer.NextToken };
  };
  expect((await list({})).names).toEqual(['a1', 'a2', 'b1']);
  expect((await list({ AlarmTypes: ['CompositeAlarm'] })).names).toEqual(['c1']);
  expect((await list({ AlarmNamePrefix: 'a' })).names).toEqual(['a1', 'a2']);
  expect((await list({ StateValue: 'ALARM' })).names).toEqual([]);
  const first = await list({ MaxRecords: 2 });
  expect((await list({ MaxRecords: 2, NextToken: first.next })).names).toEqual(['b1']);
});

test('what does not exist, contradicts itself or is still needed is refused in the words of CloudWatch', async () => {
  const aws = inMemory();
  await put(aws, silent);
  await combine(aws, 'rule', 'ALARM(silent)');
  await expect(force(aws, 'absent', 'OK')).rejects.toMatchObject({ name: 'ResourceNotFound' });
  await expect(put(aws, { ...crowded, Statistic: undefined })).rejects.toMatchObject({
    name: 'InvalidParameterValueException',
  });
  await expect(put(aws, { ...crowded, DatapointsToAlarm: 4 })).rejects.toThrow('DatapointsToAlarm');
  await expect(combine(aws, 'other', 'ALARM(absent)')).rejects.toThrow('absent does not exist');
  const drop = (AlarmNames: string[]) => aws.cloudWatch.send(new DeleteAlarmsCommand({ AlarmNames }));
  await expect(drop(['silent'])).rejects.toThrow('composite alarm(s) depending on it');
  await drop(['silent', 'rule', 'never-was']);
  expect(Object.keys(aws.simulator.world.alarms)).toEqual([]);
});

test('a metric is read for its last whole period, and a metric nobody reports is empty', async () => {
  const aws = inMemory();
  await aws.clock.sleep(120_000);
  const now = aws.clock.now();
  const span = { StartTime: new Date(now - 600_000), EndTime: new Date(now) };
  const statistics = async (alarm: PutMetricAlarmCommandInput) => {
    const { Namespace, MetricName, Dimensions } = alarm;
    const { Datapoints } = await aws.cloudWatch.send(
      new GetMetricStatisticsCommand({
        ...span,
        Namespace,
        MetricName,
        Dimensions,
        Period: 60,
        Statistics: ['Maximum'],
      }),
    );
    return Datapoints!.map(({ Maximum }) => Maximum);
  };
  expect(await statistics(crowded)).toEqual([2]);
  expect(await statistics(silent)).toEqual([]);
  const { Namespace, MetricName, Dimensions } = crowded;
  const { MetricDataResults } = await aws.cloudWatch.send(
    new GetMetricDataCommand({
      ...span,
      MetricDataQueries: [
        {
          Id: 'm1',
          MetricStat: { Metric: { Namespace, MetricName, Dimensions }, Period: 60, Stat: 'Average' },
        },
      ],
    }),
  );
  expect(MetricDataResults).toMatchObject([{ Id: 'm1', Values: [2], StatusCode: 'Complete' }]);
});
