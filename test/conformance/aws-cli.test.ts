/**
 * The AWS CLI has a whole session with the simulator: it makes a template and a group, rolls the group by hand, watches
 * an alarm, starts an instance refresh, and takes everything down. Its clients are botocore's, not the SDK's for JavaScript,
 * and CloudWatch is spoken to in CBOR.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { type SimulatorServer, startSimulator } from '../../pipeline/simulator/server.ts';
import { emptyWorld } from '../../pipeline/simulator/world.ts';
import { eventually } from '../simulator/clients.ts';
import { available } from './optional.ts';

const run = promisify(execFile);

const cli = {
  name: 'aws-cli',
  command: process.env.DROVER_AWS_CLI ?? 'aws',
  probe: ['--version'],
  remedy: 'pip install awscli, or name its aws in DROVER_AWS_CLI.',
};

/** Every command starts a Python. */
const patience = { withinMs: 120_000, everyMs: 500 };
const sessionTimeoutMs = 300_000;
const timing = { bootMs: 100, warmUpMs: 100, drainMs: 100, terminateMs: 100, reactionMs: 50, imageMs: 50 };

interface Instance {
  InstanceId: string;
  LifecycleState: string;
  LaunchTemplate: { Version: string };
}

describe('aws-cli', () => {
  if (!available(cli)) return;
  let server: SimulatorServer;
  beforeAll(async () => {
    server = await startSimulator({
      world: () => emptyWorld({ nowMs: wallClock.now(), timing: { ...timing, healthCheckMs: 200 } }),
      statePath: null,
      clock: wallClock,
    });
  });
  afterAll(() => server?.close());

  async function aws<T = Record<string, unknown>>(...words: string[]): Promise<T> {
    const { stdout } = await run(cli.command, [...words, '--output', 'json'], {
      env: {
        PATH: process.env.PATH,
        HOME: '/nonexistent',
        AWS_ENDPOINT_URL: server.endpoint,
        AWS_ACCESS_KEY_ID: 'simulator',
        AWS_SECRET_ACCESS_KEY: 'simulator',
        AWS_DEFAULT_REGION: 'eu-central-1',
        AWS_MAX_ATTEMPTS: '1',
        // Version 2 of the CLI would page.
        AWS_PAGER: '',
      },
    });
    return (stdout.trim() === '' ? {} : JSON.parse(stdout)) as T;
  }
  /** The group once it has `count` instances in service, all from `version`, and no others. */
  const settled = (count: number, version: string): Promise<Instance[]> =>
    eventually(
      wallClock,
      `${count} instances of version ${version}`,
      async () => {
        const { AutoScalingGroups: groups } = await aws<{ AutoScalingGroups: { Instances: Instance[] }[] }>(
          ...['autoscaling', 'describe-auto-scaling-groups', '--auto-scaling-group-names', 'app'],
        );
        const { Instances } = groups[0]!;
        const right = Instances.filter(
          ({ LifecycleState, LaunchTemplate }) =>
            LifecycleState === 'InService' && LaunchTemplate.Version === version,
        );
        return Instances.length === count && right.length === count && right;
      },
      patience,
    );

  test(
    'makes a group, rolls it by hand and by instance refresh, watches an alarm, and leaves nothing behind',
    async () => {
      const { Parameter } = await aws<{ Parameter: { Value: string } }>(
        ...['ssm', 'get-parameter', '--name'],
        '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64',
      );
      const { LaunchTemplate } = await aws<{ LaunchTemplate: { LaunchTemplateId: string } }>(
        ...['ec2', 'create-launch-template', '--launch-template-name', 'app', '--launch-template-data'],
        JSON.stringify({ ImageId: Parameter.Value, InstanceType: 't3.micro' }),
      );
      const { LaunchTemplateId: template } = LaunchTemplate;
      const { ImageId } = await aws<{ ImageId: string }>('ec2', 'register-image', '--name', 'next');
      for (const InstanceType of ['t3.small', 't3.medium']) {
        await aws(
          ...[
            'ec2',
            'create-launch-template-version',
            '--launch-template-id',
            template,
            '--source-version',
            '1',
          ],
          ...['--launch-template-data', JSON.stringify({ ImageId, InstanceType })],
        );
      }
      const group = ['--auto-scaling-group-name', 'app'];
      await aws(
        ...['autoscaling', 'create-auto-scaling-group', ...group, '--min-size', '1', '--max-size', '4'],
        ...['--desired-capacity', '2', '--availability-zones', 'eu-central-1a', 'eu-central-1b'],
        ...['--launch-template', `LaunchTemplateId=${template},Version=1`],
        ...['--tags', 'Key=role,Value=app,PropagateAtLaunch=true'],
      );
      const first = await settled(2, '1');

      await aws(
        ...['autoscaling', 'update-auto-scaling-group', ...group],
        ...['--launch-template', `LaunchTemplateId=${template},Version=2`],
      );
      for (const { InstanceId } of first) {
        const { Activity } = await aws<{ Activity: { Description: string } }>(
          ...['autoscaling', 'terminate-instance-in-auto-scaling-group', '--instance-id', InstanceId],
          '--no-should-decrement-desired-capacity',
        );
        expect(Activity.Description).toContain(InstanceId);
      }
      const [second] = await settled(2, '2');
      const { Reservations } = await aws<{ Reservations: { Instances: { InstanceType: string }[] }[] }>(
        ...['ec2', 'describe-instances', '--instance-ids', second!.InstanceId],
      );
      expect(Reservations[0]!.Instances[0]!.InstanceType).toBe('t3.small');

      await aws(
        ...[
          'cloudwatch',
          'put-metric-alarm',
          '--alarm-name',
          'busy',
          '--namespace',
          'Shop',
          '--period',
          '60',
        ],
        ...['--metric-name', 'Load', '--statistic', 'Sum', '--evaluation-periods', '1', '--threshold', '1.5'],
        ...['--comparison-operator', 'GreaterThanThreshold', '--treat-missing-data', 'ignore'],
      );
      const set = [
        'cloudwatch',
        'set-alarm-state',
        '--state-value',
        'OK',
        '--state-reason',
        'x',
        '--alarm-name',
      ];
      await aws(...set, 'busy');
      const { MetricAlarms } = await aws<{ MetricAlarms: object[] }>('cloudwatch', 'describe-alarms');
      expect(MetricAlarms).toMatchObject([{ AlarmName: 'busy', StateValue: 'OK', Threshold: 1.5 }]);

      await aws(
        ...['autoscaling', 'start-instance-refresh', ...group, '--desired-configuration'],
        JSON.stringify({ LaunchTemplate: { LaunchTemplateId: template, Version: '3' } }),
        ...['--preferences', JSON.stringify({ InstanceWarmup: 0, AlarmSpecification: { Alarms: ['busy'] } })],
      );
      await settled(2, '3');
      const done = await eventually(
        wallClock,
        'the refresh is over',
        async () => {
          const { InstanceRefreshes } = await aws<{ InstanceRefreshes: { Status: string }[] }>(
            ...['autoscaling', 'describe-instance-refreshes', ...group],
          );
          return InstanceRefreshes[0]!.Status === 'Successful' && InstanceRefreshes[0];
        },
        patience,
      );
      expect(done).toMatchObject({ PercentageComplete: 100, InstancesToUpdate: 0 });

      await expect(aws(...set, 'absent')).rejects.toThrow(
        '(ResourceNotFound) when calling the SetAlarmState',
      );
      await expect(
        aws('autoscaling', 'set-desired-capacity', ...group, '--desired-capacity', '9'),
      ).rejects.toThrow(
        '(ValidationError) when calling the SetDesiredCapacity operation: New SetDesiredCapacity',
      );

      await aws('autoscaling', 'delete-auto-scaling-group', ...group, '--force-delete');
      await eventually(
        wallClock,
        'the group is gone',
        async () => {
          const { AutoScalingGroups } = await aws<{ AutoScalingGroups: object[] }>(
            ...['autoscaling', 'describe-auto-scaling-groups'],
          );
          return AutoScalingGroups.length === 0;
        },
        patience,
      );
      await aws('ec2', 'delete-launch-template', '--launch-template-id', template);
      await aws('cloudwatch', 'delete-alarms', '--alarm-names', 'busy');
      const { world, gaps } = server.simulator;
      expect(Object.values(world.instances).filter(({ state }) => state !== 'terminated')).toEqual([]);
      expect([...gaps.keys()]).toEqual([]);
    },
    sessionTimeoutMs,
  );
});
