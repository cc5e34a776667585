/** Hand-made snapshots for the pure parts: a group in two zones, as it looks while nothing is wrong. */
import type { GroupObservation, InstanceObservation } from '../../pipeline/cloud/cloud.ts';
import { decide } from '../../pipeline/rollout/decision/decide.ts';
import { assertSafe } from '../../pipeline/rollout/decision/invariants.ts';
import { counted } from '../../pipeline/rollout/decision/members.ts';
import { freshMemory } from '../../pipeline/rollout/decision/owed.ts';
import { askObserved } from '../../pipeline/rollout/gates/gates.ts';
import type { GroupSpec } from '../../pipeline/rollout/spec.ts';
import type { Action, Answer, Assignment, Decision, Memory, Snapshot } from '../../pipeline/rollout/state.ts';
import { defaultSpec } from './fleet.ts';

export const targetGroup = 'arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/web/1';

export const instance = (id: string, changes: Partial<InstanceObservation> = {}): InstanceObservation => ({
  id,
  lifecycle: 'InService',
  healthy: true,
  zone: 'a',
  instanceType: 't3.micro',
  protectedFromScaleIn: false,
  templateVersion: 1,
  imageId: 'ami-1',
  launchedAt: 1_000,
  privateAddress: '10.0.0.1',
  statusChecks: 'ok',
  targets: [{ targetGroup, state: 'healthy', reason: null }],
  ...changes,
});

/** Instances on the previous and the new version, alternating zones. */
export const previous = (count: number, changes: Partial<InstanceObservation> = {}): InstanceObservation[] =>
  Array.from({ length: count }, (_, index) =>
    instance(`i-old${index + 1}`, { zone: index % 2 ? 'b' : 'a', ...changes }),
  );
export const target = (count: number, changes: Partial<InstanceObservation> = {}): InstanceObservation[] =>
  Array.from({ length: count }, (_, index) =>
    instance(`i-new${index + 1}`, { zone: index % 2 ? 'b' : 'a', templateVersion: 2, ...changes }),
  );

export const group = (
  instances: InstanceObservation[],
  changes: Partial<GroupObservation> = {},
): GroupObservation => ({
  name: 'web',
  desired: instances.length,
  min: 0,
  max: 20,
  zones: ['a', 'b'],
  template: { id: 'lt-1', name: 'web', version: '2' },
  mixedInstances: false,
  ownOverrides: 0,
  desiredUnit: 'instances',
  suspendedProcesses: ['AZRebalance'],
  newInstancesProtected: false,
  healthCheckType: 'EC2',
  healthCheckGraceMs: 300_000,
  warmUpMs: null,
  targetGroups: [targetGroup],
  otherTraffic: [],
  warmPool: null,
  hooks: { launching: [], terminating: [], heartbeatMs: {} },
  tags: {},
  instances,
  failedActivities: [],
  ...changes,
});

export const assignment = (spec: Partial<GroupSpec> = {}, changes: Partial<Assignment> = {}): Assignment => ({
  release: 'r-1',
  spec: { ...defaultSpec('web'), passes: 1, ...spec },
  baseline: {
    group: 'web',
    desired: 4,
    min: 0,
    max: 20,
    templateId: 'lt-1',
    templateName: 'web',
    templateVersion: '1',
    resolvedVersion: 1,
    imageId: 'ami-1',
    suspendedProcesses: [],
    instances: [],
  },
  goal: { kind: 'replace', version: 2, abandoned: null, follows: null },
  ...changes,
});

export interface Given {
  wanted?: number;
  /** What the engine has raised desired to; the group's desired when left out. */
  expected?: number;
  memory?: Partial<Memory>;
  drains?: Record<string, Answer>;
  handovers?: Record<string, Answer>;
  groupAnswer?: Answer;
  now?: number;
  soaked?: boolean;
}

/** One decision on a hand-made group, with the built-in gates asked of it, and its safety asserted. */
export function decideOn(task: Assignment, seen: GroupObservation, given: Given = {}): Decision {
  const wanted = given.wanted ?? seen.desired;
  const fresh = freshMemory(wanted, 0);
  const memory: Memory = {
    ...fresh,
    owed: { ...fresh.owed, wanted, expected: given.expected ?? seen.desired, tagged: true },
    ...given.memory,
  };
  const answers = Object.fromEntries(
    seen.instances.filter(counted).map((one) => {
      const served = memory.instances[one.id]?.served ?? false;
      return [one.id, askObserved(task.spec.gates, { release: 'r-1', group: 'web', instance: one, served })];
    }),
  );
  const snapshot: Snapshot = {
    now: given.now ?? 1_000,
    group: seen,
    answers,
    groupAnswer: given.groupAnswer ?? { status: 'passed', source: 'gates', reason: '' },
    drains: given.drains ?? {},
    handovers: given.handovers ?? {},
    soaked: given.soaked ?? false,
  };
  const decision = decide(task, snapshot, memory);
  assertSafe(task, snapshot, memory, decision);
  return decision;
}

/** A victim whose first drain step is under way. */
export const draining = { step: 0, started: true, touched: true, since: 0 };
export const drained: Answer = {
  status: 'passed',
  source: 'target-group',
  reason: 'deregistered everywhere',
};
export const stillDraining: Answer = { status: 'waiting', source: 'target-group', reason: 'still draining' };

export const starting = { targets: [{ targetGroup: 'x/web', state: 'initial' as const, reason: null }] };

export const actionsOf = <T extends Action['type']>(
  { actions }: Decision,
  type: T,
): Extract<Action, { type: T }>[] =>
  actions.filter((action) => action.type === type) as Extract<Action, { type: T }>[];
export const chosen = (decision: Decision): string[] =>
  actionsOf(decision, 'drain').flatMap(({ instances }) => instances);
export const desiredSet = (decision: Decision): number | undefined =>
  actionsOf(decision, 'update')[0]?.change.desired;
