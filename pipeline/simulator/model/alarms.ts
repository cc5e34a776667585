/**
 * CloudWatch alarms: a metric looked at once a period, and rules over other alarms that follow them at once. What an
 * alarm's actions would do lies outside this account; only its state matters here.
 *
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
 */
import { parseRule } from './alarm-rule.ts';
import { ServiceError, validationError } from './errors.ts';
import { nextSerial } from './identity.ts';
import { type Metric, metricOf, type Statistics } from './metrics.ts';
import { schedule } from './queue.ts';
import type { World } from './state.ts';

export type AlarmState = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';

export interface MetricWatch {
  metric: Metric;
  statistic: keyof Statistics;
  periodMs: number;
  evaluationPeriods: number;
  datapointsToAlarm: number;
  threshold: number;
  comparison: keyof typeof comparisons;
  missing: 'missing' | 'ignore' | 'breaching' | 'notBreaching';
}

export interface Alarm {
  name: string;
  /** Distinguishes this configuration from an earlier one of the same name. */
  serial: number;
  /** What the API only stores and gives back: description, actions, the statistic's own name. */
  given: { [member: string]: string | boolean | string[] | undefined };
  /** One of the two. */
  watch: MetricWatch | null;
  rule: string | null;
  configuredAt: number;
  state: AlarmState;
  reason: string;
  stateUpdatedAt: number;
  stateChangedAt: number;
  /** The latest data points, oldest first; null: none was reported. */
  points: (number | null)[];
}

export const comparisons = {
  GreaterThanThreshold: (value: number, threshold: number) => value > threshold,
  GreaterThanOrEqualToThreshold: (value: number, threshold: number) => value >= threshold,
  LessThanThreshold: (value: number, threshold: number) => value < threshold,
  LessThanOrEqualToThreshold: (value: number, threshold: number) => value <= threshold,
};

function findAlarm(world: World, name: string): Alarm {
  if (Object.hasOwn(world.alarms, name)) return world.alarms[name]!;
  throw new ServiceError('ResourceNotFound', `Unknown alarm: ${name}`, 404);
}

/** Null when there is no such alarm. */
export const alarmState = (world: World, name: string): AlarmState | null =>
  Object.hasOwn(world.alarms, name) ? world.alarms[name]!.state : null;

/** Creates the alarm, or replaces its configuration; its state stays until it is evaluated. */
export function putAlarm(
  world: World,
  name: string,
  configuration: Pick<Alarm, 'watch' | 'rule' | 'given'>,
): void {
  const existing = Object.hasOwn(world.alarms, name) ? world.alarms[name]! : null;
  if (existing && (existing.rule === null) !== (configuration.rule === null)) {
    throw validationError(`An alarm of another type with the name ${name} exists already.`);
  }
  for (const other of configuration.rule === null ? [] : parseRule(configuration.rule).alarms) {
    if (!Object.hasOwn(world.alarms, other))
      throw validationError(`AlarmRule: alarm ${other} does not exist.`);
  }
  const alarm: Alarm = {
    name,
    serial: nextSerial(world),
    configuredAt: world.now,
    state: existing?.state ?? 'INSUFFICIENT_DATA',
    reason: existing?.reason ?? 'Unchecked: Initial alarm creation',
    stateUpdatedAt: existing?.stateUpdatedAt ?? world.now,
    stateChangedAt: existing?.stateChangedAt ?? world.now,
    points: [],
    ...configuration,
  };
  world.alarms[name] = alarm;
  if (alarm.watch) evaluateLater(world, alarm, alarm.watch);
  evaluateRules(world);
}

/** Until the next evaluation says otherwise. */
export function setAlarmState(world: World, name: string, state: AlarmState, reason: string): void {
  enter(world, findAlarm(world, name), state, reason);
  evaluateRules(world);
}

/** "If you specify an alarm that does not exist, that alarm name is ignored", and so is deleting none. */
export function deleteAlarms(world: World, names: readonly string[]): void {
  for (const alarm of Object.values(world.alarms)) {
    if (alarm.rule === null || names.includes(alarm.name)) continue;
    const used = names.find((name) => parseRule(alarm.rule!).alarms.has(name));
    if (used !== undefined) {
      throw validationError(`Cannot delete ${used} as there are composite alarm(s) depending on it.`);
    }
  }
  for (const name of names) delete world.alarms[name];
}

function evaluateLater(world: World, alarm: Alarm, { periodMs }: MetricWatch): void {
  schedule(world, periodMs, { kind: 'alarm.evaluate', name: alarm.name, serial: alarm.serial });
}

/** A period has passed. */
export function evaluateAlarm(world: World, name: string, serial: number): void {
  const alarm = Object.hasOwn(world.alarms, name) ? world.alarms[name]! : null;
  if (alarm?.serial !== serial || !alarm.watch) return;
  const { watch } = alarm;
  alarm.points.push(metricOf(world, watch.metric, watch.periodMs)?.[watch.statistic] ?? null);
  if (alarm.points.length > watch.evaluationPeriods) alarm.points.shift();
  const state = judge(watch, alarm);
  const known = alarm.points.filter((point) => point !== null);
  if (state !== alarm.state) {
    enter(
      world,
      alarm,
      state,
      state === 'INSUFFICIENT_DATA'
        ? `Insufficient Data: ${watch.evaluationPeriods} datapoints were unknown.`
        : `Threshold Crossed: the last datapoints [${known.join(', ')}] ${
            state === 'ALARM' ? 'crossed' : 'did not all cross'
          } the threshold (${watch.threshold}), ${watch.comparison}.`,
    );
    evaluateRules(world);
  }
  evaluateLater(world, alarm, watch);
}

/** M of the last N data points, missing ones taken as the alarm's owner wants them taken. */
function judge(watch: MetricWatch, { points, state }: Alarm): AlarmState {
  const { evaluationPeriods, datapointsToAlarm, missing, threshold } = watch;
  const crosses = comparisons[watch.comparison];
  const known = points.filter((point) => point !== null);
  const breaching = known.filter((point) => crosses(point, threshold)).length;
  const absent = evaluationPeriods - known.length;
  if (breaching >= datapointsToAlarm) return 'ALARM';
  switch (missing) {
    case 'breaching':
      return breaching + absent >= datapointsToAlarm ? 'ALARM' : 'OK';
    case 'notBreaching':
      return 'OK';
    case 'ignore':
      return breaching + absent >= datapointsToAlarm ? state : 'OK';
    case 'missing':
      if (known.length === 0) return 'INSUFFICIENT_DATA';
      return breaching === known.length ? 'ALARM' : 'OK';
  }
}

function enter(world: World, alarm: Alarm, state: AlarmState, reason: string): void {
  if (alarm.state !== state) alarm.stateChangedAt = world.now;
  Object.assign(alarm, { state, reason, stateUpdatedAt: world.now });
}

/** Rules over rules settle in as many rounds as there are rules; a cycle of them may never, and stops there. */
function evaluateRules(world: World): void {
  const composites = Object.values(world.alarms).filter(({ rule }) => rule !== null);
  for (let round = 0; round < composites.length; round += 1) {
    let changed = false;
    for (const alarm of composites) {
      const rule = parseRule(alarm.rule!);
      const state = rule.holds((name) => alarmState(world, name) ?? 'INSUFFICIENT_DATA') ? 'ALARM' : 'OK';
      if (state === alarm.state) continue;
      enter(world, alarm, state, `The alarm rule is ${state === 'ALARM' ? 'TRUE' : 'FALSE'}: ${alarm.rule}`);
      changed = true;
    }
    if (!changed) return;
  }
}
