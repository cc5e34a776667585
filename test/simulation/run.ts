/**
 * One scenario from beginning to end: the real engine in virtual time against the simulator, through as many lives
 * as it takes. Judges safety throughout, and at the end that there was one: promoted, rolled back, or stuck with a
 * reason, with nothing of the engine left behind.
 */
import { createAwsCloud } from '../../pipeline/cloud/aws/cloud.ts';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import type { Journal, JournalRecord } from '../../pipeline/journal/records.ts';
import { silent } from '../../pipeline/report/progress.ts';
import { pausesMs } from '../../pipeline/rollout/decision/refresh-request.ts';
import type { RolloutDeps } from '../../pipeline/rollout/engine.ts';
import { injectFault } from '../../pipeline/simulator/model/faults.ts';
import { createSimulator } from '../../pipeline/simulator/simulator.ts';
import { virtualClock } from '../../pipeline/simulator/virtual-clock.ts';
import { rolloutDeadlineMs, wavesOf, worldOf } from './account.ts';
import { judgeEnd, refreshLeft, settingsOf } from './ending.ts';
import { behaviours, orderOf } from './faults.ts';
import { ownersOf } from './owners.ts';
import { createSafety } from './safety.ts';
import type { Scenario } from './scenario.ts';
import { servicesOf } from './services.ts';
import { type End, releases, through } from './story.ts';
import { blurred, meddle, peopleOf, stormy } from './weather.ts';

export interface Run extends End {
  /** Broken rules, in words; empty when all is well. */
  violations: string[];
  /** Virtual time from beginning to end. */
  tookMs: number;
  transcript: string[];
}

/** After the end, for what Auto Scaling still does by itself. */
const settleMs = 600_000;

export async function run(scenario: Scenario): Promise<Run> {
  const clock = virtualClock();
  const startedAt = clock.now();
  const transcript: string[] = [];
  const note = (line: string): void => {
    transcript.push(`${((clock.now() - startedAt) / 1000).toFixed(1).padStart(8)} s  ${line}`);
  };
  let look = (): void => {};
  const simulator = createSimulator({
    world: worldOf(scenario, startedAt),
    clock,
    observe: () => look(),
  });
  const { world } = simulator;
  const waves = wavesOf(scenario);
  const groups = waves.flatMap((wave) => wave.groups);
  const services = servicesOf(scenario, world, clock, simulator.advance);
  const safety = createSafety(world, groups, services, note);
  const owners = ownersOf(scenario, world, clock, simulator.advance);
  look = () => {
    safety.look();
    owners();
  };
  const real = createAwsCloud({
    provider: 'simulator',
    region: world.region,
    endpoint: 'http://127.0.0.1',
    inProcess: { clock, account: simulator },
  });
  const behaviour = behaviours[scenario.image];
  if (behaviour) injectFault(world, behaviour);
  const images = Object.fromEntries(
    await Promise.all(
      releases.map(async (release, index) => [release, await nextImage(real, index + 2)] as const),
    ),
  );
  await clock.sleep(5_000);
  simulator.advance();
  for (const fault of scenario.faults) injectFault(world, orderOf(fault));
  const before = settingsOf(world);
  const begunAt = clock.now();

  const blurry = blurred(real, scenario.staleness, clock, safety.observedAt);
  const { advance } = simulator;
  const people = peopleOf(scenario, world, { clock, safety, note });
  const weathered = stormy(scenario, { people, advance, note });
  const journals = new Map(
    releases.map((release) => {
      const heard = (record: JournalRecord): void => {
        note(`${record.type} ${JSON.stringify(record.data)}`);
        safety.heard(record);
        services.heard(record);
      };
      return [release as string, told(createMemoryJournal(release, clock), heard)];
    }),
  );
  const depsOf = (release: string): RolloutDeps => {
    const journal = journals.get(release)!;
    return {
      cloud: weathered(safety.watched(blurry, journal, advance)),
      http: services.http,
      runCommand: services.runCommand,
      journal,
      clock,
      progress: silent,
      signal: new AbortController().signal,
    };
  };
  const over = new AbortController();
  const meddling = meddle(scenario, { people, clock, advance, signal: over.signal }).catch(
    (error: unknown) => {
      if (!over.signal.aborted) throw error;
    },
  );

  const lives = scenario.deaths.length + 1 + scenario.faults.length;
  const pauses = Math.max(0, ...groups.map(pausesMs));
  const limitMs = lives * (waves.length + 1) * 4 * (rolloutDeadlineMs + pauses) * releases.length;
  const overdue = clock.sleep(limitMs, over.signal).then(
    () => ({ outcome: 'overdue' as const, reason: `nothing ended within ${limitMs / 1000} s` }),
    () => ({ outcome: 'overdue' as const, reason: '' }),
  );
  const ended = (release: string, isStop: boolean): void => {
    safety.ended();
    for (const { group } of isStop && scenario.faults.length === 0 ? groups : []) {
      if (refreshLeft(world, group, journals.get(release)!)) {
        safety.violated(group, 'was stopped, and its refresh goes on');
      }
    }
  };
  const imageOf = async (release: string) => images[release]!;
  const telling = through({ waves, note, depsOf, imageOf, ended }, scenario);
  const end = await Promise.race([telling, overdue]).catch((error: unknown) => ({
    outcome: 'crashed' as const,
    reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
  }));
  const tookMs = clock.now() - startedAt;
  note(`${end.outcome}: ${end.reason}`);
  over.abort();
  await meddling;
  for (const image of Object.values(world.images)) image.state = 'available';
  world.faults = world.faults.filter(({ fault }) => fault.kind !== 'no-capacity');
  await clock.sleep(settleMs);
  simulator.advance();
  const violations = [
    ...safety.violations,
    ...judgeEnd({
      scenario,
      startedAt: begunAt,
      world,
      services,
      journals: [...journals.values()],
      groups,
      before,
      end,
      wanted: safety.wanted,
    }),
  ];
  return { ...end, violations, tookMs, transcript };
}

async function nextImage(cloud: RolloutDeps['cloud'], number: number) {
  const name = `base-${number}`;
  return { id: await cloud.registerImage({ name, description: 'the next one', tags: {} }), name };
}

function told(journal: Journal, heard: (record: JournalRecord) => void): Journal {
  return {
    ...journal,
    async append(entry) {
      const record = await journal.append(entry);
      heard(record);
      return record;
    },
  };
}
