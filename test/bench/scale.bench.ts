/**
 * A hundred groups of a thousand instances, replaced one and all over the door within the process by Auto Scaling's own
 * instance refresh; and a tenth of them by the production engine, which looks at every instance at every tick. Each way
 * runs in a process of its own, so that memory and time are its own. Figures of one run on this machine; the ratio
 * compares the replacement with making the fleet.
 *
 *   node test/bench/scale.bench.ts [GROUPS] [INSTANCES]
 */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  AutoScalingClient,
  DescribeInstanceRefreshesCommand,
  paginateDescribeAutoScalingGroups,
  StartInstanceRefreshCommand,
} from '@aws-sdk/client-auto-scaling';
import { createAwsCloud } from '../../pipeline/cloud/aws/cloud.ts';
import { answerInProcess } from '../../pipeline/cloud/aws/in-process.ts';
import { configSchema } from '../../pipeline/config/schema.ts';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import { silent } from '../../pipeline/report/progress.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { runCommand } from '../../pipeline/rollout/services/command.ts';
import type { GroupSpec } from '../../pipeline/rollout/spec.ts';
import { createSimulator, type Simulator } from '../../pipeline/simulator/simulator.ts';
import { virtualClock } from '../../pipeline/simulator/virtual-clock.ts';
import { worldFrom } from '../../pipeline/simulator/world.ts';

const [groupCount = 100, instanceCount = 1000] = process.argv.slice(2).map(Number);
const names = Array.from({ length: groupCount }, (_, index) => `group-${String(index).padStart(3, '0')}`);
const region = 'eu-central-1';
const surge = 0.5;

interface Figures {
  way: string;
  buildS: number;
  wallS: number;
  cpuS: number;
  peakMiB: number;
  simulatedMin: number;
  calls: number;
  replaced: number;
}

function account() {
  const config = configSchema.parse({
    version: 1,
    image: { name: 'base' },
    fleet: {
      staging: { waves: [{ name: 'staging', groups: [names[0]] }] },
      production: { waves: [{ name: 'all', groups: names }] },
    },
    simulator: { groups: Object.fromEntries(names.map((name) => [name, { desired: instanceCount }])) },
  });
  const clock = virtualClock();
  const simulator = createSimulator({ world: worldFrom(config)(null, clock.now()), clock });
  let calls = 0;
  const counted: Pick<Simulator, 'call'> = {
    call(...request) {
      calls += 1;
      return simulator.call(...request);
    },
  };
  return { simulator, clock, door: counted, calls: () => calls };
}

type Account = ReturnType<typeof account>;

async function nextImage({ simulator, clock, door }: Account) {
  const cloud = createAwsCloud({ provider: 'simulator', region, inProcess: { account: door, clock } });
  const id = await cloud.registerImage({ name: 'base-2', description: '', tags: {} });
  await clock.sleep(10_000);
  simulator.advance();
  return { cloud, image: { id, name: 'base-2' } };
}

