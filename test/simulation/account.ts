/** From a scenario to the simulated account it begins in, and to what the engine is told to do there. */
import type { DrainSpec, GateSpec, GroupSpec, WaveSpec } from '../../pipeline/rollout/spec.ts';
import { putAlarm, setAlarmState } from '../../pipeline/simulator/model/alarms.ts';
import { suspend } from '../../pipeline/simulator/model/groups.ts';
import { putHook } from '../../pipeline/simulator/model/hooks.ts';
import { advance } from '../../pipeline/simulator/model/model.ts';
import type { Group, World } from '../../pipeline/simulator/model/state.ts';
import { putPool } from '../../pipeline/simulator/model/warm-pool.ts';
import { addGroup, emptyWorld } from '../../pipeline/simulator/world.ts';
import { defaultSpec } from '../rollout/fleet.ts';
import type { GroupDraw, Scenario, WorkDraw } from './scenario.ts';
import { urlOf } from './services.ts';

/** Long enough for every group to be in service, and for its zones to be even. */
const settledForMs = 3_600_000;

export const nameOf = (index: number): string => ['one', 'two', 'three'][index]!;

export function worldOf(scenario: Scenario, nowMs: number): World {
  const timing = {
    bootMs: scenario.bootS * 1000,
    warmUpMs: scenario.warmUpS * 1000,
    drainMs: scenario.drainS * 1000,
    terminateMs: scenario.terminateS * 1000,
  };
  const world = emptyWorld({ timing, nowMs: nowMs - settledForMs });
  for (const [index, drawn] of scenario.groups.entries()) add(world, nameOf(index), drawn);
  advance(world, nowMs);
  for (const [index, drawn] of scenario.groups.entries()) {
    surround(world, world.groups[nameOf(index)]!, drawn);
    putAside(world, world.groups[nameOf(index)]!, drawn.aside);
    for (const member of inService(world.groups[nameOf(index)]!).slice(0, drawn.guarded)) {
      member.protectedFromScaleIn = true;
    }
  }
  return world;
}

function add(world: World, name: string, drawn: GroupDraw): void {
  const size = drawn.desired + drawn.aside;
  addGroup(world, name, environmentOf(drawn), {
    desired: size,
    min: Math.max(0, drawn.desired - drawn.below),
    max: size + drawn.above,
    zones: drawn.zones,
    load_balanced: drawn.isLoadBalanced,
    instance_type: 't3.micro',
  });
  const group = world.groups[name]!;
  const first = world.groups[nameOf(0)]!;
  const { id, name: templateName } = drawn.sharesTemplate ? templateOf(first) : group.template!;
  const reference = { id, name: templateName, version: drawn.version };
  if (drawn.isMixed) {
    const specification = {
      LaunchTemplateId: id,
      LaunchTemplateName: templateName,
      Version: drawn.version,
    };
    const LaunchTemplate = {
      LaunchTemplateSpecification: specification,
      Overrides: [{ InstanceType: 't3.micro' }],
    };
    Object.assign(group, { template: null, mixedInstances: { LaunchTemplate } });
  } else group.template = reference;
  if (drawn.isPinnedToZones) suspend(world, group, ['AZRebalance']);
}

/** What came to the group after its instances: hooks, a warm pool, an alarm, another release. */
function surround(world: World, group: Group, drawn: GroupDraw): void {
  for (const [index, { transition, heartbeatS }] of drawn.othersHooks.entries()) {
    putHook(group, {
      name: othersHook(index),
      transition,
      heartbeatMs: heartbeatS * 1000,
      defaultResult: 'CONTINUE',
    });
  }
  if (drawn.handover) {
    const heartbeatMs = drawn.handover.heartbeatS * 1000;
    putHook(group, { name: handoverHook, transition: 'terminating', heartbeatMs, defaultResult: 'CONTINUE' });
  }
  if (drawn.warmPool) putPool(world, group, { minSize: 2, maxPrepared: 0, state: drawn.warmPool });
  if (drawn.alarm) {
    // Its state is set, never measured.
    const watch = {
      metric: { namespace: 'Simulation', name: 'errors', dimensions: {} },
      statistic: 'sum' as const,
      periodMs: 365 * 86_400_000,
      evaluationPeriods: 1,
      datapointsToAlarm: 1,
      threshold: 0,
      comparison: 'GreaterThanThreshold' as const,
      missing: 'ignore' as const,
    };
    putAlarm(world, alarmOf(group.name), { watch, rule: null, given: {} });
    setAlarmState(world, alarmOf(group.name), 'OK', 'no errors');
  }
  group.capacityRebalance = drawn.rebalancesSpot;
  group.newInstancesProtected = drawn.protectsNew;
  if (drawn.isTaken) group.tags['drover:release'] = { value: rival, propagateAtLaunch: false };
}

