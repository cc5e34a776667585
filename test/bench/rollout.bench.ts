/**
 * Rollouts on the simulator, in virtual time, with the same boots and drains: Drover's engine against the lower
 * bound (bound.ts), and models of other tools' loops (peers.ts) against the bound for the surge they use. The bound
 * is that of a rollout that keeps every instance serving until its replacement does, and drains it before the next is
 * launched. Who is faster has served with fewer (`least serving`), or had more at work than the surge allows: whoever
 * lets Auto Scaling drain what it terminates, as its own instance refresh does, has the next one launched while the
 * terminated still drain, which Auto Scaling does not count (`most counted`) and their clients do (`most at work`).
 *
 * The floor of mutating calls holds for any order of doing things, also for much slower ones. An instance refresh takes no
 * call per instance, so it has none; Drover's waits for the group's health check grace period after each launch, as
 * Auto Scaling does where nobody names a warm-up.
 */

import { createAwsCloud } from '../../pipeline/cloud/aws/cloud.ts';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import { silent } from '../../pipeline/report/progress.ts';
import { surgeOf } from '../../pipeline/rollout/decision/view.ts';
import { runWave } from '../../pipeline/rollout/engine.ts';
import { runCommand } from '../../pipeline/rollout/services/command.ts';
import type { Allowance, StrategySpec } from '../../pipeline/rollout/spec.ts';
import { defaultSpec } from '../rollout/fleet.ts';
import { fewestCalls } from './bound.ts';
import * as peers from './peers.ts';
import { group, type Measurement, type Stage, stageOf } from './stage.ts';

const columns = [
  ['loop', 24],
  ['N', 6],
  ['surge', 7],
  ['time / bound', 14],
  ['worst', 8],
  ['mutating calls / N', 20],
  ['floor', 7],
  ['reads / N', 11],
  ['reads / round', 15],
  ['CPU ms / N', 12],
  ['most counted / N', 18],
  ['most at work / N', 18],
  ['least serving / N', 19],
] as const;

console.log(columns.map(([name, width]) => name.padStart(width)).join(''));

/** Of all measurements together, but for the worst time and the extremes of capacity. */
function print(
  loop: string,
  size: number,
  surge: number,
  all: readonly Measurement[],
  fewest: number | null,
): void {
  const ratio = (a: number, b: number): string => (a / b).toFixed(3);
  const total = (key: keyof Measurement): number => all.reduce((sum, one) => sum + one[key], 0);
  const replaced = total('replaced');
  const cells = [
    loop,
    String(size),
    String(surge),
    ratio(total('tookMs'), total('boundMs')),
    Math.max(...all.map(({ tookMs, boundMs }) => tookMs / boundMs)).toFixed(3),
    ratio(total('mutations'), replaced),
    fewest === null ? '' : ratio(fewest, size),
    (total('reads') / replaced).toFixed(1),
    (total('reads') / total('rounds')).toFixed(1),
    (total('cpuMs') / replaced).toFixed(2),
    ratio(Math.max(...all.map(({ mostCounted }) => mostCounted)), size),
    ratio(Math.max(...all.map(({ mostAtWork }) => mostAtWork)), size),
    ratio(Math.min(...all.map(({ leastServing }) => leastServing)), size),
  ];
  console.log(cells.map((cell, index) => cell.padStart(columns[index]![1])).join(''));
}

async function drover(stage: Stage, surge: Allowance, strategy: StrategySpec = rolling): Promise<void> {
  const { clock, world, account, imageId } = stage;
  const cloud = createAwsCloud({
    provider: 'simulator',
    region: world.region,
    endpoint: 'http://127.0.0.1',
    inProcess: { clock, account },
  });
  const deps = {
    cloud,
    http: () => Promise.reject(new TypeError('no gate of this wave asks by HTTP')),
    runCommand,
    journal: createMemoryJournal('r-1', clock),
    clock,
    progress: silent,
    signal: new AbortController().signal,
  };
  const spec = { ...defaultSpec(group), strategy, surge, soakMs: 0, deadlineMs: 30 * 86_400_000 };
  const wave = { environment: spec.environment, name: spec.wave, groups: [spec] };
  const outcome = await runWave(deps, wave, { id: imageId, name: 'next' });
  if (outcome.outcome !== 'promoted') throw new Error(`the wave failed: ${outcome.reason}`);
}

const rolling: StrategySpec = { type: 'rolling' };
const refreshing: StrategySpec = { type: 'instance-refresh', checkpoints: [], checkpointSoakMs: 0 };
const tenth = { fraction: 0.1 };

/** One at a time a thousand instances take a day and a half of virtual time, and a quarter of an hour of ours. */
const isShort = !process.env.DROVER_BENCH_ALL;
/** Ten boots are a matter of luck: each loop replaces that many groups of them, each with boots of its own. */
const drawsOf = (size: number): number => (size === 10 ? 10 : 1);

async function measured(
  size: number,
  surge: number,
  rollOut: (stage: Stage) => Promise<void>,
  { isBalanced = true } = {},
): Promise<Measurement[]> {
  const all: Measurement[] = [];
  for (let seed = 1; seed <= drawsOf(size); seed += 1) {
    const stage = await stageOf(size, { isBalanced, seed });
    await rollOut(stage);
    all.push(stage.measured(surge));
  }
  return all;
}

for (const isBalanced of [true, false]) {
  const loop = isBalanced ? 'drover' : 'drover, no balancer';
  for (const size of [10, 100, 1000]) {
    for (const surge of [{ instances: 1 }, tenth, { fraction: 0.25 }]) {
      const count = surgeOf(surge, size);
      if (size === 10 && 'fraction' in surge && count === 1) continue;
      if (isShort && size / count > 100) continue;
      const all = await measured(size, count, (stage) => drover(stage, surge), { isBalanced });
      print(loop, size, count, all, fewestCalls(size, count, isBalanced));
    }
  }
}
for (const size of [10, 100]) {
  const count = surgeOf(tenth, size);
  const all = await measured(size, count, (stage) => drover(stage, tenth, refreshing));
  print('drover, refresh', size, count, all, null);
}
for (const size of [10, 100]) {
  for (const [name, peer, surge] of [
    ['bouncer', peers.bouncer, 1],
    ['eks-rolling-update', peers.eksRollingUpdate, size],
    ['asg-roller', peers.asgRoller, 1],
    ['upgrade-manager', peers.upgradeManager, 1],
    ['instance refresh', peers.instanceRefresh, Math.max(1, size / 10)],
  ] as const) {
    print(name, size, surge, await measured(size, surge, (stage) => peer(stage, size)), null);
  }
}