const ways: Record<string, (account: Account) => Promise<void>> = {
  async 'instance refresh'(account) {
    const { clock, door } = account;
    const { cloud, image } = await nextImage(account);
    const client = new AutoScalingClient({ region, credentials: { accessKeyId: 'x', secretAccessKey: 'x' } });
    answerInProcess(client, door, clock, 8);
    const pages = paginateDescribeAutoScalingGroups({ client }, { IncludeInstances: false });
    for await (const { AutoScalingGroups: groups } of pages) {
      for (const { AutoScalingGroupName, LaunchTemplate } of groups!) {
        const templateId = LaunchTemplate!.LaunchTemplateId!;
        const version = await cloud.createTemplateVersion({
          templateId,
          sourceVersion: LaunchTemplate!.Version!,
          imageId: image.id,
          description: '',
          token: AutoScalingGroupName!,
        });
        await client.send(
          new StartInstanceRefreshCommand({
            AutoScalingGroupName,
            DesiredConfiguration: {
              LaunchTemplate: { LaunchTemplateId: templateId, Version: String(version) },
            },
            Preferences: {
              MinHealthyPercentage: 100,
              MaxHealthyPercentage: 100 * (1 + surge),
              InstanceWarmup: 0,
            },
          }),
        );
      }
    }
    for (const AutoScalingGroupName of names) {
      for (;;) {
        const { InstanceRefreshes } = await client.send(
          new DescribeInstanceRefreshesCommand({ AutoScalingGroupName }),
        );
        const { Status, StatusReason } = InstanceRefreshes![0]!;
        if (Status === 'Successful') break;
        if (Status !== 'InProgress' && Status !== 'Pending')
          throw new Error(`${AutoScalingGroupName}: ${Status}: ${StatusReason}`);
        await clock.sleep(10_000);
      }
    }
  },

  async 'rolling engine'(account) {
    const { clock } = account;
    const { cloud, image } = await nextImage(account);
    const spec = (group: string): GroupSpec => ({
      group,
      environment: 'production',
      wave: 'all',
      strategy: { type: 'rolling' },
      surge: { fraction: surge },
      unavailable: { fraction: 0 },
      gates: [{ type: 'in-service' }, { type: 'status-checks' }, { type: 'target-health' }],
      passes: 2,
      gateDeadlineMs: 600_000,
      drain: [{ type: 'target-group', deadlineMs: 300_000, on_deadline: 'fail' }],
      soakMs: 0,
      deadlineMs: 7_200_000,
    });
    const outcome = await runWave(
      {
        cloud,
        clock,
        http: async () => {
          throw new Error('no gate here probes anything');
        },
        runCommand,
        journal: createMemoryJournal('r-1', clock),
        progress: silent,
        signal: new AbortController().signal,
      },
      { environment: 'production', name: 'all', groups: names.map(spec) },
      image,
    );
    if (outcome.outcome !== 'promoted')
      throw new Error(`${outcome.reason} (${outcome.groups.length} groups)`);
  },
};

async function measure(way: string): Promise<Figures> {
  const seconds = (): number => performance.now() / 1000;
  const began = seconds();
  const made = account();
  const buildS = seconds() - began;
  const { simulator, clock, calls } = made;
  const before = { at: seconds(), cpu: process.cpuUsage(), simulated: clock.now() };
  await ways[way]!(made);
  const { user, system } = process.cpuUsage(before.cpu);
  simulator.advance();
  const members = Object.values(simulator.world.groups).flatMap((group) =>
    Object.values(group.members).filter(({ lifecycle }) => lifecycle === 'InService'),
  );
  const replaced = members.filter(({ template }) => template?.version === '2').length;
  if (replaced !== groupCount * instanceCount || members.length !== replaced) {
    throw new Error(`${way}: ${replaced} of ${members.length} instances in service are new`);
  }
  return {
    way,
    buildS,
    wallS: seconds() - before.at,
    cpuS: (user + system) / 1e6,
    peakMiB: process.resourceUsage().maxRSS / 1024,
    simulatedMin: (clock.now() - before.simulated) / 60_000,
    calls: calls(),
    replaced,
  };
}

/** The share of the groups each way is measured with. */
const shares: Record<string, number> = { 'instance refresh': 1, 'rolling engine': 0.1 };

const alone = (way: string): Promise<Figures> =>
  new Promise((resolve, reject) => {
    const size = [Math.max(1, Math.round(groupCount * shares[way]!)), instanceCount].map(String);
    const child = fork(fileURLToPath(import.meta.url), size, {
      env: { ...process.env, DROVER_BENCH_WAY: way },
    });
    child.once('message', (figures) => resolve(figures as Figures));
    child.once('exit', (code) => code !== 0 && reject(new Error(`${way} ended with exit code ${code}`)));
  });

const { DROVER_BENCH_WAY: only } = process.env;
if (only !== undefined) {
  process.send!(await measure(only));
} else {
  console.log(`${groupCount} groups of ${instanceCount} instances, surge ${100 * surge} %`);
  const head = [
    'way',
    'wall s',
    'CPU s',
    'µs CPU/instance',
    'wall/build',
    'peak MiB',
    'simulated min',
    'calls',
  ];
  const rows = [head];
  for (const way of Object.keys(ways)) {
    const { buildS, wallS, cpuS, peakMiB, simulatedMin, calls, replaced } = await alone(way);
    const fixed = (value: number, digits = 1): string => value.toFixed(digits);
    rows.push([
      ...[
        way,
        String(replaced),
        fixed(wallS),
        fixed(cpuS),
        fixed((cpuS / replaced) * 1e6, 0),
        fixed(wallS / buildS),
      ],
      ...[fixed(peakMiB, 0), fixed(simulatedMin), String(calls)],
    ]);
  }
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) console.log(row.map((cell, column) => cell.padStart(widths[column]!)).join('  '));
}
