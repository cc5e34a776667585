/** Scheduled actions, through the SDK. */
import {
  DeleteScheduledActionCommand,
  DescribeScheduledActionsCommand,
  PutScheduledUpdateGroupActionCommand,
  type PutScheduledUpdateGroupActionType,
  ResumeProcessesCommand,
  SuspendProcessesCommand,
} from '@aws-sdk/client-auto-scaling';
import { expect, test } from 'vitest';
import { type InMemory, inMemory } from './clients.ts';
import { activities, groupOf, settled } from './scaling-group.ts';

const name = { AutoScalingGroupName: 'web-a' };

/** In ten minutes, if nothing else is said. */
const put = (aws: InMemory, change: Partial<PutScheduledUpdateGroupActionType>) =>
  aws.scaling.send(
    new PutScheduledUpdateGroupActionCommand({
      ...name,
      ScheduledActionName: 'morning',
      StartTime: new Date(aws.clock.now() + 600_000),
      ...change,
    }),
  );

const scheduled = async (aws: InMemory) =>
  (await aws.scaling.send(new DescribeScheduledActionsCommand(name))).ScheduledUpdateGroupActions!;

test('an action changes the group when its time has come, once, and the activity names it', async () => {
  const aws = inMemory();
  await put(aws, { MaxSize: 9, DesiredCapacity: 5 });
  expect(await scheduled(aws)).toMatchObject([
    { ScheduledActionName: 'morning', MaxSize: 9, DesiredCapacity: 5 },
  ]);
  await aws.clock.sleep(595_000);
  expect((await groupOf(aws)).DesiredCapacity).toBe(3);
  await aws.clock.sleep(6_000);
  expect(await settled(aws, 5)).toMatchObject({ MinSize: 1, MaxSize: 9, DesiredCapacity: 5 });
  expect(await scheduled(aws)).toEqual([]);
  expect((await activities(aws))[0]!.Cause).toContain(
    'the scheduled action morning executed changing the desired capacity from 3 to 5',
  );
});

test('an action put again replaces the first, and a deleted one does not happen', async () => {
  const aws = inMemory();
  await put(aws, { DesiredCapacity: 5 });
  await put(aws, { DesiredCapacity: 2 });
  await aws.clock.sleep(600_000);
  await settled(aws, 2);
  await put(aws, { DesiredCapacity: 4 });
  const remove = () =>
    aws.scaling.send(new DeleteScheduledActionCommand({ ...name, ScheduledActionName: 'morning' }));
  await remove();
  await aws.clock.sleep(900_000);
  expect((await groupOf(aws)).DesiredCapacity).toBe(2);
  await expect(remove()).rejects.toThrow('Scheduled action name not found');
});

test('an action whose time comes while ScheduledActions is suspended does not happen later', async () => {
  const aws = inMemory();
  const processes = { ...name, ScalingProcesses: ['ScheduledActions'] };
  await aws.scaling.send(new SuspendProcessesCommand(processes));
  await put(aws, { DesiredCapacity: 5 });
  await aws.clock.sleep(700_000);
  await aws.scaling.send(new ResumeProcessesCommand(processes));
  await aws.clock.sleep(700_000);
  expect((await groupOf(aws)).DesiredCapacity).toBe(3);
});

test('an action the group cannot follow any more fails, and says why', async () => {
  const aws = inMemory();
  await put(aws, { DesiredCapacity: 7 });
  await aws.clock.sleep(700_000);
  expect((await activities(aws))[0]).toMatchObject({
    StatusCode: 'Failed',
    StatusMessage: expect.stringContaining('must be between the specified min size:1 and max size:6'),
  });
});

test.each<[string, Partial<PutScheduledUpdateGroupActionType>, string]>([
  ['in the past', { StartTime: new Date(0), DesiredCapacity: 2 }, 'start time is in the past'],
  ['that changes nothing', {}, 'At least one of'],
  ['without a time', { StartTime: undefined, DesiredCapacity: 2 }, 'Either StartTime or Recurrence'],
  ['that recurs', { Recurrence: '0 8 * * 1', DesiredCapacity: 2 }, 'not simulated'],
])('an action %s is refused', async (_what, change, message) => {
  await expect(put(inMemory(), change)).rejects.toThrow(message);
});
