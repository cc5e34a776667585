/** A group whose instances a refresh replaces, as its users see it through the SDK. */
import {
  DescribeAutoScalingGroupsCommand,
  DescribeInstanceRefreshesCommand,
  type InstanceRefresh,
  type RefreshPreferences,
  StartInstanceRefreshCommand,
  type StartInstanceRefreshCommandInput,
} from '@aws-sdk/client-auto-scaling';
import { PutMetricAlarmCommand, SetAlarmStateCommand, type StateValue } from '@aws-sdk/client-cloudwatch';
import { CreateLaunchTemplateVersionCommand } from '@aws-sdk/client-ec2';
import { addImage, becomeAvailable } from '../../pipeline/simulator/model/images.ts';
import { counts } from '../../pipeline/simulator/model/lifecycle.ts';
import { createSimulator } from '../../pipeline/simulator/simulator.ts';
import { virtualClock } from '../../pipeline/simulator/virtual-clock.ts';
import { worldFrom } from '../../pipeline/simulator/world.ts';
import { clientsOf, eventually, exampleConfig, type InMemory } from './clients.ts';

export interface Refreshing extends InMemory {
  newVersion: string;
  /** How many members were present, over all that happened. */
  present: { lowest: number; highest: number };
}

/** A group `web` on template version 1, and a version 2 of the template with another image. */
export async function groupOf(desired: number): Promise<Refreshing> {
  const clock = virtualClock();
  const config = exampleConfig({ groups: { 'web-a': { desired, min: 1, max: 2 * desired } } });
  const present = { lowest: desired, highest: desired };
  const simulator = createSimulator({
    world: worldFrom(config)(null, clock.now()),
    clock,
    observe(world) {
      const size = Object.values(world.groups['web-a']!.members).filter(counts).length;
      present.lowest = Math.min(present.lowest, size);
      present.highest = Math.max(present.highest, size);
    },
  });
  const image = addImage(simulator.world, { name: 'next' });
  becomeAvailable(simulator.world, image);
  const clients = clientsOf(simulator);
  const { LaunchTemplateVersion } = await clients.ec2.send(
    new CreateLaunchTemplateVersionCommand({
      LaunchTemplateName: 'web-a',
      SourceVersion: '1',
      LaunchTemplateData: { ImageId: image.id },
    }),
  );
  return { ...clients, simulator, clock, newVersion: String(LaunchTemplateVersion!.VersionNumber), present };
}

export const target = (version: string): StartInstanceRefreshCommandInput['DesiredConfiguration'] => ({
  LaunchTemplate: { LaunchTemplateName: 'web-a', Version: version },
});

export const start = (aws: Refreshing, preferences: RefreshPreferences = {}, version: string | null = '2') =>
  aws.scaling.send(
    new StartInstanceRefreshCommand({
      AutoScalingGroupName: 'web-a',
      ...(version !== null && { DesiredConfiguration: target(version) }),
      Preferences: { InstanceWarmup: 10, ...preferences },
    }),
  );

export async function refreshNow({ scaling }: InMemory): Promise<InstanceRefresh> {
  const { InstanceRefreshes } = await scaling.send(
    new DescribeInstanceRefreshesCommand({ AutoScalingGroupName: 'web-a' }),
  );
  return InstanceRefreshes![0]!;
}

export const reaches = (aws: InMemory, status: string, withinMs = 7_200_000): Promise<InstanceRefresh> =>
  eventually(
    aws.clock,
    `the refresh is ${status}`,
    async () => {
      const refresh = await refreshNow(aws);
      return refresh.Status === status && refresh;
    },
    { withinMs, everyMs: 5_000 },
  );

export async function groupNow({ scaling }: InMemory) {
  const { AutoScalingGroups } = await scaling.send(
    new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['web-a'] }),
  );
  return AutoScalingGroups![0]!;
}

/** Template versions of the members that stay, sorted. */
export const versions = async (aws: InMemory): Promise<string[]> =>
  (await groupNow(aws))
    .Instances!.filter(({ LifecycleState }) => LifecycleState !== 'Terminating')
    .map(({ LaunchTemplate }) => LaunchTemplate!.Version!)
    .sort();

/** An alarm on a metric nobody reports keeps the state it is given, if it is told to. */
export async function setAlarm(
  { cloudWatch }: InMemory,
  AlarmName: string,
  StateValue: StateValue,
): Promise<void> {
  await cloudWatch.send(
    new PutMetricAlarmCommand({
      AlarmName,
      Namespace: 'Shop',
      MetricName: 'Errors',
      Statistic: 'Sum',
      Period: 60,
      EvaluationPeriods: 1,
      Threshold: 0,
      ComparisonOperator: 'GreaterThanThreshold',
      TreatMissingData: 'ignore',
    }),
  );
  await cloudWatch.send(new SetAlarmStateCommand({ AlarmName, StateValue, StateReason: 'the test says so' }));
}
