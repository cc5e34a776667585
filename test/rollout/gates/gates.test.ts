import { expect, test } from 'vitest';
import type { Cloud } from '../../../pipeline/cloud/cloud.ts';
import { askInTurn, askObserved, questionsOf, type Subject } from '../../../pipeline/rollout/gates/gates.ts';
import { runCommand } from '../../../pipeline/rollout/services/command.ts';
import { httpRequest } from '../../../pipeline/rollout/services/http.ts';
import type { GateSpec } from '../../../pipeline/rollout/spec.ts';
import { virtualClock } from '../../../pipeline/simulator/virtual-clock.ts';
import { instance, targetGroup } from '../group.ts';

const context = {
  cloud: {} as Cloud,
  clock: virtualClock(),
  http: httpRequest,
  runCommand,
  signal: new AbortController().signal,
};
const ask = (gates: GateSpec[], about: Subject) => askInTurn(questionsOf(gates, about), context);
const subject = (changes: Parameters<typeof instance>[1] = {}, served = false) => ({
  release: 'r-1',
  group: 'web',
  instance: instance('i-1', changes),
  served,
});
const inTargetGroup = (
  state: 'healthy' | 'initial' | 'unhealthy' | 'unused' | 'draining',
  reason: string | null = null,
) => ({
  targets: [
    { targetGroup, state: 'healthy' as const, reason: null },
    { targetGroup: `${targetGroup}/other`, state, reason },
  ],
});

test.each([
  { gate: 'in-service', changes: {}, status: 'passed', reason: 'InService and healthy' },
  {
    gate: 'in-service',
    changes: { lifecycle: 'Pending:Wait' },
    status: 'waiting',
    reason: 'is Pending:Wait',
  },
  {
    gate: 'in-service',
    changes: { healthy: false },
    status: 'waiting',
    reason: 'Auto Scaling calls it unhealthy',
  },
  { gate: 'status-checks', changes: {}, status: 'passed', reason: 'status checks are ok' },
  {
    gate: 'status-checks',
    changes: { statusChecks: null },
    status: 'waiting',
    reason: 'EC2 reports no status checks yet',
  },
  {
    gate: 'status-checks',
    changes: { statusChecks: 'impaired' },
    status: 'waiting',
    reason: 'status checks are impaired',
  },
  {
    gate: 'status-checks',
    changes: { statusChecks: 'impaired' },
    served: true,
    status: 'failed',
    reason: 'status checks are impaired',
  },
  {
    gate: 'status-checks',
    changes: { statusChecks: 'insufficient-data' },
    served: true,
    status: 'waiting',
    reason: 'status checks are insufficient-data',
  },
  { gate: 'target-health', changes: {}, status: 'passed', reason: 'healthy in every target group' },
  {
    gate: 'target-health',
    changes: { targets: [] },
    status: 'passed',
    reason: 'the group has no target groups',
  },
  { gate: 'target-health', changes: inTargetGroup('initial'), status: 'waiting', reason: 'initial in web' },
  {
    gate: 'target-health',
    changes: inTargetGroup('unused', 'Target.NotRegistered'),
    status: 'waiting',
    reason: 'unused (Target.NotRegistered) in web',
  },
  {
    gate: 'target-health',
    changes: inTargetGroup('unhealthy', 'Target.Timeout'),
    status: 'waiting',
    reason: 'unhealthy (Target.Timeout) in web',
  },
  {
    gate: 'target-health',
    changes: inTargetGroup('unhealthy', 'Target.Timeout'),
    served: true,
    status: 'failed',
    reason: 'unhealthy (Target.Timeout) in web',
  },
  {
    gate: 'target-health',
    changes: inTargetGroup('draining'),
    served: true,
    status: 'waiting',
    reason: 'draining in web',
  },
] as {
  gate: 'in-service' | 'status-checks' | 'target-health';
  changes: object;
  served?: boolean;
  status: string;
  reason: string;
}[])('$gate answers $status: $reason', ({ gate, changes, served, status, reason }) => {
  const answer = askObserved([{ type: gate }], subject(changes, served));
  expect(answer).toMatchObject({ status, reason });
});

test('one gate that does not pass speaks for all, a failed one before a waiting one', () => {
  const gates: GateSpec[] = [{ type: 'in-service' }, { type: 'status-checks' }, { type: 'target-health' }];
  const changes = { statusChecks: 'initializing' as const, ...inTargetGroup('unhealthy') };
  expect(askObserved(gates, subject(changes, false))).toMatchObject({ source: 'status-checks' });
  expect(askObserved(gates, subject(changes, true))).toMatchObject({
    source: 'target-health',
    status: 'failed',
  });
});

const command = (script: string, timeoutMs = 5_000): GateSpec => ({
  type: 'command',
  name: 'probe',
  argv: [process.execPath, '-e', script],
  timeoutMs,
});

test.each([
  { name: 'exit 0 passes', script: '', status: 'passed', reason: 'probe passed' },
  {
    name: 'exit 75 waits with what it said last',
    script: 'console.log("first\\nwarming up"); process.exitCode = 75',
    status: 'waiting',
    reason: 'warming up',
  },
  {
    name: 'any other exit fails with what it said',
    script: 'console.error("no database"); process.exitCode = 3',
    status: 'failed',
    reason: 'exit 3: no database',
  },
  {
    name: 'a command that does not end fails',
    script: 'setInterval(() => {}, 1000)',
    timeoutMs: 300,
    status: 'failed',
    reason: 'no answer within 0.3 s',
  },
])('a command gate: $name', async ({ script, timeoutMs, status, reason }) => {
  expect(await ask([command(script, timeoutMs)], subject())).toMatchObject({
    status,
    reason: expect.stringContaining(reason),
  });
});

test('a command that does not exist fails instead of passing', async () => {
  const gate: GateSpec = { type: 'command', name: 'probe', argv: ['/nonexistent/probe'], timeoutMs: 5_000 };
  expect(await ask([gate], subject())).toMatchObject({ status: 'failed', source: 'probe' });
});

test('a command is told the instance in its environment, and its arguments pass no shell', async () => {
  const script = `
    const { DROVER_INSTANCE_ID, DROVER_INSTANCE_ADDRESS, DROVER_INSTANCE_ZONE, DROVER_GROUP, DROVER_RELEASE } = process.env;
    console.log([DROVER_INSTANCE_ID, DROVER_INSTANCE_ADDRESS, DROVER_INSTANCE_ZONE, DROVER_GROUP, DROVER_RELEASE, process.argv[1]].join(' '));
    process.exitCode = 75;`;
  const gate = { ...command(script), argv: [process.execPath, '-e', script, '$HOME;true'] } as GateSpec;
  expect(await ask([gate], subject())).toMatchObject({ reason: 'i-1 10.0.0.1 a web r-1 $HOME;true' });
});

test('gates are asked one after the other, and none after one that does not pass', async () => {
  const gates = [command('process.exitCode = 75'), command('process.exitCode = 3')];
  expect(await ask(gates, subject())).toMatchObject({ status: 'waiting' });
  expect(await ask(gates.reverse(), subject())).toMatchObject({ status: 'failed' });
});
