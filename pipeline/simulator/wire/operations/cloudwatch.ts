/** CloudWatch's operations on alarms, and what it knows of the metrics of the account. */
import type {
  CompositeAlarm,
  DeleteAlarmsInput,
  DescribeAlarmsInput,
  DescribeAlarmsOutput,
  Dimension,
  GetMetricDataInput,
  GetMetricDataOutput,
  GetMetricStatisticsInput,
  GetMetricStatisticsOutput,
  MetricAlarm,
  PutCompositeAlarmInput,
  PutMetricAlarmInput,
  SetAlarmStateInput,
} from '@aws-sdk/client-cloudwatch';
import {
  type Alarm,
  type AlarmState,
  comparisons,
  deleteAlarms,
  type MetricWatch,
  putAlarm,
  setAlarmState,
} from '../../model/alarms.ts';
import { ServiceError, validationError } from '../../model/errors.ts';
import { type Metric, metricOf, type Statistics } from '../../model/metrics.ts';
import type { World } from '../../model/state.ts';
import type { Operation } from '../services.ts';
import { page } from './pages.ts';

const invalid = (message: string): ServiceError => new ServiceError('InvalidParameterValue', message);

const statistics: Record<string, keyof Statistics> = {
  Average: 'average',
  Maximum: 'maximum',
  Minimum: 'minimum',
  SampleCount: 'samples',
  Sum: 'sum',
};

/** Percentiles are the average: all samples of a metric are alike here. */
function statisticOf(name: string | undefined): keyof Statistics {
  if (/^(?:p|tm|wm)\d/i.test(name ?? '')) return 'average';
  const statistic = Object.hasOwn(statistics, name ?? '') ? statistics[name!] : undefined;
  if (!statistic) throw invalid(`The statistic ${name} is not supported.`);
  return statistic;
}

function metricFrom(
  namespace: string | undefined,
  name: string | undefined,
  dimensions: readonly Dimension[] | undefined,
): Metric {
  if (namespace === undefined || name === undefined) {
    throw new ServiceError('MissingParameter', 'The request must contain Namespace and MetricName.');
  }
  return {
    namespace,
    name,
    dimensions: Object.fromEntries((dimensions ?? []).map(({ Name, Value }) => [Name!, Value!])),
  };
}

function PutMetricAlarm(world: World, input: PutMetricAlarmInput): object {
  const { AlarmName: name, EvaluationPeriods: evaluationPeriods = 0, Statistic, ExtendedStatistic } = input;
  if (input.Period === undefined || !(input.Period >= 10)) throw invalid('Period must be 10, 30 or more.');
  if (!(evaluationPeriods >= 1)) throw invalid('EvaluationPeriods must be at least 1.');
  const datapointsToAlarm = input.DatapointsToAlarm ?? evaluationPeriods;
  if (!(datapointsToAlarm >= 1 && datapointsToAlarm <= evaluationPeriods)) {
    throw validationError('DatapointsToAlarm must be between 1 and EvaluationPeriods.');
  }
  if (!Object.hasOwn(comparisons, input.ComparisonOperator ?? '') || input.Threshold === undefined) {
    throw validationError(
      `An alarm on ${input.ComparisonOperator} without a model of the metric is unknown.`,
    );
  }
  const missing = input.TreatMissingData ?? 'missing';
  if (!treatments.some((treatment) => treatment === missing)) {
    throw validationError(`TreatMissingData must be one of ${treatments.join(', ')}.`);
  }
  putAlarm(world, name!, {
    watch: {
      metric: metricFrom(input.Namespace, input.MetricName, input.Dimensions),
      statistic: statisticOf(Statistic ?? ExtendedStatistic),
      periodMs: input.Period * 1000,
      evaluationPeriods,
      datapointsToAlarm,
      threshold: input.Threshold,
      comparison: input.ComparisonOperator as MetricWatch['comparison'],
      missing: missing as MetricWatch['missing'],
    },
    rule: null,
    given: { ...given(input), Statistic, ExtendedStatistic, Unit: input.Unit },
  });
  return {};
}
const treatments = ['breaching', 'notBreaching', 'ignore', 'missing'];

function PutCompositeAlarm(world: World, input: PutCompositeAlarmInput): object {
  putAlarm(world, input.AlarmName!, { watch: null, rule: input.AlarmRule!, given: given(input) });
  return {};
}

const given = (input: PutMetricAlarmInput | PutCompositeAlarmInput): Alarm['given'] => ({
  AlarmDescription: input.AlarmDescription,
  ActionsEnabled: input.ActionsEnabled ?? true,
  OKActions: input.OKActions ?? [],
  AlarmActions: input.AlarmActions ?? [],
  InsufficientDataActions: input.InsufficientDataActions ?? [],
});

function SetAlarmState(world: World, input: SetAlarmStateInput): object {
  if (!states.some((state) => state === input.StateValue)) {
    throw validationError(`StateValue must be one of ${states.join(', ')}.`);
  }
  setAlarmState(world, input.AlarmName!, input.StateValue as AlarmState, input.StateReason!);
  return {};
}
const states = ['OK', 'ALARM', 'INSUFFICIENT_DATA'];

function DeleteAlarms(world: World, input: DeleteAlarmsInput): object {
  deleteAlarms(world, input.AlarmNames ?? []);
  return {};
}

