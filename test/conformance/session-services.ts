/**
 * The services around a fleet, as AWS has them, against any endpoint: versions of launch templates, alarms, parameters.
 * As in session.ts, an endpoint that is known to differ is not asked where it does.
 */
import {
  DeleteAlarmsCommand,
  DescribeAlarmsCommand,
  PutCompositeAlarmCommand,
  PutMetricAlarmCommand,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch';
import {
  CreateLaunchTemplateCommand,
  CreateLaunchTemplateVersionCommand,
  DeleteLaunchTemplateVersionsCommand,
  DescribeLaunchTemplatesCommand,
  DescribeLaunchTemplateVersionsCommand,
  ModifyLaunchTemplateCommand,
} from '@aws-sdk/client-ec2';
import {
  DeleteParameterCommand,
  GetParameterCommand,
  GetParametersByPathCommand,
  GetParametersCommand,
  PutParameterCommand,
} from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Clients, clientsAt } from '../simulator/clients.ts';
import type { Endpoint } from './session.ts';

export type ServiceDifference =
  | 'composite alarms follow their rule'
  | 'refusal: the state of an alarm that does not exist'
  | 'refusal: an alarm somebody depends on'
  | 'refusal: deleting the default version'
  | 'numbers of deleted versions are not used again';

export function servicesConformToAws(
  connect: () => Promise<Endpoint>,
  known: readonly ServiceDifference[] = [],
): void {
  let connection: Endpoint;
  let aws: Clients;
  beforeAll(async () => {
    connection = await connect();
    aws = clientsAt(connection.endpoint);
  });
  afterAll(() => connection?.close());
  const asked = (difference: ServiceDifference) => test.skipIf(known.includes(difference));

  const alarm = (AlarmName: string) =>
    aws.cloudWatch.send(
      new PutMetricAlarmCommand({
        AlarmName,
        Namespace: 'Shop',
        MetricName: 'Errors',
        Statistic: 'Sum',
        Period: 60,
        EvaluationPeriods: 3,
        DatapointsToAlarm: 2,
        Threshold: 1.5,
        ComparisonOperator: 'GreaterThanThreshold',
        TreatMissingData: 'ignore',
      }),
    );
  const set = (AlarmName: string, StateValue: 'OK' | 'ALARM') =>
    aws.cloudWatch.send(new SetAlarmStateCommand({ AlarmName, StateValue, StateReason: 'by hand' }));
  const alarms = (request: object) => aws.cloudWatch.send(new DescribeAlarmsCommand(request));

  test('an alarm is put, set by hand, described as it was put, and filtered by state', async () => {
    await alarm('errors');
    await alarm('other');
    await set('errors', 'ALARM');
    const { MetricAlarms } = await alarms({ AlarmNames: ['errors'] });
    expect(MetricAlarms).toMatchObject([
      {
        AlarmName: 'errors',
        StateValue: 'ALARM',
        StateReason: 'by hand',
        Namespace: 'Shop',
        Period: 60,
        EvaluationPeriods: 3,
        DatapointsToAlarm: 2,
        Threshold: 1.5,
        TreatMissingData: 'ignore',
        ActionsEnabled: true,
      },
    ]);
    const inAlarm = await alarms({ StateValue: 'ALARM' });
    expect(inAlarm.MetricAlarms!.map(({ AlarmName }) => AlarmName)).toEqual(['errors']);
  });

  asked('composite alarms follow their rule')(
    'a composite alarm is in alarm when its rule is true',
    async () => {
      await aws.cloudWatch.send(
        new PutCompositeAlarmCommand({ AlarmName: 'either', AlarmRule: 'ALARM("errors") OR ALARM("other")' }),
      );
      const state = async () =>
        (await alarms({ AlarmNames: ['either'], AlarmTypes: ['CompositeAlarm'] })).CompositeAlarms![0]!
          .StateValue;
      expect(await state()).toBe('ALARM');
      await set('errors', 'OK');
      expect(await state()).toBe('OK');
    },
  );

  asked('refusal: the state of an alarm that does not exist')(
    'the state of an alarm that does not exist is not set',
    async () => {
      await expect(set('absent', 'OK')).rejects.toMatchObject({ name: 'ResourceNotFound' });
    },
  );

  asked('refusal: an alarm somebody depends on')(
    'an alarm in a rule cannot be deleted before it',
    async () => {
      const drop = (AlarmNames: string[]) => aws.cloudWatch.send(new DeleteAlarmsCommand({ AlarmNames }));
      await expect(drop(['errors'])).rejects.toThrow();
      await drop(['either']);
      await drop(['errors', 'other']);
      expect((await alarms({})).MetricAlarms).toEqual([]);
    },
  );

  test('a parameter has versions, and refuses to be overwritten unasked', async () => {
    const put = (Value: string, Overwrite = false) =>
      aws.ssm.send(new PutParameterCommand({ Name: '/app/limit', Value, Type: 'String', Overwrite }));
    expect((await put('1')).Version).toBe(1);
    await expect(put('2')).rejects.toMatchObject({ name: 'ParameterAlreadyExists' });
    expect((await put('2', true)).Version).toBe(2);
    const { Parameter } = await aws.ssm.send(new GetParameterCommand({ Name: '/app/limit' }));
    expect(Parameter).toMatchObject({ Name: '/app/limit', Value: '2', Version: 2, Type: 'String' });
    const earlier = await aws.ssm.send(new GetParameterCommand({ Name: '/app/limit:1' }));
    expect(earlier.Parameter!.Value).toBe('1');
  });

  test('parameters are read several at a time and by path', async () => {
    const several = await aws.ssm.send(new GetParametersCommand({ Names: ['/app/limit', '/app/absent'] }));
    expect(several.Parameters!.map(({ Name }) => Name)).toEqual(['/app/limit']);
    expect(several.InvalidParameters).toEqual(['/app/absent']);
    const below = await aws.ssm.send(new GetParametersByPathCommand({ Path: '/app' }));
    expect(below.Parameters!.map(({ Name }) => Name)).toEqual(['/app/limit']);
    await aws.ssm.send(new DeleteParameterCommand({ Name: '/app/limit' }));
    await expect(aws.ssm.send(new GetParameterCommand({ Name: '/app/limit' }))).rejects.toMatchObject({
      name: 'ParameterNotFound',
    });
  });

  test('the public parameter of Amazon Linux names an image', async () => {
    const { Parameter } = await aws.ssm.send(
      new GetParameterCommand({
        Name: '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64',
      }),
    );
    expect(Parameter).toMatchObject({ Type: 'String', Value: expect.stringMatching(/^ami-[0-9a-f]{8,17}$/) });
  });

  const template = { LaunchTemplateName: 'versions' };
  const versionsNow = async () =>
    (await aws.ec2.send(new DescribeLaunchTemplateVersionsCommand(template))).LaunchTemplateVersions!.map(
      ({ VersionNumber, DefaultVersion }) => [VersionNumber, DefaultVersion],
    );
  const addVersion = async (InstanceType: 't3.small' | 't3.medium') =>
    (
      await aws.ec2.send(
        new CreateLaunchTemplateVersionCommand({ ...template, LaunchTemplateData: { InstanceType } }),
      )
    ).LaunchTemplateVersion!.VersionNumber;

  test('versions of a template count up, and another becomes the default', async () => {
    await aws.ec2.send(
      new CreateLaunchTemplateCommand({ ...template, LaunchTemplateData: { InstanceType: 't3.micro' } }),
    );
    expect(await addVersion('t3.small')).toBe(2);
    await aws.ec2.send(new ModifyLaunchTemplateCommand({ ...template, DefaultVersion: '2' }));
    expect((await versionsNow()).toSorted()).toEqual([
      [1, false],
      [2, true],
    ]);
    const { LaunchTemplates } = await aws.ec2.send(
      new DescribeLaunchTemplatesCommand({ LaunchTemplateNames: ['versions'] }),
    );
    expect(LaunchTemplates![0]).toMatchObject({ DefaultVersionNumber: 2, LatestVersionNumber: 2 });
  });

  asked('refusal: deleting the default version')('the default version cannot be deleted', async () => {
    const { UnsuccessfullyDeletedLaunchTemplateVersions: refused } = await aws.ec2.send(
      new DeleteLaunchTemplateVersionsCommand({ ...template, Versions: ['2'] }),
    );
    expect(refused!.map(({ VersionNumber }) => VersionNumber)).toEqual([2]);
  });

  asked('numbers of deleted versions are not used again')('a deleted version’s number is gone', async () => {
    expect(await addVersion('t3.medium')).toBe(3);
    await aws.ec2.send(new DeleteLaunchTemplateVersionsCommand({ ...template, Versions: ['3'] }));
    expect(await addVersion('t3.medium')).toBe(4);
  });
}
