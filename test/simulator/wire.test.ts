import {
  DescribeAutoScalingGroupsCommand,
  paginateDescribeAutoScalingGroups,
} from '@aws-sdk/client-auto-scaling';
import {
  DescribeInstancesCommand,
  paginateDescribeInstances,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import { DescribeTargetHealthCommand } from '@aws-sdk/client-elastic-load-balancing-v2';
import { cbor } from '@smithy/core/cbor';
import { expect, test } from 'vitest';
import type { WireAnswer } from '../../pipeline/simulator/wire/answer.ts';
import { exampleConfig, type InMemory, inMemory } from './clients.ts';

const versions = { ec2: '2016-11-15', autoscaling: '2011-01-01', elasticloadbalancing: '2015-12-01' };

/** A raw request, as a client would send it. */
function ask(
  { simulator }: InMemory,
  service: keyof typeof versions,
  parameters: Record<string, string>,
): WireAnswer {
  const credential = `Credential=k/20260101/eu-central-1/${service}/aws4_request`;
  return simulator.answer({
    method: 'POST',
    url: '/',
    headers: { authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=host, Signature=0` },
    body: new URLSearchParams({ Version: versions[service], ...parameters }).toString(),
  });
}

test('an EC2 answer has the request id inside, an Auto Scaling answer a result and metadata', () => {
  const aws = inMemory();
  expect(ask(aws, 'ec2', { Action: 'DescribeRegions' }).body).toMatch(
    /^<\?xml [^>]*\?>\n<DescribeRegionsResponse xmlns="http:\/\/ec2\.amazonaws\.com\/doc\/2016-11-15\/"><requestId>[0-9a-f-]{36}<\/requestId><regionInfo><item>/,
  );
  expect(ask(aws, 'autoscaling', { Action: 'DescribeScalingProcessTypes' }).body).toMatch(
    /<DescribeScalingProcessTypesResponse xmlns="http:\/\/autoscaling\.amazonaws\.com\/doc\/2011-01-01\/"><DescribeScalingProcessTypesResult><Processes><member><ProcessName>Launch<.*<ResponseMetadata><RequestId>/,
  );
});

test('errors come in the shape of each protocol', () => {
  const aws = inMemory();
  const ec2 = ask(aws, 'ec2', { Action: 'DescribeInstances', 'InstanceId.1': 'i-0123456789abcdef0' });
  expect(ec2.status).toBe(400);
  expect(ec2.body).toContain(
    "<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>The instance ID 'i-0123456789abcdef0' does not exist</Message>",
  );
  expect(ec2.body).toContain('<RequestID>');
  const scaling = ask(aws, 'autoscaling', {
    Action: 'SetDesiredCapacity',
    AutoScalingGroupName: 'x',
    DesiredCapacity: '1',
  });
  expect(scaling.body).toMatch(
    /<ErrorResponse xmlns="[^"]+"><Error><Type>Sender<\/Type><Code>ValidationError<\/Code>/,
  );
});

test('an unknown action, parameter or value, and a missing one, are refused as AWS refuses them', () => {
  const aws = inMemory();
  const codeOf = (answer: WireAnswer) => /<Code>(.*?)<\/Code>/.exec(String(answer.body))?.[1];
  expect(codeOf(ask(aws, 'ec2', { Action: 'DescribeInstanses' }))).toBe('InvalidAction');
  expect(codeOf(ask(aws, 'ec2', { Action: 'DescribeInstances', Colour: 'red' }))).toBe('UnknownParameter');
  expect(codeOf(ask(aws, 'ec2', { Action: 'DescribeInstances', 'Filter.1.Nmae': 'x' }))).toBe(
    'UnknownParameter',
  );
  expect(codeOf(ask(aws, 'ec2', { Action: 'DescribeInstances', MaxResults: 'many' }))).toBe(
    'InvalidParameterValue',
  );
  expect(codeOf(ask(aws, 'ec2', { Action: 'TerminateInstances' }))).toBe('MissingParameter');
  const missing = ask(aws, 'autoscaling', { Action: 'SetDesiredCapacity', DesiredCapacity: '1' });
  expect(missing.body).toContain("Value null at 'autoScalingGroupName' failed to satisfy constraint");
  expect([...aws.simulator.gaps.keys()]).toEqual([
    'ec2:DescribeInstanses',
    'ec2:DescribeInstances: The parameter Colour is not recognized',
    'ec2:DescribeInstances: The parameter Filter.1.Nmae is not recognized',
  ]);
});

test('a parameter that is accepted but has no effect is counted', async () => {
  const aws = inMemory();
  ask(aws, 'elasticloadbalancing', { Action: 'CreateTargetGroup', Name: 'x', IpAddressType: 'ipv6' });
  expect([...aws.simulator.gaps.keys()]).toEqual([
    'elasticloadbalancing:CreateTargetGroup.IpAddressType (ignored)',
  ]);
});

test('a request without a signature is refused', () => {
  const { simulator } = inMemory();
  const unsigned = (Version: string) =>
    simulator.answer({
      method: 'GET',
      url: `/?Action=DescribeInstances&Version=${Version}`,
      headers: {},
      body: '',
    });
  expect(unsigned(versions.ec2)).toMatchObject({ status: 401, body: expect.stringContaining('AuthFailure') });
  expect(unsigned(versions.autoscaling)).toMatchObject({
    status: 403,
    body: expect.stringContaining('MissingAuthenticationToken'),
  });
});

test('a presigned request with everything in the query is answered', () => {
  const { simulator } = inMemory();
  const query =
    'Action=DescribeAutoScalingGroups&Version=2011-01-01&X-Amz-Credential=k%2F1%2Fr%2Fautoscaling%2Faws4_request&X-Amz-Signature=0';
  expect(simulator.answer({ method: 'GET', url: `/?${query}`, headers: {}, body: '' }).status).toBe(200);
});

test('DryRun is answered with DryRunOperation and changes nothing', async () => {
  const { ec2, simulator } = inMemory();
  const before = Object.keys(simulator.world.instances).length;
  await expect(
    ec2.send(new RunInstancesCommand({ DryRun: true, ImageId: 'ami-1', MinCount: 1, MaxCount: 1 })),
  ).rejects.toMatchObject({ name: 'DryRunOperation', $metadata: { httpStatusCode: 412 } });
  expect(Object.keys(simulator.world.instances)).toHaveLength(before);
});

test('text that means something in XML arrives as it was sent', async () => {
  const { ec2, simulator } = inMemory();
  const [image] = Object.values(simulator.world.images);
  image!.description = `<a b="c">&amp; 'd' \r\n\u0007é🐄</a>`;
  const { DescribeImagesCommand } = await import('@aws-sdk/client-ec2');
  const { Images } = await ec2.send(new DescribeImagesCommand({ ImageIds: [image!.id] }));
  expect(Images![0]!.Description).toBe(`<a b="c">&amp; 'd' \r\n?é🐄</a>`);
});

test('pages give every group once, also when one is deleted between pages', async () => {
  const groups = Object.fromEntries(
    Array.from({ length: 7 }, (_, i) => [`g${i}`, { desired: 1, load_balanced: false }]),
  );
  const config = exampleConfig({ groups });
  config.fleet.production.waves = [{ name: 'all', groups: Object.keys(groups) }];
  const { scaling, simulator } = inMemory(config);
  const names: string[] = [];
  for await (const page of paginateDescribeAutoScalingGroups({ client: scaling, pageSize: 3 }, {})) {
    names.push(...page.AutoScalingGroups!.map((group) => group.AutoScalingGroupName!));
    delete simulator.world.groups.g2;
  }
  expect(names).toEqual(['g0', 'g1', 'g2', 'g3', 'g4', 'g5', 'g6']);
});

test('pages of instances obey the limits of the service', async () => {
  const { ec2 } = inMemory();
  const sizes: number[] = [];
  for await (const page of paginateDescribeInstances({ client: ec2, pageSize: 5 }, {})) {
    sizes.push(page.Reservations!.flatMap(({ Instances }) => Instances!).length);
  }
  expect(sizes).toEqual([5, 2]);
  await expect(ec2.send(new DescribeInstancesCommand({ MaxResults: 4 }))).rejects.toMatchObject({
    name: 'InvalidParameterValue',
  });
});

test('a token nobody gave out is refused', async () => {
  const { scaling } = inMemory();
  await expect(
    scaling.send(new DescribeAutoScalingGroupsCommand({ NextToken: 'guess' })),
  ).rejects.toMatchObject({
    name: 'InvalidNextToken',
  });
});

test('an unknown filter is refused', async () => {
  const { ec2 } = inMemory();
  await expect(
    ec2.send(new DescribeInstancesCommand({ Filters: [{ Name: 'color', Values: ['red'] }] })),
  ).rejects.toThrow("The filter 'color' is invalid");
});

test('a name that is a property of every object is not found, rather than found by accident', async () => {
  const { scaling, balancing } = inMemory();
  const { AutoScalingGroups } = await scaling.send(
    new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['constructor', '__proto__'] }),
  );
  expect(AutoScalingGroups).toEqual([]);
  await expect(
    balancing.send(new DescribeTargetHealthCommand({ TargetGroupArn: 'constructor' })),
  ).rejects.toMatchObject({ name: 'TargetGroupNotFoundException' });
});

test('CloudWatch is understood in each of the protocols its clients speak', () => {
  const { simulator } = inMemory();
  const headers = {
    authorization: 'AWS4-HMAC-SHA256 Credential=k/20260101/r/monitoring/aws4_request, Signature=0',
  };
  const target = 'GraniteServiceVersion20100801';
  const query = simulator.answer({
    method: 'POST',
    url: '/',
    headers,
    body: 'Action=SetAlarmState&Version=2010-08-01&AlarmName=x&StateValue=OK&StateReason=y',
  });
  expect(query).toMatchObject({
    status: 404,
    body: expect.stringContaining('<Code>ResourceNotFound</Code>'),
  });
  const input = { AlarmName: 'x', StateValue: 'OK', StateReason: 'y' };
  const json = simulator.answer({
    method: 'POST',
    url: '/',
    headers: {
      ...headers,
      'x-amz-target': `${target}.SetAlarmState`,
      'content-type': 'application/x-amz-json-1.0',
    },
    body: JSON.stringify(input),
  });
  expect(json).toMatchObject({
    status: 404,
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amzn-query-error': 'ResourceNotFound;Sender',
    },
  });
  expect(JSON.parse(Buffer.from(json.body).toString())).toEqual({
    __type: 'com.amazonaws.cloudwatch#ResourceNotFound',
    message: 'Unknown alarm: x',
  });
  const rpc = (operation: string, body: object) =>
    simulator.answer({
      method: 'POST',
      url: `/service/${target}/operation/${operation}`,
      headers: { ...headers, 'smithy-protocol': 'rpc-v2-cbor', 'content-type': 'application/cbor' },
      body: Buffer.from(cbor.serialize(body)),
    });
  const refused = rpc('SetAlarmState', input);
  expect(refused).toMatchObject({ status: 404, headers: { 'smithy-protocol': 'rpc-v2-cbor' } });
  expect(cbor.deserialize(Buffer.from(refused.body))).toMatchObject({ message: 'Unknown alarm: x' });
  const answered = rpc('DescribeAlarms', { MaxRecords: 5 });
  expect(cbor.deserialize(Buffer.from(answered.body))).toEqual({ MetricAlarms: [], CompositeAlarms: [] });
});

test('a service or operation that is not here is refused in the protocol it was asked in, and counted', () => {
  const { simulator } = inMemory();
  const send = (service: string, request: { url: string; headers?: object; body?: string }) =>
    simulator.answer({
      method: 'POST',
      body: '{}',
      ...request,
      headers: {
        authorization: `AWS4-HMAC-SHA256 Credential=k/20260101/r/${service}/aws4_request, Signature=0`,
        ...request.headers,
      },
    });
  const json = {
    'x-amz-target': 'DynamoDB_20120810.ListTables',
    'content-type': 'application/x-amz-json-1.0',
  };
  expect(JSON.parse(String(send('dynamodb', { url: '/', headers: json }).body))).toMatchObject({
    __type: 'UnknownOperationException',
  });
  const ssm = { 'x-amz-target': 'AmazonSSM.StartSession', 'content-type': 'application/x-amz-json-1.1' };
  expect(JSON.parse(String(send('ssm', { url: '/', headers: ssm }).body))).toMatchObject({
    __type: 'UnknownOperationException',
  });
  const formed = { 'content-type': 'application/x-www-form-urlencoded' };
  const sns = send('sns', { url: '/', headers: formed, body: 'Action=ListTopics&Version=2010-03-31' });
  expect(sns.body).toContain('<Code>InvalidAction</Code>');
  expect(send('eks', { url: '/clusters', headers: { 'content-type': 'application/json' } })).toMatchObject({
    status: 404,
    headers: { 'x-amzn-errortype': 'UnknownOperationException' },
  });
  const s3 = send('s3', { url: '/bucket?list-type=2', headers: { 'content-type': 'application/xml' } });
  expect(s3).toMatchObject({ status: 501, body: expect.stringMatching(/^<Error><Code>NotImplemented</) });
  expect([...simulator.gaps.keys()]).toEqual([
    'dynamodb:ListTables',
    'ssm:StartSession',
    'sns:ListTopics',
    'eks:POST /clusters',
    's3:POST /bucket',
  ]);
});

test('a body that is no document is refused as such', () => {
  const { simulator } = inMemory();
  const answer = simulator.answer({
    method: 'POST',
    url: '/',
    headers: {
      authorization: 'AWS4-HMAC-SHA256 Credential=k/20260101/r/ssm/aws4_request, Signature=0',
      'x-amz-target': 'AmazonSSM.GetParameter',
      'content-type': 'application/x-amz-json-1.1',
    },
    body: '{"Name":',
  });
  expect(JSON.parse(String(answer.body))).toMatchObject({ __type: 'SerializationException' });
});
