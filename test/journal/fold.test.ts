import { describe, expect, it } from 'vitest';
import { foldRelease } from '../../pipeline/journal/fold.ts';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import type { Entry } from '../../pipeline/journal/records.ts';
import { type Story, tellStory } from '../report/story.ts';
import { baseline, intent, manualClock, opened, started } from './bench.ts';

async function stateAfter(...entries: Entry[]) {
  const clock = manualClock();
  const journal = createMemoryJournal('r-1', clock);
  for (const entry of [opened('r-1'), ...entries]) {
    await journal.append(entry);
    clock.advance(1000);
  }
  return foldRelease(journal.records());
}

async function told(variation: Partial<Story>) {
  const clock = manualClock();
  const journal = createMemoryJournal('r-1', clock);
  await tellStory({ journal, clock, write: async () => {}, ...variation });
  return foldRelease(journal.records());
}

const finished = (stage: 'build' | 'scan', outcome: 'passed' | 'failed'): Entry => ({
  type: 'stage.finished',
  data: { stage, outcome, durationMs: 10, summary: `${stage} ${outcome}`, artifacts: [] },
});
const done = (key: string): Entry => ({
  type: 'outcome',
  data: { key, status: 'done', result: null, error: null },
});
const closed = (outcome: 'promoted' | 'stuck'): Entry => ({
  type: 'release.closed',
  data: { outcome, reason: 'because' },
});
describe('the fold', () => {
  it('refuses what does not begin with a release', async () => {
    expect(() => foldRelease([])).toThrow(expect.objectContaining({ kind: 'unverified' }));
    const journal = createMemoryJournal('r-1', manualClock());
    await journal.append(started('build'));
    expect(() => foldRelease(journal.records())).toThrow(/does not begin with a release/);
  });

  it('knows a release that has only been opened', async () => {
    const state = await stateAfter();
    expect(state).toMatchObject({ id: 'r-1', status: 'open', closedAt: null, image: null, records: 1 });
    expect(state.stages.map((stage) => stage.status)).toEqual(Array(6).fill('pending'));
  });

  it('counts the attempts of a stage and keeps only the last', async () => {
    const state = await stateAfter(started('build'), finished('build', 'failed'), started('build'));
    expect(state.stages[1]).toMatchObject({
      status: 'running',
      attempts: 2,
      summary: null,
      finishedAt: null,
    });
  });

  it('calls a stage interrupted when a signal stopped it, and goes on when it is resumed', async () => {
    const interruption: Entry = { type: 'release.interrupted', data: { signal: 'SIGINT', stage: 'build' } };
    const before = await stateAfter(started('build'), interruption);
    expect(before.status).toBe('interrupted');
    expect(before.stages[1]?.status).toBe('interrupted');
    const resumed: Entry = { type: 'release.resumed', data: { actor: 'ada', reason: 'resume' } };
    const after = await stateAfter(started('build'), interruption, resumed);
    expect(after.status).toBe('open');
    expect(after.interruptions.map((event) => event.kind)).toEqual(['interrupted', 'resumed']);
  });

  it('names intents without an outcome, and forgets them once the repeated one has its outcome', async () => {
    const crashed = await stateAfter(intent('a'), done('a'), intent('b'));
    expect(crashed.unfinished.map((action) => action.key)).toEqual(['b']);
    const again = await stateAfter(intent('a'), done('a'), intent('b'), intent('b'), done('b'));
    expect(again.unfinished).toEqual([]);
    expect(again.actions).toHaveLength(2);
    expect(again.actions[1]).toMatchObject({ key: 'b', attempts: 2, outcome: { status: 'done' } });
  });

  it('keeps the first baseline of a group: a later one would describe what the release had changed', async () => {
    const state = await stateAfter(baseline(3), baseline(4));
    expect(state.groups[0]?.baseline?.resolvedVersion).toBe(3);
  });

  it('opens a promoted release again when it is rolled back later, but not for its evidence', async () => {
    const exporting = await stateAfter(closed('promoted'), started('evidence'));
    expect(exporting).toMatchObject({ status: 'promoted', closingReason: 'because' });
    const rollback: Entry = {
      type: 'rollback.started',
      data: { groups: ['web'], reason: 'slow', actor: 'ada' },
    };
    const undoing = await stateAfter(closed('promoted'), rollback);
    expect(undoing).toMatchObject({ status: 'open', closedAt: null });
    expect(undoing.rollbacks).toMatchObject([{ actor: 'ada', outcome: null }]);
  });

  it('keeps the newest verdict of each check about the image at hand', async () => {
    const verdict = (check: string, status: 'passed' | 'failed', imageId = 'ami-1'): Entry => ({
      type: 'verdict',
      data: {
        imageId,
        check,
        status,
        reasons: ['so'],
        facts: {},
        artifacts: [],
        at: '2026-11-22T06:00:00.000Z',
      },
    });
    const state = await stateAfter(
      verdict('boot', 'failed'),
      verdict('sbom', 'passed'),
      verdict('boot', 'passed'),
    );
    expect(state.verdicts.map((v) => `${v.check} ${v.status}`)).toEqual(['boot passed', 'sbom passed']);
  });

  it('tells a whole promoted release: every group from its baseline to the target', async () => {
    const state = await told({});
    expect(state.status).toBe('promoted');
    expect(state.waves.map((wave) => `${wave.wave} ${wave.status}`)).toEqual([
      'staging promoted',
      'first promoted',
      'rest promoted',
    ]);
    for (const group of state.groups) {
      expect(group.outcome).toBe('promoted');
      expect(group.after?.resolvedVersion).toBe(group.baseline!.resolvedVersion + 1);
      expect(group.sizes.at(-1)).toMatchObject({ previous: 0, target: group.baseline!.desired });
    }
    expect(state.unfinished).toEqual([]);
  });

  it('tells a failed gate: the wave failed, the groups it had touched rolled back, the rest never touched', async () => {
    const state = await told({ fault: 'unhealthy' });
    expect(state.status).toBe('rolled-back');
    expect(state.rollbacks).toMatchObject([{ groups: ['web-a', 'web-staging'], outcome: 'rolled-back' }]);
    expect(state.groups.map((group) => `${group.group} ${group.outcome}`)).toEqual([
      'web-staging rolled-back',
      'web-a rolled-back',
    ]);
    for (const group of state.groups) expect(group.after).toEqual(group.baseline);
    // While it is rolled back the engine's target is the earlier version; the state always means the release's.
    expect(state.groups[0]?.sizes.slice(-3).map((size) => [size.target, size.previous])).toEqual([
      [2, 0],
      [1, 1],
      [0, 2],
    ]);
  });

  it('gives the same state for a journal cut anywhere as it gave when it was that long', async () => {
    const clock = manualClock();
    const journal = createMemoryJournal('r-1', clock);
    const seen: string[] = [];
    const watched = {
      ...journal,
      append: async (entry: Entry) => {
        const record = await journal.append(entry);
        seen.push(JSON.stringify(foldRelease(journal.records())));
        return record;
      },
    };
    await tellStory({
      journal: watched,
      clock,
      write: async () => {},
      fault: 'unhealthy',
      interrupted: true,
    });
    const records = journal.records();
    for (let length = 1; length <= records.length; length++) {
      expect(JSON.stringify(foldRelease(records.slice(0, length)))).toBe(seen[length - 1]);
    }
  });
});
