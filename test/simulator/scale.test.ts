/** A fleet of the size the simulator is made for. How long that takes is for test/bench/scale.bench.ts to say. */
import { DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { expect, test } from 'vitest';
import { answerInProcess } from '../../pipeline/cloud/aws/in-process.ts';
import { exampleConfig, inMemory } from './clients.ts';

test('a hundred groups of a thousand instances come in pages, each group once and whole', async () => {
  const names = Array.from({ length: 100 }, (_, index) => `group-${String(index).padStart(3, '0')}`);
  const config = exampleConfig({
    groups: Object.fromEntries(names.map((name) => [name, { desired: 1000 }])),
  });
  config.fleet.production.waves[0]!.groups = names;
  const { scaling, simulator, clock } = inMemory(config);
  answerInProcess(scaling, simulator, clock, 1);
  const listed: [string, number][] = [];
  const sizes: number[] = [];
  let NextToken: string | undefined;
  do {
    const page = await scaling.send(new DescribeAutoScalingGroupsCommand({ MaxRecords: 30, NextToken }));
    sizes.push(page.AutoScalingGroups!.length);
    for (const { AutoScalingGroupName, Instances } of page.AutoScalingGroups!) {
      listed.push([AutoScalingGroupName!, new Set(Instances!.map(({ InstanceId }) => InstanceId)).size]);
    }
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  expect(sizes).toEqual([30, 30, 30, 10]);
  expect(listed).toEqual(names.map((name) => [name, 1000]));
});
