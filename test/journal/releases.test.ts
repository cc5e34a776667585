import { appendFile, mkdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createJournal } from '../../pipeline/journal/directory.ts';
import {
  journalFile,
  listReleases,
  locateRelease,
  newReleaseId,
  readRelease,
  releaseDirectory,
} from '../../pipeline/journal/releases.ts';
import { manualClock, opened, scratchDirectory } from './bench.ts';

async function stateWith(...releases: string[]): Promise<string> {
  const state = await scratchDirectory();
  for (const release of releases) {
    const directory = releaseDirectory(state, release);
    const journal = await createJournal({ directory, release, clock: manualClock() });
    await journal.append(opened(release));
    await journal.close();
  }
  return state;
}

describe('release ids', () => {
  it('say when the release began and sort by it', () => {
    const clock = manualClock();
    const id = newReleaseId(clock);
    expect(id).toMatch(/^r-20261122-063412-[a-z2-9]{4}$/);
    clock.advance(1000);
    expect(newReleaseId(clock) > id).toBe(true);
  });

  it('differ for releases of the same second', () => {
    const clock = manualClock();
    const ids = new Set(Array.from({ length: 20 }, () => newReleaseId(clock)));
    expect(ids.size).toBeGreaterThan(18);
  });
});

describe('finding a release', () => {
  it('takes a whole id, an unambiguous part of it, or latest', async () => {
    const state = await stateWith('r-20261121-000000-aaaa', 'r-20261122-000000-bbbb');
    expect(await locateRelease(state, 'latest')).toBe('r-20261122-000000-bbbb');
    expect(await locateRelease(state, 'r-20261121-000000-aaaa')).toBe('r-20261121-000000-aaaa');
    expect(await locateRelease(state, 'aaaa')).toBe('r-20261121-000000-aaaa');
    expect(await locateRelease(state, 'r-20261122')).toBe('r-20261122-000000-bbbb');
  });

  it('refuses what fits none or several, and says what there is', async () => {
    const state = await stateWith('r-20261121-000000-aaaa', 'r-20261122-000000-bbbb');
    await expect(locateRelease(state, 'zzzz')).rejects.toMatchObject({
      kind: 'invalid',
      remedy: 'The newest: r-20261122-000000-bbbb, r-20261121-000000-aaaa. `drover status --all` lists all.',
    });
    await expect(locateRelease(state, 'r-2026')).rejects.toThrow(/could be r-20261122-000000-bbbb or/);
    await expect(locateRelease(state, '')).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('takes for latest the newest that has a record, even when it is damaged', async () => {
    const state = await stateWith('r-1', 'r-2');
    for (const release of ['r-3', 'r-4']) {
      const directory = releaseDirectory(state, release);
      await (await createJournal({ directory, release, clock: manualClock() })).close();
    }
    await appendFile(journalFile(state, 'r-4'), '{"at":"2026-11-');
    expect(await locateRelease(state, 'latest')).toBe('r-2');
    expect(await locateRelease(state, 'r-4')).toBe('r-4');
    await truncate(journalFile(state, 'r-2'));
    expect(await locateRelease(state, 'latest')).toBe('r-2');
  });

  it('finds no latest release where none has begun', async () => {
    const state = await scratchDirectory();
    const directory = releaseDirectory(state, 'r-1');
    await (await createJournal({ directory, release: 'r-1', clock: manualClock() })).close();
    await expect(locateRelease(state, 'latest')).rejects.toMatchObject({
      kind: 'invalid',
      remedy: 'Start one with `drover run`.',
    });
  });

  it('says where the known releases are listed when one has no journal', async () => {
    const state = await stateWith('r-1');
    await expect(readRelease(state, 'r-0')).rejects.toMatchObject({
      remedy: 'See the known releases with `drover status --all`.',
    });
  });

  it('says how to begin when there is no release yet', async () => {
    const state = join(await scratchDirectory(), 'not-there-yet');
    await expect(locateRelease(state, 'latest')).rejects.toMatchObject({
      remedy: 'Start one with `drover run`.',
    });
    expect(await listReleases(state)).toEqual([]);
  });
});

describe('the list of releases', () => {
  it('has the newest first, and shows a damaged one with its problem', async () => {
    const state = await stateWith('r-1', 'r-2');
    await appendFile(journalFile(state, 'r-1'), 'scribble\n');
    await mkdir(releaseDirectory(state, 'r-0'));
    const listed = await listReleases(state);
    expect(listed.map((release) => release.id)).toEqual(['r-2', 'r-1', 'r-0']);
    expect(listed[0]?.state?.status).toBe('open');
    expect(listed[1]?.problem?.message).toMatch(/damaged at line 2/);
    expect(listed[2]?.problem?.kind).toBe('invalid');
  });
});
