/** Lifecycle hooks, through the SDK: who waits, for how long, and what follows from each result. */
import {
  CompleteLifecycleActionCommand,
  CreateAutoScalingGroupCommand,
  DeleteAutoScalingGroupCommand,
  DeleteLifecycleHookCommand,
  DescribeLifecycleHooksCommand,
  DescribeLifecycleHookTypesCommand,
  PutLifecycleHookCommand,
  type PutLifecycleHookType,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling';
import { DescribeInstancesCommand, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { activitiesOf, begin, end } from '../../pipeline/simulator/model/activities.ts';
import { eventually, type InMemory, inMemory } from './clients.ts';
import {
  activities,
  groupOf,
  ids,
  reaches,
  setDesired,
  settled,
  stateOf,
  terminate,
} from './scaling-group.ts';

const transitions = {
  launching: 'autoscaling:EC2_INSTANCE_LAUNCHING',
  terminating: 'autoscaling:EC2_INSTANCE_TERMINATING',
};

const putHook = (
  aws: InMemory,
  transition: keyof typeof transitions,
  change: Partial<PutLifecycleHookType> = {},
) =>
  aws.scaling.send(
    new PutLifecycleHookCommand({
      AutoScalingGroupName: 'web-a',
      LifecycleHookName: transition,
      LifecycleTransition: transitions[transition],
      HeartbeatTimeout: 300,
      ...change,
    }),
  );

const complete = (aws: InMemory, hook: string, result: string, by: { InstanceId?: string; token?: string }) =>
  aws.scaling.send(
    new CompleteLifecycleActionCommand({
      AutoScalingGroupName: 'web-a',
      LifecycleHookName: hook,
      LifecycleActionResult: result,
      InstanceId: by.InstanceId,
      LifecycleActionToken: by.token,
    }),
  );

const heartbeat = (aws: InMemory, hook: string, InstanceId: string) =>
  aws.scaling.send(
    new RecordLifecycleActionHeartbeatCommand({
      AutoScalingGroupName: 'web-a',
      LifecycleHookName: hook,
      InstanceId,
    }),
  );

/** One more instance is asked for; returns it once it waits for its hooks. */
async function launched(aws: InMemory): Promise<string> {
  const before = new Set(ids(await groupOf(aws)));
  await setDesired(aws, before.size + 1);
  return eventually(aws.clock, 'a waiting launch', async () => {
    const { Instances } = await groupOf(aws);
    const waiting = Instances!.find(({ InstanceId }) => !before.has(InstanceId!));
    return waiting?.LifecycleState === 'Pending:Wait' && waiting.InstanceId;
  });
}

async function terminating(aws: InMemory): Promise<string> {
  const [id] = ids(await groupOf(aws));
  await terminate(aws, id!, true);
  await reaches(aws, id!, 'Terminating:Wait');
  return id!;
}

const ec2State = async ({ ec2 }: InMemory, id: string) =>
  (await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))).Reservations![0]!.Instances![0]!
    .State!.Name;

test('a hook is described with its defaults and its global timeout, and a change keeps the rest', async () => {
  const aws = inMemory();
  await putHook(aws, 'launching', { HeartbeatTimeout: undefined, NotificationMetadata: 'note' });
  await putHook(aws, 'terminating', { HeartbeatTimeout: 60, DefaultResult: 'CONTINUE' });
  await putHook(aws, 'launching', { LifecycleTransition: undefined, HeartbeatTimeout: 7200 });
  const { LifecycleHooks } = await aws.scaling.send(
    new DescribeLifecycleHooksCommand({ AutoScalingGroupName: 'web-a' }),
  );
  expect(LifecycleHooks).toEqual([
    {
      AutoScalingGroupName: 'web-a',
      LifecycleHookName: 'launching',
      LifecycleTransition: transitions.launching,
      NotificationMetadata: 'note',
      HeartbeatTimeout: 7200,
      GlobalTimeout: 172_800,
      DefaultResult: 'ABANDON',
    },
    {
      AutoScalingGroupName: 'web-a',
      LifecycleHookName: 'terminating',
      LifecycleTransition: transitions.terminating,
      HeartbeatTimeout: 60,
      GlobalTimeout: 6000,
      DefaultResult: 'CONTINUE',
    },
  ]);
  const types = await aws.scaling.send(new DescribeLifecycleHookTypesCommand({}));
  expect(types.LifecycleHookTypes).toEqual(Object.values(transitions));
});