/** "If you omit AlarmTypes, only metric alarms are returned, even if composite alarms exist in the account." */
function DescribeAlarms(world: World, input: DescribeAlarmsInput): DescribeAlarmsOutput {
  const { AlarmNames: names, AlarmNamePrefix: prefix, StateValue: state, MaxRecords: size = 50 } = input;
  if (names && prefix !== undefined) {
    throw validationError('AlarmNames and AlarmNamePrefix cannot both be specified.');
  }
  const types: readonly string[] = input.AlarmTypes ?? ['MetricAlarm'];
  const wanted = Object.values(world.alarms).filter(
    (alarm) =>
      types.includes(alarm.rule === null ? 'MetricAlarm' : 'CompositeAlarm') &&
      (names?.includes(alarm.name) ?? true) &&
      alarm.name.startsWith(prefix ?? '') &&
      (state === undefined || alarm.state === state),
  );
  const { items, nextToken } = page(wanted, ({ name }) => name, { token: input.NextToken, size });
  return {
    MetricAlarms: items.filter(({ rule }) => rule === null).map((alarm) => metricAlarmShape(world, alarm)),
    CompositeAlarms: items.filter(({ rule }) => rule !== null).map((alarm) => compositeShape(world, alarm)),
    NextToken: nextToken,
  };
}

const alarmShape = ({ region, accountId }: World, alarm: Alarm) => ({
  AlarmName: alarm.name,
  AlarmArn: `arn:aws:cloudwatch:${region}:${accountId}:alarm:${alarm.name}`,
  AlarmConfigurationUpdatedTimestamp: new Date(alarm.configuredAt),
  StateValue: alarm.state,
  StateReason: alarm.reason,
  StateUpdatedTimestamp: new Date(alarm.stateUpdatedAt),
  StateTransitionedTimestamp: new Date(alarm.stateChangedAt),
  ...alarm.given,
});

function metricAlarmShape(world: World, alarm: Alarm): MetricAlarm {
  const watch = alarm.watch!;
  return {
    ...alarmShape(world, alarm),
    Namespace: watch.metric.namespace,
    MetricName: watch.metric.name,
    Dimensions: Object.entries(watch.metric.dimensions).map(([Name, Value]) => ({ Name, Value })),
    Period: watch.periodMs / 1000,
    EvaluationPeriods: watch.evaluationPeriods,
    DatapointsToAlarm: watch.datapointsToAlarm,
    Threshold: watch.threshold,
    ComparisonOperator: watch.comparison,
    TreatMissingData: watch.missing,
  };
}

const compositeShape = (world: World, alarm: Alarm): CompositeAlarm => ({
  ...alarmShape(world, alarm),
  AlarmRule: alarm.rule!,
});

/** The start of the last whole period before `end` and the present; null when that is before `start`. */
function lastPeriod(world: World, start: Date, end: Date, periodMs: number): Date | null {
  const until = Math.min(end.getTime(), world.now);
  const from = Math.floor(until / periodMs) * periodMs - periodMs;
  return from >= Math.floor(start.getTime() / periodMs) * periodMs ? new Date(from) : null;
}

/** No samples are kept: the last whole period is answered as if it had been like the present, earlier ones not at all. */
function GetMetricStatistics(world: World, input: GetMetricStatisticsInput): GetMetricStatisticsOutput {
  const metric = metricFrom(input.Namespace, input.MetricName, input.Dimensions);
  const wanted: string[] = [...(input.Statistics ?? []), ...(input.ExtendedStatistics ?? [])];
  if (wanted.length === 0) {
    throw new ServiceError('MissingParameter', 'The request must contain Statistics or ExtendedStatistics.');
  }
  const periodMs = input.Period! * 1000;
  const Timestamp = lastPeriod(world, input.StartTime!, input.EndTime!, periodMs);
  const values = Timestamp && metricOf(world, metric, periodMs);
  const point = values && Object.fromEntries(wanted.map((name) => [name, values[statisticOf(name)]]));
  return { Label: metric.name, Datapoints: point ? [{ Timestamp, Unit: 'None', ...point }] : [] };
}

function GetMetricData(world: World, input: GetMetricDataInput): GetMetricDataOutput {
  const results = (input.MetricDataQueries ?? []).map(({ Id, Label, MetricStat, ReturnData = true }) => {
    if (!MetricStat)
      throw validationError(`The query ${Id} is an expression, which this account does not evaluate.`);
    const { Metric: given, Period, Stat } = MetricStat;
    const metric = metricFrom(given?.Namespace, given?.MetricName, given?.Dimensions);
    const at = lastPeriod(world, input.StartTime!, input.EndTime!, Period! * 1000);
    const values = at && metricOf(world, metric, Period! * 1000);
    return {
      ReturnData,
      result: {
        Id,
        Label: Label ?? metric.name,
        Timestamps: values ? [at] : [],
        Values: values ? [values[statisticOf(Stat)]] : [],
        StatusCode: 'Complete' as const,
      },
    };
  });
  return {
    MetricDataResults: results.filter(({ ReturnData }) => ReturnData).map(({ result }) => result),
    Messages: [],
  };
}

export const cloudWatchOperations: Record<string, Operation> = {
  DeleteAlarms,
  DescribeAlarms,
  GetMetricData,
  GetMetricStatistics,
  PutCompositeAlarm,
  PutMetricAlarm,
  SetAlarmState,
};
