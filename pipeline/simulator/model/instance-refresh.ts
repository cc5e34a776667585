/**
 * Instance refresh: Auto Scaling replaces a group's instances by itself, with checkpoints, bake time, alarms and
 * rollback. One look at a time (`stepRefresh`), and every look starts from the members there are, so that whatever
 * users, health checks and autoscalers do meanwhile is taken into account. Who is to be replaced is
 * refresh-survey.ts, how many at once refresh-pace.ts.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-overview.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-rollback.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-adding-checkpoints-instance-refresh.html
 */
import { alarmState } from './alarms.ts';
import { lookAt } from './attention.ts';
import { ServiceError, validationError } from './errors.ts';
import { newUuid, nextSerial } from './identity.ts';
import { isLaunching, isTerminating } from './lifecycle.ts';
import { launchOptions } from './purchasing.ts';
import { schedule } from './queue.ts';
import { renewPool, replaceSome } from './refresh-pace.ts';
import { activeRefresh, type InstanceRefresh, type RefreshStatus } from './refresh-state.ts';
import { type Survey, surveyOf } from './refresh-survey.ts';
import type { Group, World } from './state.ts';

/** "Amazon EC2 Auto Scaling keeps retrying for an hour. If the problem persists after an hour, the operation fails." */
const patienceMs = 3_600_000;
/** "The maximum amount of time that an instance refresh can continue to actively replace instances is 14 days." */
const longestMs = 14 * 24 * 3_600_000;
/** AWS keeps six weeks of them; the bound keeps a long simulation's memory flat. */
const refreshesPerGroup = 100;

export function startRefresh(
  world: World,
  group: Group,
  request: Pick<InstanceRefresh, 'desired' | 'preferences'>,
): InstanceRefresh {
  if (activeRefresh(world, group.name)) {
    throw new ServiceError(
      'InstanceRefreshInProgress',
      'An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.',
    );
  }
  const obstacle = irreversible(group, request);
  if (request.preferences.autoRollback && obstacle) {
    throw validationError(`AutoRollback cannot be enabled: ${obstacle}`);
  }
  for (const name of request.preferences.alarms) {
    const state = alarmState(world, name);
    if (state !== 'OK') {
      throw validationError(
        `The alarm ${name} ${state ? `is in ${state} state` : 'does not exist'}; an instance refresh needs it in OK state.`,
      );
    }
  }
  const refresh: InstanceRefresh = {
    id: newUuid(world),
    serial: nextSerial(world),
    groupName: group.name,
    status: 'Pending',
    reason: null,
    startedAt: world.now,
    endedAt: null,
    percent: 0,
    toUpdate: 0,
    pool: null,
    progressAt: world.now,
    pausedUntil: null,
    checkpointsPassed: 0,
    surplus: 0,
    waitForTransitions: true,
    rollback: null,
    due: null,
    ...request,
  };
  record(group, refresh, surveyOf(world, group, refresh));
  if (!Object.hasOwn(world.refreshes, group.name)) world.refreshes[group.name] = [];
  const all = world.refreshes[group.name]!;
  all.push(refresh);
  if (all.length > refreshesPerGroup) all.shift();
  lookAtRefresh(world, refresh, world.timing.reactionMs);
  return refresh;
}

/** Why a refresh could not be rolled back; null when it can. */
function irreversible(group: Group, { desired }: Pick<InstanceRefresh, 'desired'>): string | null {
  if (!desired) return 'no desired configuration was specified for the instance refresh.';
  if (launchOptions(group).every(({ version }) => /^\d+$/.test(version ?? '$Default'))) return null;
  return "the Auto Scaling group uses the launch template's $Latest or $Default version.";
}

/** Stops replacing; what was replaced stays so. */
export function cancelRefresh(world: World, group: Group, waitForTransitions: boolean): InstanceRefresh {
  const refresh = requireActive(world, group);
  Object.assign(refresh, { status: 'Cancelling', waitForTransitions, surplus: 0, pausedUntil: null });
  lookAtRefresh(world, refresh, world.timing.reactionMs);
  lookAt(world, group);
  return refresh;
}

/** Replaces by the group's own configuration whatever the refresh has launched. A rollback under way goes on. */
export function rollbackRefresh(world: World, group: Group): InstanceRefresh {
  const refresh = requireActive(world, group);
  const obstacle = irreversible(group, refresh);
  if (obstacle) throw new ServiceError('IrreversibleInstanceRefresh', `Cannot roll back: ${obstacle}`);
  if (refresh.status !== 'RollbackInProgress') {
    beginRollback(world, group, refresh, 'Rollback was initiated by a user request.');
  }
  return refresh;
}