test.each<[string, Partial<PutLifecycleHookType>, RegExp]>([
  ['without a transition', { LifecycleTransition: undefined }, /LifecycleTransition is required/],
  ['of an unknown transition', { LifecycleTransition: 'autoscaling:LUNCH' }, /Invalid lifecycle transition/],
  ['with too short a heartbeat', { HeartbeatTimeout: 29 }, /between 30 and 7200 seconds/],
  ['with too long a heartbeat', { HeartbeatTimeout: 7201 }, /between 30 and 7200 seconds/],
  ['with an unknown result', { DefaultResult: 'MAYBE' }, /Valid values are: CONTINUE, ABANDON/],
])('a hook %s is refused', async (_what, change, message) => {
  await expect(putHook(inMemory(), 'launching', change)).rejects.toMatchObject({
    name: 'ValidationError',
    message: expect.stringMatching(message),
  });
});

test('a launching instance waits for its hook, receives no traffic, and serves after CONTINUE', async () => {
  const aws = inMemory();
  await putHook(aws, 'launching');
  const id = await launched(aws);
  const [arn] = (await groupOf(aws)).TargetGroupARNs!;
  await aws.clock.sleep(120_000);
  expect(await stateOf(aws, id)).toBe('Pending:Wait');
  aws.simulator.advance();
  expect(Object.keys(aws.simulator.world.targetGroups[arn!]!.targets)).not.toContain(id);
  expect((await activities(aws))[0]).toMatchObject({ StatusCode: 'MidLifecycleAction' });
  await complete(aws, 'launching', 'CONTINUE', { InstanceId: id });
  expect(await stateOf(aws, id)).toBe('Pending:Proceed');
  await settled(aws, 4);
  expect((await activities(aws))[0]).toMatchObject({ StatusCode: 'Successful' });
});

test('an abandoned launch is cancelled, its instance terminated, and another one launched', async () => {
  const aws = inMemory();
  await putHook(aws, 'launching');
  const id = await launched(aws);
  await complete(aws, 'launching', 'ABANDON', { InstanceId: id });
  await reaches(aws, id, null);
  expect(await ec2State(aws, id)).toBe('terminated');
  const cancelled = (await activities(aws)).find(({ StatusCode }) => StatusCode === 'Cancelled');
  expect(cancelled!.StatusMessage).toMatch(
    /^Instance failed to complete user's Lifecycle Action: Lifecycle Action with token [0-9a-f-]{36} was abandoned: Lifecycle Action Completed with ABANDON Result$/,
  );
  await eventually(aws.clock, 'another launch', async () =>
    (await groupOf(aws)).Instances!.some(({ LifecycleState }) => LifecycleState === 'Pending:Wait'),
  );
});

test('a hook nobody answers ends with its default result when its heartbeat times out', async () => {
  const aws = inMemory();
  await putHook(aws, 'launching', { DefaultResult: 'CONTINUE' });
  const id = await launched(aws);
  await aws.clock.sleep(295_000);
  expect(await stateOf(aws, id)).toBe('Pending:Wait');
  await reaches(aws, id, 'InService', 10_000);
  const other = inMemory();
  await putHook(other, 'launching');
  const abandoned = await launched(other);
  await reaches(other, abandoned, null, 400_000);
  const cancelled = (await activities(other)).find(({ StatusCode }) => StatusCode === 'Cancelled');
  expect(cancelled!.StatusMessage).toContain('was abandoned: Heartbeat Timeout');
});

