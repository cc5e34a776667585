/**
 * Those who come after a process that died in a scenario: one that goes on, one that rolls back, one that has lost the
 * journal. Each is held to the scenario's end and to its limits; a successor may itself leave remains, for the next.
 */
import { expect } from 'vitest';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import type { RolloutDeps } from '../../pipeline/rollout/engine.ts';
import { recoverGroup } from '../../pipeline/rollout/recover.ts';
import { restorationOf } from '../../pipeline/rollout/restoration.ts';
import { servingIn } from '../../pipeline/simulator/capacity.ts';
import { promoted, type Scenario, unfinished } from './crash-scenarios.ts';
import { type Fleet, newImage, promotedFrom, rolledBack } from './fleet.ts';
import { type Remains, remainsOf, revived } from './remains.ts';

/** Longer than Auto Scaling takes to begin anything by itself here. */
const quietForMs = 600_000;

const all = (): boolean => true;
const none = (): boolean => false;

/** What the first process leaves at every place of the scenario, and how its successors fare. */
export async function dyingIn(scenario: Scenario) {
  const fleet = scenario.fleet();
  const image = await newImage(fleet);
  const before = fleet.snapshot();
  await scenario.before?.(fleet, image);

  function expectHeld(ended: Fleet, label: string): void {
    expect(ended.violations, label).toEqual([]);
    expect(unfinished(ended), label).toEqual([]);
  }

  /** As the scenario ends when nobody dies. */
  function expectEnd(ended: Fleet, end: unknown, label: string): void {
    if (scenario.end === 'promoted') expect(end, label).toEqual(promoted);
    const target = scenario.end === 'promoted' ? promotedFrom(before) : before;
    expect(ended.snapshot(), label).toEqual(target);
    // A release makes one version of each template, however often it begins.
    for (const { latestVersion } of Object.values(ended.world.templates)) {
      expect(latestVersion, label).toBe(2);
    }
    expectHeld(ended, label);
  }

  /** As each group was, but for the versions its instances run; a group without marks was not begun, or is over. */
  async function expectRecovered(ended: Fleet, marked: ReadonlySet<string>, label: string): Promise<void> {
    // Nothing that the release had begun may go on by itself.
    await ended.clock.sleep(quietForMs);
    ended.simulator.advance();
    for (const [name, group] of Object.entries(ended.world.groups)) {
      const { versions: _, ...was } = before[name] as { versions: string[]; version: string };
      const { versions, ...is } = ended.snapshot()[name] as typeof was & { versions: string[] };
      expect(is, `${label}: ${name}`).toEqual(marked.has(name) ? was : { ...was, version: is.version });
      expect(['1', '2'], `${label}: ${name}`).toContain(is.version);
      expect(versions, `${label}: ${name}`).toHaveLength(ended.wanted[name]!);
      expect(servingIn(ended.world, group), `${label}: ${name}`).toHaveLength(ended.wanted[name]!);
    }
    expectHeld(ended, label);
  }

  const first = await remainsOf(fleet, (deps) => scenario.work(deps, fleet, image), all);
  expectEnd(fleet, first.end, 'nobody dies');
  return {
    remains: first.remains,

    /** The successor comes to the scenario's end. @returns what it would leave if it died too, at the places `kept` */
    async resumed(
      remains: Remains,
      kept: (nth: number) => boolean = none,
      label = remains.place,
    ): Promise<Remains[]> {
      const found = await revived(scenario.fleet(), remains);
      const { end, remains: left } = await remainsOf(
        found,
        (deps) => scenario.work(deps, found, image),
        kept,
      );
      expectEnd(found, end, label);
      return left;
    },

    /** The successor gives up instead: everything is as it was. */
    async abandoned(remains: Remains): Promise<void> {
      const found = await revived(scenario.fleet(), remains);
      await rolledBack(found);
      expect(found.snapshot(), remains.place).toEqual(before);
      expectHeld(found, remains.place);
    },

    /** The journal is lost, and each group goes back from its marks alone. @returns how many had marks */
    async recovered(remains: Remains): Promise<number> {
      const found = await revived(scenario.fleet(), remains);
      const marked = markedIn(found);
      for (const name of Object.keys(found.specs)) {
        expect(await recovered(found, name), `${remains.place}: ${name}`).toBe(marked.has(name));
        expect(await recovered(found, name), `${remains.place}: ${name} a second time`).toBe(false);
      }
      await expectRecovered(found, marked, remains.place);
      return marked.size;
    },

    /** The recovery of `name` dies too, at every place, and another one begins. @returns at how many places */
    async recoveredAgain(remains: Remains, name: string): Promise<number> {
      const found = await revived(scenario.fleet(), remains);
      const marked = markedIn(found);
      found.deps = withoutJournal(found);
      found.journal = found.deps.journal;
      const again = await remainsOf(found, (deps) => recovered(found, name, deps), all);
      for (const left of again.remains) {
        const next = await revived(scenario.fleet(), left);
        await recovered(next, name);
        await expectRecovered(next, marked, `${remains.place}, then ${left.place}`);
      }
      return again.remains.length;
    },
  };
}

/** `drover recover`, but for what it prints. @returns whether there was anything to recover */
async function recovered(fleet: Fleet, name: string, deps = withoutJournal(fleet)): Promise<boolean> {
  const spec = fleet.specs[name]!;
  const [group] = await fleet.cloud.observe([name], 0);
  const refresh = (await fleet.cloud.newestRefreshes([name]))[name] ?? null;
  const restoration = restorationOf({ ...group!, refresh }, spec.drain);
  if (!restoration) return false;
  await recoverGroup(deps, spec, group!, restoration, { reason: 'the disk is gone', actor: 'test' });
  return true;
}

/** Of the dead release nothing is left but what is in the account. */
const withoutJournal = (fleet: Fleet): RolloutDeps => ({
  ...fleet.deps,
  journal: createMemoryJournal('r-recovery', fleet.clock),
});

function markedIn(fleet: Fleet): Set<string> {
  const groups = Object.values(fleet.world.groups);
  const isMarked = ({ tags }: (typeof groups)[number]): boolean => tags['drover:release'] !== undefined;
  return new Set(groups.filter(isMarked).map(({ name }) => name));
}
