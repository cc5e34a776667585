import { XMLValidator } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import type { Entry } from '../../pipeline/journal/records.ts';
import { renderReport } from '../../pipeline/report/html.ts';
import { duration, escapeHtml, html, percent } from '../../pipeline/report/html-markup.ts';
import { manualClock, opened, started } from '../journal/bench.ts';
import { type Story, tellStory } from './story.ts';

async function report(
  variation: Partial<Story> = {},
  change: (documents: Map<string, string>) => void = () => {},
) {
  const clock = manualClock();
  const journal = createMemoryJournal('r-20261122-063412-k7wq', clock);
  const documents = new Map<string, string>();
  await tellStory({
    journal,
    clock,
    write: async (path, text) => void (path.endsWith('.json') && documents.set(path, text)),
    ...variation,
  });
  change(documents);
  return renderReport(journal.records(), documents);
}

async function reportOf(...entries: Entry[]) {
  const clock = manualClock();
  const journal = createMemoryJournal('r-1', clock);
  for (const entry of [opened('r-1'), ...entries]) await journal.append(entry);
  return renderReport(journal.records(), new Map());
}

/** What a reader sees, roughly. */
const textOf = (page: string) =>
  page
    .replace(/<style>.*<\/style>/s, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ');

describe('the report', () => {
  it('is one page that loads nothing and runs nothing', async () => {
    const page = await report();
    expect(page.includes('content="default-src &#39;none&#39;;')).toBe(true);
    expect(
      /<script|<link|<img|<iframe|\son[a-z]+=|javascript:|@import|url\(/i.exec(page)?.[0],
    ).toBeUndefined();
    expect(page.match(/https?:\/\/[^\s"'<]+/g) ?? []).toEqual([]);
  });

  it('closes every element it opens', async () => {
    const page = (await report({ fault: 'unhealthy', interrupted: true }))
      .replace('<!doctype html>', '')
      .replace(/<style>.*<\/style>/s, '')
      .replace(/<(meta|br)([^>]*)>/g, '<$1$2/>');
    expect(XMLValidator.validate(page)).toBe(true);
  });

  it('tells how a promoted release ended, with its figures', async () => {
    const text = textOf(await report());
    expect(text).toContain('4 groups moved to base-20261122-063412');
    expect(text).toContain('On the new image 13 of 13 instances, in 4 groups');
    expect(text).toContain('Least serving capacity 100 % never below desired');
    expect(text).toContain('Compliance 98.1 % 9 rules fail, 3 waived');
    expect(text).toContain('Missing security updates 0');
    expect(text).toContain('web-b v11 web-b v12');
    expect(text).toContain('1 Initial setup 60 of 62, 1 failing, 1 waived');
  });

  it('tells what is known to be vulnerable, and what changed since the release before', async () => {
    const text = textOf(await report());
    expect(text).toContain('CVE-2026-1000 exploited high libexample1 1.0-1 no fix yet 2026-11-08');
    expect(text).toContain('By the distribution, grype 0.94.0; KEV catalogue 2026.11.20.');
    expect(text).toContain('Since r-20261115-063407-p2cx :');
    expect(text).toContain('libssl3 3.0.20-1~deb12u2 → 3.0.22-1~deb12u2');
    expect(text).toContain('set_nftables_table: pass → fail');
  });

  it('tells what was rolled back, why, and that it was an emergency', async () => {
    const text = textOf(await report({ fault: 'unhealthy', emergency: true }));
    expect(text).toContain('was rolled back: 2 groups returned to the previous version');
    expect(text).toContain('Emergency');
    expect(text).toContain('failed status-checks: impaired');
    expect(text).toContain('On the new image 0 of 5');
  });

  it('says where a release was interrupted and by whom it was resumed', async () => {
    const text = textOf(await report({ interrupted: true }));
    expect(text).toContain('interrupted by SIGINT in build');
    expect(text).toContain('resumed by ada@build-host');
    expect(text).toContain('build (attempt 2)');
  });

  it('shows text from the journal as text, whatever it holds', async () => {
    const page = await report({ emergency: true });
    expect(page).toContain('&lt;all&gt; &quot;versions&quot; &amp; builds');
    expect(page).not.toContain('<all>');
    const hostile = '</style><script>alert(1)</script>\u202egpj.exe';
    const attacked = await reportOf({ type: 'release.closed', data: { outcome: 'failed', reason: hostile } });
    expect(attacked).not.toContain('<script');
    expect(attacked).toContain('\\u202egpj.exe');
  });

  it('does not pass over results that are absent or cannot be read', async () => {
    const absent = textOf(await report({}, (documents) => documents.clear()));
    expect(absent).toContain('Compliance no score no audit in this release');
    expect(absent).toContain('Missing security updates unknown not checked in this release');
    expect(absent).toContain('holds no readable bill of materials');
    expect(absent).toContain('holds no readable list of vulnerabilities');
    const broken = textOf(
      await report({}, (documents) =>
        documents.set('scan/compliance.json', '{"schema":"drover/compliance@1"}'),
      ),
    );
    expect(broken).toContain('scan/compliance.json cannot be read as compliance');
    expect(broken).toContain('Compliance no score');
  });

  it('can be made of a release that has hardly begun', async () => {
    expect(textOf(await reportOf())).toContain('No stage was started.');
    expect(textOf(await reportOf(started('resolve')))).toContain('resolve');
  });

  it('says when capacity fell below what was desired', async () => {
    const sizes = { group: 'web', target: 0, previous: 4, total: 4, desired: 4 };
    const text = textOf(
      await reportOf(
        { type: 'progress', data: { ...sizes, healthy: 4 } },
        { type: 'progress', data: { ...sizes, healthy: 3 } },
      ),
    );
    expect(text).toContain('Least serving capacity 75.0 % of desired, in web');
  });
});

describe('the writing of figures', () => {
  it('never rounds a part up to the whole', () => {
    expect([percent(1), percent(0.9999), percent(0.95), percent(0)]).toEqual([
      '100.0 %',
      '99.9 %',
      '95.0 %',
      '0.0 %',
    ]);
  });

  it('gives durations in units a person would use', () => {
    const shown = [0, 1_840, 59_600, 318_000, 4_020_000].map(duration);
    expect(shown).toEqual(['0.0 s', '1.8 s', '1 min 00 s', '5 min 18 s', '1 h 07 min']);
  });

  it('escapes in text and attributes alike, and leaves markup alone', () => {
    expect(html`<b title="${'"'}">${['<', html`<i>${1}</i>`, null, false]}</b>`.text).toBe(
      '<b title="&quot;">&lt;<i>1</i></b>',
    );
    expect(escapeHtml('a\u0000b')).toBe('a\\u0000b');
  });
});