export const handoverHook = 'drover';
export const othersHook = (index: number): string => `theirs-${index}`;
export const rival = 'r-0';
export const alarmOf = (group: string): string => `${group}-errors`;

/** EnterStandby with decrement. */
function putAside(world: World, group: Group, count: number): void {
  for (const member of inService(group).slice(0, count)) {
    member.lifecycle = 'Standby';
    group.desired -= 1;
    for (const arn of group.targetGroupArns) delete world.targetGroups[arn]!.targets[member.instanceId];
  }
}

/** The oldest first. */
export const inService = (group: Group) =>
  Object.values(group.members).filter(({ lifecycle }) => lifecycle === 'InService');

/** The template a group launches from, wherever the group keeps it. */
export function templateOf(group: Pick<Group, 'template' | 'mixedInstances'>): {
  id: string;
  name: string;
  version: string;
} {
  if (group.template) return group.template;
  const { LaunchTemplateSpecification: own } = group.mixedInstances!.LaunchTemplate as unknown as {
    LaunchTemplateSpecification: Record<'LaunchTemplateId' | 'LaunchTemplateName' | 'Version', string>;
  };
  return { id: own.LaunchTemplateId, name: own.LaunchTemplateName, version: own.Version };
}

const environmentOf = (drawn: GroupDraw): GroupSpec['environment'] =>
  drawn.wave === 0 ? 'staging' : 'production';

export function specOf(name: string, drawn: GroupDraw): GroupSpec {
  return {
    ...defaultSpec(name),
    environment: environmentOf(drawn),
    wave: waveNames[drawn.wave],
    surge: drawn.surge,
    unavailable: drawn.unavailable,
    passes: drawn.passes,
    soakMs: drawn.soakS * 1000,
    strategy: strategyOf(drawn),
    gates: gatesOf(name, drawn),
    drain: drainsOf(name, drawn),
    handover: drawn.handover
      ? { hook: handoverHook, until: workOf('jobs', name, drawn.handover) }
      : undefined,
    protectedInstances: drawn.held,
    standbyInstances: drawn.held,
    // Auto Scaling lets every instance warm up in its own time.
    deadlineMs: drawn.strategy.type === 'instance-refresh' ? 2 * rolloutDeadlineMs : rolloutDeadlineMs,
  };
}

function strategyOf({ strategy }: GroupDraw): GroupSpec['strategy'] {
  switch (strategy.type) {
    case 'rolling':
      return strategy;
    case 'canary':
      return { type: 'canary', size: strategy.size, soakMs: strategy.soakS * 1000 };
    case 'instance-refresh': {
      const { checkpoints, checkpointSoakS } = strategy;
      return { type: 'instance-refresh', checkpoints, checkpointSoakMs: checkpointSoakS * 1000 };
    }
  }
}

function gatesOf(name: string, { httpGate, alarm }: GroupDraw): GateSpec[] {
  const gates = [...defaultSpec(name).gates];
  if (httpGate) {
    gates.push({ type: 'http', scheme: 'http', port: 80, path: '/', status: '200-299', timeoutMs: 5_000 });
  }
  if (alarm) gates.push({ type: 'alarms', names: [alarmOf(name)], insufficient_data: 'wait' });
  return gates;
}

function drainsOf(name: string, { onDrainDeadline, hookDrain }: GroupDraw): DrainSpec[] {
  const drains: DrainSpec[] = [];
  if (onDrainDeadline !== null) {
    drains.push({ type: 'target-group', deadlineMs: drainDeadlineMs, on_deadline: onDrainDeadline });
  }
  if (!hookDrain) return drains;
  const hook = workOf('drain', name, hookDrain);
  return hookDrain.isFirst ? [hook, ...drains] : [...drains, hook];
}

function workOf(service: 'drain' | 'jobs', group: string, { by, onDeadline }: WorkDraw) {
  const always = { name: service, deadlineMs: workDeadlineMs, on_deadline: onDeadline };
  return by === 'command'
    ? { ...always, type: 'command' as const, argv: [service] }
    : { ...always, type: 'http-hook' as const, url: urlOf(service, group), timeoutMs: 5_000 };
}

/** Longer than any work that ends. */
const workDeadlineMs = 180_000;

/** Longer than any drain a scenario draws, as long as it is not made to stick. */
const drainDeadlineMs = 90_000;
/** Longer than the slowest fleet a scenario draws needs. */
export const rolloutDeadlineMs = 2_400_000;

const waveNames = ['first', 'second'] as const;

export function wavesOf(scenario: Scenario): WaveSpec[] {
  return waveNames.flatMap((name, wave) => {
    const groups = scenario.groups.flatMap((drawn, index) =>
      drawn.wave === wave ? [specOf(nameOf(index), drawn)] : [],
    );
    return groups.length > 0 ? [{ environment: groups[0]!.environment, name, groups }] : [];
  });
}
