import { DescribeImagesCommand } from '@aws-sdk/client-ec2';
import {
  DeleteParameterCommand,
  DescribeInstanceInformationCommand,
  GetParameterCommand,
  GetParametersByPathCommand,
  GetParametersCommand,
  PutParameterCommand,
} from '@aws-sdk/client-ssm';
import { expect, test } from 'vitest';
import { type InMemory, inMemory } from './clients.ts';

const put = ({ ssm }: InMemory, Name: string, Value: string, Overwrite?: boolean) =>
  ssm.send(new PutParameterCommand({ Name, Value, Type: 'String', Overwrite }));
const get = async ({ ssm }: InMemory, Name: string) =>
  (await ssm.send(new GetParameterCommand({ Name }))).Parameter!;

test('the public parameters name images of the account', async () => {
  const aws = inMemory();
  const { Value } = await get(aws, '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64');
  const { Images } = await aws.ec2.send(new DescribeImagesCommand({ ImageIds: [Value!] }));
  expect(Images![0]!.Name).toMatch(/^al2023-ami-/);
  await expect(put(aws, '/aws/service/mine', 'x')).rejects.toMatchObject({ name: 'AccessDeniedException' });
});

test('a parameter has numbered versions, and is overwritten only when asked', async () => {
  const aws = inMemory();
  expect(await put(aws, '/app/limit', '1')).toMatchObject({ Version: 1 });
  await expect(put(aws, '/app/limit', '2')).rejects.toMatchObject({ name: 'ParameterAlreadyExists' });
  expect(await put(aws, '/app/limit', '2', true)).toMatchObject({ Version: 2 });
  expect(await get(aws, '/app/limit')).toMatchObject({ Value: '2', Version: 2, Type: 'String' });
  expect(await get(aws, '/app/limit:1')).toMatchObject({ Value: '1', Version: 1 });
  await expect(get(aws, '/app/limit:7')).rejects.toMatchObject({ name: 'ParameterVersionNotFound' });
  await aws.ssm.send(new DeleteParameterCommand({ Name: '/app/limit' }));
  await expect(get(aws, '/app/limit')).rejects.toMatchObject({ name: 'ParameterNotFound' });
});

test('several are read at once, and those that do not exist are named', async () => {
  const aws = inMemory();
  await put(aws, '/app/a', '1');
  const { Parameters, InvalidParameters } = await aws.ssm.send(
    new GetParametersCommand({ Names: ['/app/a', '/app/b'] }),
  );
  expect(Parameters!.map(({ Name }) => Name)).toEqual(['/app/a']);
  expect(InvalidParameters).toEqual(['/app/b']);
});

test('a path lists what is directly below it, or at any depth, in pages', async () => {
  const aws = inMemory();
  for (const name of ['/app/a', '/app/b', '/app/deep/c', '/apple']) await put(aws, name, 'x');
  const list = async (request: object) => {
    const answer = await aws.ssm.send(new GetParametersByPathCommand({ Path: '/app', ...request }));
    return { names: answer.Parameters!.map(({ Name }) => Name), next: answer.NextToken };
  };
  expect((await list({})).names).toEqual(['/app/a', '/app/b']);
  const first = await list({ Recursive: true, MaxResults: 2 });
  expect(first.names).toEqual(['/app/a', '/app/b']);
  expect((await list({ Recursive: true, MaxResults: 2, NextToken: first.next })).names).toEqual([
    '/app/deep/c',
  ]);
});

test('running instances answer Session Manager’s agent', async () => {
  const aws = inMemory();
  const { InstanceInformationList } = await aws.ssm.send(
    new DescribeInstanceInformationCommand({ MaxResults: 50 }),
  );
  expect(InstanceInformationList).toHaveLength(7);
  expect(new Set(InstanceInformationList!.map(({ PingStatus }) => PingStatus))).toEqual(new Set(['Online']));
});
