/** What cannot be rolled is refused with its remedy by plan and rollout alike, and nothing has been changed then. */
import type { AutoScalingGroup } from '@aws-sdk/client-auto-scaling';
import { describe, expect, test } from 'vitest';
import { createAwsCloud } from '../../pipeline/cloud/aws/cloud.ts';
import { Refused } from '../../pipeline/errors.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { preflight } from '../../pipeline/rollout/preflight.ts';
import { type Fleet, fleetOf, newImage, waveOf } from './fleet.ts';

/** The fleet's account, with something of its group as AWS would describe it and the simulator does not know. */
function described(fleet: Fleet, changes: Partial<AutoScalingGroup>) {
  const cloud = createAwsCloud({
    provider: 'simulator',
    region: fleet.world.region,
    endpoint: 'http://127.0.0.1',
    inProcess: {
      clock: fleet.clock,
      account: {
        async call(service, operation, input) {
          fleet.calls.push(operation);
          const answer = await fleet.simulator.call(service, operation, input);
          if (operation !== 'DescribeAutoScalingGroups' || !('output' in answer)) return answer;
          const { AutoScalingGroups } = answer.output as { AutoScalingGroups: AutoScalingGroup[] };
          const groups = AutoScalingGroups.map((group) => ({ ...group, ...changes }));
          return { ...answer, output: { ...answer.output, AutoScalingGroups: groups } };
        },
      },
    },
  });
  return { ...fleet.deps, cloud };
}

const templateOf = (fleet: Fleet) => {
  const { id: LaunchTemplateId, name: LaunchTemplateName } = fleet.world.groups.web!.template!;
  return { LaunchTemplateId, LaunchTemplateName, Version: '1' };
};
const mixed = (fleet: Fleet, ...Overrides: object[]): Partial<AutoScalingGroup> => ({
  MixedInstancesPolicy: {
    LaunchTemplate: { LaunchTemplateSpecification: templateOf(fleet), Overrides },
  },
});

describe.each([
  {
    what: 'instance weights',
    changes: (fleet: Fleet) => mixed(fleet, { InstanceType: 'm7i.xlarge', WeightedCapacity: '2' }),
    says: /counts its capacity in weights/,
  },
  {
    what: 'a weight left from an instance type that was removed',
    changes: (fleet: Fleet) => ({
      Instances: Object.keys(fleet.world.groups.web!.members).map((InstanceId) => ({
        InstanceId,
        AvailabilityZone: 'eu-central-1a',
        LifecycleState: 'InService' as const,
        HealthStatus: 'Healthy',
        ProtectedFromScaleIn: false,
        WeightedCapacity: '4',
      })),
    }),
    says: /counts its capacity in weights/,
  },
  {
    what: 'a desired capacity in vCPUs',
    changes: () => ({ DesiredCapacityType: 'vcpu' }),
    says: /counts its capacity in vcpu/,
  },
  {
    what: 'an override with a launch template of its own',
    changes: (fleet: Fleet) =>
      mixed(fleet, { InstanceType: 'm7g.large', LaunchTemplateSpecification: templateOf(fleet) }),
    says: /1 instance-type overrides with a launch template or an image/,
  },
  {
    what: 'an override with an image of its own',
    changes: (fleet: Fleet) => mixed(fleet, { InstanceType: 'm7g.large', ImageId: 'ami-0123456789abcdef0' }),
    says: /1 instance-type overrides with a launch template or an image/,
  },
  {
    what: 'a launch configuration',
    changes: () => ({ LaunchTemplate: undefined, LaunchConfigurationName: 'web-2016' }),
    says: /has no launch template/,
  },
])('a group with $what', ({ changes, says }) => {
  test('is refused by the plan and by the rollout, and nothing is changed', async () => {
    const fleet = fleetOf({ web: { desired: 2 } });
    const image = await newImage(fleet);
    const deps = described(fleet, changes(fleet));
    const before = fleet.snapshot();
    fleet.calls.length = 0;
    for (const attempt of [preflight(deps, [waveOf(fleet)]), runWave(deps, waveOf(fleet), image)]) {
      const refusal = await attempt.catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(Refused);
      expect(refusal).toMatchObject({
        message: expect.stringMatching(says),
        remedy: expect.stringMatching(/./),
      });
    }
    expect(fleet.calls.filter((operation) => !operation.startsWith('Describe'))).toEqual([]);
    expect(fleet.snapshot()).toEqual(before);
  });
});

test('weights of one are instances', async () => {
  const fleet = fleetOf({ web: { desired: 2 } });
  const deps = described(fleet, mixed(fleet, { InstanceType: 'm7i.large', WeightedCapacity: '1' }));
  expect(await preflight(deps, [waveOf(fleet)])).toMatchObject([{ blockers: [] }]);
});

test.each([
  { LoadBalancerNames: ['web-classic'] },
  { TrafficSources: [{ Identifier: 'web-classic', Type: 'elb' }] },
  {
    TrafficSources: [
      { Identifier: 'arn:aws:vpc-lattice:eu-central-1:1:targetgroup/tg-web-classic', Type: 'vpc-lattice' },
    ],
  },
])('traffic that nobody sees is told by the plan: %o', async (changes) => {
  const fleet = fleetOf({ web: { desired: 2 } });
  const [plan] = await preflight(described(fleet, changes), [waveOf(fleet)]);
  expect(plan!.notices).toContainEqual(
    expect.stringMatching(/^gets traffic by \S*web-classic .*no gate and no drain/),
  );
});

test('a refresh that would be suspended is told by the plan', async () => {
  const strategy = { type: 'instance-refresh' as const, checkpoints: [], checkpointSoakMs: 0 };
  const fleet = fleetOf({ web: { desired: 2 } }, { specs: { web: { strategy } } });
  await fleet.cloud.suspendProcesses('web', ['InstanceRefresh']);
  const [plan] = await preflight(fleet.deps, [waveOf(fleet)]);
  expect(plan!.blockers).toContainEqual(expect.stringContaining('rollout needs: InstanceRefresh'));
});