test('a heartbeat begins the timeout anew', async () => {
  const aws = inMemory();
  await putHook(aws, 'terminating', { HeartbeatTimeout: 60 });
  const id = await terminating(aws);
  for (let beat = 0; beat < 5; beat += 1) {
    await aws.clock.sleep(50_000);
    await heartbeat(aws, 'terminating', id);
  }
  await aws.clock.sleep(55_000);
  expect(await stateOf(aws, id)).toBe('Terminating:Wait');
  await reaches(aws, id, null, 30_000);
});

test('no number of heartbeats keeps an instance longer than a hundred times the timeout', async () => {
  const aws = inMemory();
  await putHook(aws, 'terminating', { HeartbeatTimeout: 30 });
  const id = await terminating(aws);
  const began = aws.clock.now();
  await eventually(
    aws.clock,
    'the global timeout',
    async () => {
      if ((await stateOf(aws, id)) !== 'Terminating:Wait') return true;
      await heartbeat(aws, 'terminating', id);
      return false;
    },
    { withinMs: 4_000_000, everyMs: 20_000 },
  );
  expect(Math.round((aws.clock.now() - began) / 60_000)).toBe(50);
});

test('a termination that waits for its hook is not forgotten, whatever else happens meanwhile', async () => {
  const aws = inMemory();
  await putHook(aws, 'terminating', { HeartbeatTimeout: 7200 });
  const id = await terminating(aws);
  const { world } = aws.simulator;
  const group = world.groups['web-a']!;
  const waiting = () => structuredClone(group.members[id]!);
  const before = waiting();
  for (let other = 0; other < 2_500; other += 1) {
    end(
      world,
      begin(world, group, { description: 'Another', cause: '', status: 'InProgress' }),
      'Successful',
    );
  }
  await terminate(aws, id, false);
  expect(await stateOf(aws, id)).toBe('Terminating:Wait');
  expect(waiting()).toEqual(before);
  const kept = activitiesOf(world, 'web-a');
  expect(kept.length).toBeLessThan(2_100);
  expect(kept.filter(({ description }) => description.endsWith(id)).map(({ endedAt }) => endedAt)).toEqual([
    null,
  ]);
});

test('a terminating instance is drained first, then waits for its hook, then goes', async () => {
  const aws = inMemory();
  await putHook(aws, 'terminating');
  const [id] = ids(await groupOf(aws));
  await terminate(aws, id!, true);
  expect(await stateOf(aws, id!)).toBe('Terminating');
  expect((await activities(aws))[0]).toMatchObject({
    StatusCode: 'WaitingForELBConnectionDraining',
    Description: `Terminating EC2 instance: ${id} - Waiting For ELB Connection Draining.`,
  });
  await reaches(aws, id!, 'Terminating:Wait');
  await aws.clock.sleep(120_000);
  expect(await ec2State(aws, id!)).toBe('running');
  await complete(aws, 'terminating', 'CONTINUE', { InstanceId: id! });
  expect(await stateOf(aws, id!)).toBe('Terminating:Proceed');
  await settled(aws, 2);
});

test('several hooks of one transition are waited for together, and ABANDON ends the rest on the way out', async () => {
  const aws = inMemory();
  await putHook(aws, 'terminating', { LifecycleHookName: 'logs' });
  await putHook(aws, 'terminating', { LifecycleHookName: 'metrics' });
  const first = await terminating(aws);
  await complete(aws, 'logs', 'CONTINUE', { InstanceId: first });
  await aws.clock.sleep(60_000);
  expect(await stateOf(aws, first)).toBe('Terminating:Wait');
  await complete(aws, 'metrics', 'CONTINUE', { InstanceId: first });
  await reaches(aws, first, null);
  const second = await terminating(aws);
  await complete(aws, 'logs', 'ABANDON', { InstanceId: second });
  await reaches(aws, second, null, 30_000);
});