function requireActive(world: World, group: Group): InstanceRefresh {
  const refresh = activeRefresh(world, group.name);
  if (refresh && refresh.status !== 'Cancelling') return refresh;
  throw new ServiceError(
    'ActiveInstanceRefreshNotFound',
    `No in progress or pending Instance Refresh found for Auto Scaling group ${group.name}`,
  );
}

function beginRollback(world: World, group: Group, refresh: InstanceRefresh, reason: string): void {
  const { percent, toUpdate } = refresh;
  Object.assign(refresh, {
    status: 'RollbackInProgress',
    reason: null,
    surplus: 0,
    pausedUntil: null,
    progressAt: world.now,
    rollback: { reason, startedAt: world.now, percent, toUpdate },
  });
  lookAtRefresh(world, refresh, 0);
  lookAt(world, group);
}

/** Looks at the refresh after `delayMs`, or sooner if that was going to happen. */
function lookAtRefresh(world: World, refresh: InstanceRefresh, delayMs: number): void {
  const due = world.now + delayMs;
  if (refresh.due !== null && refresh.due <= due) return;
  refresh.due = due;
  schedule(world, delayMs, { kind: 'group.refresh', group: refresh.groupName });
}

/** Auto Scaling looks at a group's refresh: when the group has changed, and as often as it checks health. */
export function stepRefresh(world: World, group: Group): void {
  const refresh = activeRefresh(world, group.name);
  if (!refresh) return;
  step(world, group, refresh);
  if (refresh.endedAt !== null) return;
  const pauseMs = refresh.pausedUntil === null ? Number.POSITIVE_INFINITY : refresh.pausedUntil - world.now;
  lookAtRefresh(world, refresh, Math.min(world.timing.healthCheckMs, pauseMs));
}

function step(world: World, group: Group, refresh: InstanceRefresh): void {
  const { status, preferences } = refresh;
  if (group.deleting) {
    finish(world, group, refresh, 'Cancelled', 'The Auto Scaling group is being deleted.');
    return;
  }
  if (status === 'Cancelling') {
    const underWay = Object.values(group.members).some((one) => isLaunching(one) || isTerminating(one));
    if (underWay && refresh.waitForTransitions) return;
    finish(world, group, refresh, 'Cancelled', 'Cancelled due to user request.');
    return;
  }
  if (status === 'Pending') refresh.status = 'InProgress';
  const rollingBack = status === 'RollbackInProgress';
  const alarms = rollingBack ? [] : preferences.alarms;
  const alarm = alarms.find((name) => alarmState(world, name) === 'ALARM');
  if (alarm) {
    fail(world, group, refresh, `The CloudWatch alarm ${alarm} is in ALARM state.`);
    return;
  }
  const survey = surveyed(world, group, refresh);
  if (survey instanceof ServiceError) {
    fail(world, group, refresh, survey.message);
    return;
  }
  giveUpSurplus(world, group, refresh, survey);
  if (record(group, refresh, survey)) refresh.progressAt = world.now;
  if (refresh.pausedUntil !== null) {
    if (world.now < refresh.pausedUntil) return;
    Object.assign(refresh, { pausedUntil: null, progressAt: world.now });
    if (refresh.status === 'Baking') {
      succeed(world, group, refresh);
      return;
    }
  }
  if (rollingBack ? isRolledBack(survey) : reachedEnd(world, refresh)) {
    conclude(world, group, refresh, survey);
    return;
  }
  if (refresh.pausedUntil !== null) return;
  // "Pauses replacements without canceling the operation": time spent so is nobody's failure.
  if (group.suspended.InstanceRefresh !== undefined) {
    refresh.progressAt = world.now;
    return;
  }
  const blind = alarms.find((name) => alarmState(world, name) !== 'OK');
  if (blind) survey.waitingFor = `the CloudWatch alarm ${blind} has no OK state.`;
  else {
    const checkpoint = rollingBack ? 100 : (preferences.checkpointPercents[refresh.checkpointsPassed] ?? 100);
    replaceSome(world, group, refresh, survey, Math.ceil((survey.scope * checkpoint) / 100));
  }
  patience(world, group, refresh, survey);
}

