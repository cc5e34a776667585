import { describe, expect, it } from 'vitest';
import { foldRelease } from '../../pipeline/journal/fold.ts';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import type { Entry } from '../../pipeline/journal/records.ts';
import { jobSummary, statusText } from '../../pipeline/report/summary.ts';
import { baseline, intent, manualClock, opened, started } from '../journal/bench.ts';
import { type Story, tellStory } from './story.ts';

async function told(variation: Partial<Story> = {}) {
  const clock = manualClock();
  const journal = createMemoryJournal('r-20261122-063412-k7wq', clock);
  await tellStory({ journal, clock, write: async () => {}, ...variation });
  return foldRelease(journal.records());
}

describe('the job summary', () => {
  it('begins with the outcome and has a row per stage, group and check', async () => {
    const page = jobSummary(await told());
    expect(page.split('\n')[0]).toBe('## ✅ 4 groups moved to base-20261122-063412');
    expect(page).toContain('| build | passed | 5 min 18 s | base-20261122-063412 in 5 min 18 s, 1.2 GB |');
    expect(page).toContain('| web-b | production | promoted | v11 → v12 | 4/4 |');
    expect(page).toContain('| compliance | passed | 318 of 327 rules pass');
  });

  it('says that a release was rolled back and that every group is on its version again', async () => {
    const page = jobSummary(await told({ fault: 'unhealthy', emergency: true }));
    expect(page).toContain('## ❌');
    expect(page).toContain('**emergency**');
    expect(page).toContain('| web-a | production | rolled-back | v11 | 3/3 |');
  });

  it('keeps text in its cell, whatever it holds', async () => {
    const page = jobSummary(await told({ emergency: true }));
    expect(page).toContain('&lt;all\\>');
    const journal = createMemoryJournal('r-1', manualClock());
    await journal.append(opened('r-1'));
    await journal.append({ type: 'release.closed', data: { outcome: 'failed', reason: 'a | b\n# c' } });
    expect(jobSummary(foldRelease(journal.records()))).toContain('> a \\| b \\# c');
  });
});

describe('who is waited for', () => {
  const heldBack: Entry = {
    type: 'answer',
    data: {
      group: 'web',
      instance: 'web',
      source: 'held back',
      status: 'waiting',
      reason: '1 protected: aws autoscaling set-instance-protection',
    },
  };
  const line = 'web: held back waiting: 1 protected: aws autoscaling set-instance-protection';
  const statusAfter = async (...entries: Entry[]): Promise<string> => {
    const journal = createMemoryJournal('r-1', manualClock());
    for (const entry of [opened('r-1'), ...entries]) await journal.append(entry);
    return statusText(foldRelease(journal.records()));
  };
  const finished = (outcome: 'promoted' | 'rolled-back'): Entry => ({
    type: 'group.finished',
    data: { group: 'web', outcome, reason: '', after: null },
  });
  const back: Entry = {
    type: 'rollback.started',
    data: { groups: ['web'], reason: 'bad', actor: 'test' },
  };

  it('stands in the status of a group that is not finished, with the command', async () => {
    expect(await statusAfter(baseline(1), heldBack)).toContain(line);
  });

  it('stands there while a group goes back, and not what was said before', async () => {
    expect(await statusAfter(baseline(1), finished('promoted'), back, heldBack)).toContain(line);
    const over = [baseline(1), heldBack, finished('promoted'), back] as const;
    expect(await statusAfter(...over, finished('rolled-back'))).not.toContain('held back');
  });

  it('is nobody who has passed since', async () => {
    const passed: Entry = { ...heldBack, data: { ...heldBack.data, status: 'passed', reason: 'free' } };
    expect(await statusAfter(baseline(1), heldBack, passed)).not.toContain('held back');
  });
});

describe('the status', () => {
  it('fits a terminal and names what happened to each stage and group', async () => {
    const text = statusText(await told());
    expect(text.split('\n')[0]).toBe(
      'r-20261122-063412-k7wq  Promoted: 4 groups moved to base-20261122-063412',
    );
    expect(text).toMatch(/^ {2}rollout {3}passed +2 min 44 s {2}3 groups with 11 instances/m);
    expect(text).toMatch(/^ {2}worker +promoted +v7 → v8 +4\/4/m);
    expect(text).not.toContain('drover resume');
  });

  it('names the version a group that is not finished is going to, as soon as there is one', async () => {
    const journal = createMemoryJournal('r-1', manualClock());
    const say = async (...entries: Entry[]) => {
      for (const entry of entries) await journal.append(entry);
      return statusText(foldRelease(journal.records()));
    };
    const making = await say(opened('r-1'), baseline(11), {
      type: 'intent',
      data: { key: 'web/template-1', group: 'web', action: 'template', arguments: {}, why: 'a test' },
    });
    expect(making).toMatch(/^ {2}web {2}unfinished {3}v11 {7}2\/2$/m);
    const made = await say({
      type: 'outcome',
      data: { key: 'web/template-1', status: 'done', result: { version: 12 }, error: null },
    });
    expect(made).toMatch(/^ {2}web {2}unfinished {3}v11 → v12 2\/2$/m);
  });

  it('names what is in doubt and the commands that go on or undo', async () => {
    const journal = createMemoryJournal('r-1', manualClock());
    for (const entry of [opened('r-1'), started('rollout'), intent('web/terminate-1')])
      await journal.append(entry);
    const text = statusText(foldRelease(journal.records()));
    expect(text).toContain('1 changes without a recorded outcome:\n    web: terminateInstance (a test)');
    expect(text).toContain('drover resume r-1');
  });
});
