/**
 * The loops of other tools, as small models written from descriptions of what they do, so that the same account can
 * be asked what it costs. Each is kind to its original where the description is silent: no call fails, nothing is
 * forgotten. Where it names no period, a round takes half a minute.
 */
import { group, type Stage } from './stage.ts';

interface Member {
  InstanceId: string;
  LifecycleState: string;
  LaunchTemplate: { Version: string };
}

const asg = (stage: Stage, operation: string, input: object = {}) =>
  stage.ask('autoscaling', operation, { AutoScalingGroupName: group, ...input });

async function members(stage: Stage): Promise<Member[]> {
  const { AutoScalingGroups } = await stage.ask('autoscaling', 'DescribeAutoScalingGroups', {
    AutoScalingGroupNames: [group],
  });
  return (AutoScalingGroups as { Instances?: Member[] }[])[0]!.Instances ?? [];
}

const inService = (all: readonly Member[]): Member[] => all.filter((m) => m.LifecycleState === 'InService');
const previous = (all: readonly Member[]): Member[] =>
  inService(all).filter(({ LaunchTemplate }) => LaunchTemplate.Version === '1');

/** A new version, the group pinned to it, and room above desired. */
async function begin(stage: Stage, desired: number): Promise<void> {
  const LaunchTemplateId = stage.world.groups[group]!.template!.id;
  await stage.ask('ec2', 'CreateLaunchTemplateVersion', {
    LaunchTemplateId,
    SourceVersion: '1',
    LaunchTemplateData: { ImageId: stage.imageId },
  });
  await asg(stage, 'UpdateAutoScalingGroup', {
    LaunchTemplate: { LaunchTemplateId, Version: '2' },
    DesiredCapacity: desired,
  });
}

const terminate = (stage: Stage, InstanceId: string, ShouldDecrementDesiredCapacity: boolean) =>
  stage.ask('autoscaling', 'TerminateInstanceInAutoScalingGroup', {
    InstanceId,
    ShouldDecrementDesiredCapacity,
  });

/** palantir/bouncer, serial: every 15 s one read of the group and two of every instance; InService is enough. */
export async function bouncer(stage: Stage, desired: number): Promise<void> {
  const poll = async (): Promise<Member[]> => {
    const all = await members(stage);
    for (const { InstanceId } of all) {
      await stage.ask('ec2', 'DescribeInstances', { InstanceIds: [InstanceId] });
      await stage.ask('ec2', 'DescribeLaunchTemplates', {});
    }
    return all;
  };
  await begin(stage, desired + 1);
  for (;;) {
    const all = await poll();
    const isWhole = inService(all).length === all.length && all.length >= desired;
    const [next] = previous(all);
    if (isWhole && !next) return;
    if (isWhole && all.length > desired) await terminate(stage, next!.InstanceId, previous(all).length === 1);
    await stage.clock.sleep(15_000);
  }
}

/** hellofresh/eks-rolling-update: surges by the whole group, sleeps 90 s, then drains one after the other. */
export async function eksRollingUpdate(stage: Stage, desired: number): Promise<void> {
  await begin(stage, 2 * desired);
  while (inService(await members(stage)).length < 2 * desired) await stage.clock.sleep(20_000);
  await stage.clock.sleep(90_000);
  const TargetGroupArn = stage.world.groups[group]!.targetGroupArns[0];
  for (const { InstanceId } of previous(await members(stage))) {
    await stage.ask('elasticloadbalancing', 'DeregisterTargets', {
      TargetGroupArn,
      Targets: [{ Id: InstanceId }],
    });
    await stage.clock.sleep(30_000);
    await terminate(stage, InstanceId, true);
    while ((await members(stage)).some((m) => m.InstanceId === InstanceId)) await stage.clock.sleep(10_000);
  }
}

/** asg-roller: one more, and as soon as that is InService one of the previous less, a round every half minute. */
export async function asgRoller(stage: Stage, desired: number): Promise<void> {
  await begin(stage, desired + 1);
  for (;;) {
    const all = await members(stage);
    for (const { InstanceId } of all)
      await stage.ask('ec2', 'DescribeInstances', { InstanceIds: [InstanceId] });
    const left = previous(all);
    if (left.length === 0 && inService(all).length === desired) return;
    const isWhole = inService(all).length === desired + 1;
    if (isWhole && left.length > 0) await terminate(stage, left[0]!.InstanceId, left.length === 1);
    await stage.clock.sleep(30_000);
  }
}

/** upgrade-manager: one at a time without surge, and every cycle lists every instance of the account. */
export async function upgradeManager(stage: Stage, desired: number): Promise<void> {
  await begin(stage, desired);
  for (;;) {
    await everyInstance(stage);
    const all = await members(stage);
    const isWhole = inService(all).length === desired && all.length === desired;
    const [next] = previous(all);
    if (isWhole && !next) return;
    if (isWhole) await terminate(stage, next!.InstanceId, false);
    await stage.clock.sleep(30_000);
  }
}

async function everyInstance(stage: Stage): Promise<void> {
  let NextToken: unknown;
  do {
    ({ NextToken } = await stage.ask('ec2', 'DescribeInstances', { MaxResults: 1000, NextToken }));
  } while (NextToken !== undefined && NextToken !== null);
}

/** Auto Scaling's own instance refresh, launching before terminating by a tenth, watched every 15 s. */
export async function instanceRefresh(stage: Stage, desired: number): Promise<void> {
  await begin(stage, desired);
  await asg(stage, 'StartInstanceRefresh', {
    Preferences: { MinHealthyPercentage: 100, MaxHealthyPercentage: 110, InstanceWarmup: 60 },
  });
  for (;;) {
    await stage.clock.sleep(15_000);
    const { InstanceRefreshes } = await asg(stage, 'DescribeInstanceRefreshes');
    const [{ Status }] = InstanceRefreshes as [{ Status: string }];
    if (Status === 'Successful') return;
    if (['Failed', 'Cancelled', 'RollbackFailed'].includes(Status))
      throw new Error(`instance refresh ${Status}`);
  }
}