test('an action is completed by its token, once', async () => {
  const aws = inMemory();
  await putHook(aws, 'launching');
  const id = await launched(aws);
  aws.simulator.advance();
  const { token } = aws.simulator.world.groups['web-a']!.members[id]!.actions[0]!;
  await complete(aws, 'launching', 'CONTINUE', { token });
  await expect(complete(aws, 'launching', 'CONTINUE', { token })).rejects.toThrow(
    `No active Lifecycle Action found with token ${token}`,
  );
  await expect(complete(aws, 'launching', 'CONTINUE', { InstanceId: id })).rejects.toThrow(
    `No active Lifecycle Action found with instance ID ${id}`,
  );
  await expect(complete(aws, 'absent', 'CONTINUE', { InstanceId: id })).rejects.toThrow(
    'No Lifecycle Hook found',
  );
  await expect(complete(aws, 'launching', 'PERHAPS', { InstanceId: id })).rejects.toThrow(
    'CONTINUE, ABANDON',
  );
});

test('an instance that somebody terminates still waits for its termination hook', async () => {
  const aws = inMemory();
  await putHook(aws, 'terminating');
  const [id] = ids(await groupOf(aws));
  await aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id!] }));
  await reaches(aws, id!, 'Terminating:Wait');
  expect(await ec2State(aws, id!)).toBe('terminated');
  await settledBeside(aws, id!, 3);
  await complete(aws, 'terminating', 'CONTINUE', { InstanceId: id! });
  await settled(aws, 3);
});

/** As many others in service. */
const settledBeside = (aws: InMemory, id: string, count: number) =>
  eventually(aws.clock, 'replacement', async () => {
    const others = ids(await groupOf(aws)).filter((other) => other !== id);
    return others.length === count;
  });

test('an instance that dies while its launch waits is a failed launch', async () => {
  const aws = inMemory();
  await putHook(aws, 'launching');
  const id = await launched(aws);
  await aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  await reaches(aws, id, null);
  const failed = (await activities(aws)).find(({ StatusCode }) => StatusCode === 'Failed');
  expect(failed!.StatusMessage).toContain('Instance became unhealthy while waiting');
});

test('deleting a hook abandons launches and lets terminations go on', async () => {
  const aws = inMemory();
  await putHook(aws, 'launching');
  await putHook(aws, 'terminating');
  const leaving = await terminating(aws);
  const coming = await launched(aws);
  for (const LifecycleHookName of ['launching', 'terminating']) {
    await aws.scaling.send(
      new DeleteLifecycleHookCommand({ AutoScalingGroupName: 'web-a', LifecycleHookName }),
    );
  }
  await reaches(aws, leaving, null);
  await reaches(aws, coming, null);
  await settled(aws, 3);
});

test('a group created with hooks holds up its very first instances', async () => {
  const aws = inMemory();
  const { LaunchTemplate, VPCZoneIdentifier } = await groupOf(aws);
  const create = (hook: { LifecycleTransition: string }) =>
    aws.scaling.send(
      new CreateAutoScalingGroupCommand({
        AutoScalingGroupName: 'hooked',
        MinSize: 1,
        MaxSize: 1,
        LaunchTemplate: { LaunchTemplateId: LaunchTemplate!.LaunchTemplateId, Version: '1' },
        VPCZoneIdentifier,
        LifecycleHookSpecificationList: [{ LifecycleHookName: 'first', ...hook }],
      }),
    );
  await expect(create({ LifecycleTransition: 'nonsense' })).rejects.toThrow('Invalid lifecycle transition');
  expect(await groupOf(aws, 'hooked')).toBeUndefined();
  await create({ LifecycleTransition: transitions.launching });
  await eventually(aws.clock, 'a waiting launch', async () =>
    (await groupOf(aws, 'hooked')).Instances!.some(({ LifecycleState }) => LifecycleState === 'Pending:Wait'),
  );
});

test('a group deleted by force waits for no hook', async () => {
  const aws = inMemory();
  await putHook(aws, 'terminating');
  await terminating(aws);
  await aws.scaling.send(
    new DeleteAutoScalingGroupCommand({ AutoScalingGroupName: 'web-a', ForceDelete: true }),
  );
  await eventually(aws.clock, 'the group is gone', async () => !(await groupOf(aws)), { withinMs: 60_000 });
});