/** The template that instances are compared with may have been deleted meanwhile. */
function surveyed(world: World, group: Group, refresh: InstanceRefresh): Survey | ServiceError {
  try {
    return surveyOf(world, group, refresh);
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
}

/** Instances that were to be replaced may go without the refresh; those launched ahead of them are too many then. */
function giveUpSurplus(world: World, group: Group, refresh: InstanceRefresh, { outdated }: Survey): void {
  if (refresh.surplus <= outdated) return;
  refresh.surplus = outdated;
  lookAt(world, group);
}

/** The group itself has what it should have: then the warm pool, then the bake time, then the end. */
function conclude(world: World, group: Group, refresh: InstanceRefresh, survey: Survey): void {
  const { pool, outdated } = survey;
  // "Replace InService instances before instances that are in a warm pool."
  if (outdated === 0 && pool.stale.length + pool.unprepared > 0) {
    renewPool(world, group, refresh, survey);
    survey.waitingFor ??= 'the warm pool has instances to replace.';
  }
  const { bakeMs } = refresh.preferences;
  if (refresh.surplus > 0 || survey.waitingFor !== null) patience(world, group, refresh, survey);
  else if (refresh.status === 'RollbackInProgress') {
    finish(world, group, refresh, 'RollbackSuccessful', null);
  } else if (bakeMs > 0) {
    Object.assign(refresh, { status: 'Baking', reason: null, pausedUntil: world.now + bakeMs });
  } else succeed(world, group, refresh);
}

const isRolledBack = ({ stale, held }: Survey): boolean => stale.length + held.length === 0;

/** Writes down how far the refresh is, and tells whether it got further. */
function record({ warmPool }: Group, refresh: InstanceRefresh, survey: Survey): boolean {
  const { scope, outdated, updated, stale, held, pool } = survey;
  const { percent: before, pool: poolBefore } = refresh;
  const rollingBack = refresh.status === 'RollbackInProgress';
  // "This value gradually goes back down to zero during a rollback." On the way forward, a replacement launched ahead
  // is done when the instance it replaces has gone.
  const done = rollingBack
    ? Math.min(scope, stale.length + held.length)
    : Math.min(scope - outdated, updated);
  refresh.toUpdate = scope - done;
  refresh.percent = scope === 0 ? (rollingBack ? 0 : 100) : Math.floor((100 * done) / scope);
  const inPool = pool.stale.length + pool.unprepared;
  const ofPool = pool.size === 0 ? 100 : Math.floor((100 * (pool.size - inPool)) / pool.size);
  refresh.pool = warmPool && { percent: ofPool, toUpdate: inPool };
  const furtherInPool = poolBefore !== null && refresh.pool !== null && inPool < poolBefore.toUpdate;
  return furtherInPool || (rollingBack ? refresh.percent < before : refresh.percent > before);
}

/**
 * Passes the checkpoints reached. Several at once count as the last of them, and after the last checkpoint of all
 * the refresh is over, whatever percentage that is.
 */
function reachedEnd(world: World, refresh: InstanceRefresh): boolean {
  const { checkpointPercents, checkpointDelayMs } = refresh.preferences;
  if (checkpointPercents.length === 0) return refresh.percent === 100;
  const passed = checkpointPercents.filter((percent) => refresh.percent >= percent).length;
  if (passed === checkpointPercents.length) return true;
  if (passed > refresh.checkpointsPassed) refresh.pausedUntil = world.now + checkpointDelayMs;
  // A group that has grown may come to a checkpoint again.
  refresh.checkpointsPassed = passed;
  return false;
}

/** Says what the refresh waits for, and gives up when that has lasted too long. */
function patience(world: World, group: Group, refresh: InstanceRefresh, survey: Survey): void {
  refresh.reason =
    survey.waitingFor && `Waiting for remaining instances to be available. For example: ${survey.waitingFor}`;
  const stuck = survey.warming === 0 && world.now >= refresh.progressAt + patienceMs;
  if (stuck) {
    const reason = refresh.reason ?? 'No instance could be replaced.';
    fail(world, group, refresh, `Nothing could be replaced for one hour. ${reason}`);
  } else if (world.now >= refresh.startedAt + longestMs) {
    fail(world, group, refresh, 'The instance refresh was active for more than 14 days.');
  }
}

function fail(world: World, group: Group, refresh: InstanceRefresh, reason: string): void {
  if (refresh.status === 'RollbackInProgress') finish(world, group, refresh, 'RollbackFailed', reason);
  else if (refresh.preferences.autoRollback) beginRollback(world, group, refresh, reason);
  else finish(world, group, refresh, 'Failed', reason);
}

/** "After the instance refresh succeeds, Auto Scaling updates the group's settings to the desired configuration." */
function succeed(world: World, group: Group, refresh: InstanceRefresh): void {
  if (refresh.desired) Object.assign(group, refresh.desired);
  finish(world, group, refresh, 'Successful', null);
}

function finish(
  world: World,
  group: Group,
  refresh: InstanceRefresh,
  status: RefreshStatus,
  reason: string | null,
): void {
  Object.assign(refresh, { status, reason, endedAt: world.now, surplus: 0, pausedUntil: null });
  lookAt(world, group);
}
