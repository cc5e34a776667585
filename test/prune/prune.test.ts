/** A weekly run leaves a disk each time: those go that no group could need again, and nothing else does. */

import { appendFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ImageRecord } from '../../pipeline/image.ts';
import { createJournal, openJournal } from '../../pipeline/journal/directory.ts';
import type { Entry, GroupOutcome } from '../../pipeline/journal/records.ts';
import { journalFile, readRelease, releaseDirectory } from '../../pipeline/journal/releases.ts';
import { sha256 } from '../../pipeline/json.ts';
import { pruneDisks } from '../../pipeline/prune.ts';
import { imageRecord } from '../image-record.ts';
import { baseline, manualClock, opened, scratchDirectory } from '../journal/bench.ts';

const clock = manualClock();
const disk = 'x'.repeat(10_000);

interface Told {
  /** Group → how it ended, and the image it had before. */
  groups?: Record<string, { outcome?: GroupOutcome; had: string }>;
  /** Null: it is not over. */
  closed?: 'promoted' | 'rolled-back' | 'failed' | 'stuck' | null;
  builder?: ImageRecord['builder'];
}

/** A release with an image of its own: `r-1` made `ami-1`. */
async function told(state: string, number: number, { groups = {}, closed = 'promoted', builder }: Told = {}) {
  const release = `r-${number}`;
  const directory = releaseDirectory(state, release);
  const journal = await createJournal({ directory, release, clock });
  const entries: Entry[] = [
    opened(release),
    { type: 'image.built', data: imageOf(release, `ami-${number}`, builder ?? 'chroot') },
    ...Object.entries(groups).flatMap(([group, { outcome, had }]): Entry[] => {
      const before = { ...baselineOf(group), imageId: had };
      return [
        { type: 'group.baseline', data: before },
        ...(outcome
          ? [{ type: 'group.finished' as const, data: { group, outcome, reason: 'a test', after: null } }]
          : []),
      ];
    }),
    ...(closed ? [{ type: 'release.closed' as const, data: { outcome: closed, reason: 'a test' } }] : []),
  ];
  for (const entry of entries) await journal.append(entry);
  await journal.close();
  for (const room of ['image', 'scan', 'evidence']) mkdirSync(join(directory, room));
  if (builder !== 'amazon-ebs') writeFileSync(join(directory, 'image/base.qcow2'), disk);
  writeFileSync(join(directory, 'image/tailoring.xml'), '<Tailoring/>');
  writeFileSync(join(directory, 'evidence/manifest.dsse.json'), '{}');
}

const baselineOf = (group: string) => {
  const entry = baseline(1);
  if (entry.type !== 'group.baseline') throw new TypeError('not a baseline');
  return { ...entry.data, group };
};

const imageOf = (release: string, id: string, builder: ImageRecord['builder']): ImageRecord =>
  imageRecord({
    id,
    release,
    builder,
    disk:
      builder === 'amazon-ebs'
        ? null
        : {
            name: 'disk',
            path: 'image/base.qcow2',
            sha256: sha256(disk),
            bytes: disk.length,
            format: 'qcow2',
          },
  });

const prune = (stateDirectory: string, isDryRun = false) =>
  pruneDisks({ stateDirectory, clock, actor: 'ada', isDryRun });

const hasDisk = (state: string, number: number) =>
  existsSync(join(releaseDirectory(state, `r-${number}`), 'image/base.qcow2'));
const disksOf = (state: string, releases: number) =>
  Array.from({ length: releases }, (_, index) => index + 1).filter((number) => hasDisk(state, number));

/** Every file with its size. */
const listing = (directory: string) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => `${name} ${statSync(join(directory, name)).size}`)
    .sort();

/** `count` weeks in which every release moved these groups on. */
async function weeks(count: number, groups = ['web']): Promise<string> {
  const state = await scratchDirectory();
  for (let number = 1; number <= count; number += 1) {
    const moved = { outcome: 'promoted' as const, had: `ami-${number - 1}` };
    await told(state, number, { groups: Object.fromEntries(groups.map((group) => [group, moved])) });
  }
  return state;
}

describe('pruning', () => {
  test('keeps what the groups run and had before, and every other file of every release', async () => {
    const state = await weeks(4);
    const before = listing(state);
    const { removed, kept } = await prune(state);
    expect(removed.map(({ release }) => release)).toEqual(['r-2', 'r-1']);
    expect(kept).toMatchObject([
      { release: 'r-4', why: 'web runs it' },
      { release: 'r-3', why: 'web had it before' },
    ]);
    expect(disksOf(state, 4)).toEqual([3, 4]);
    const gone = before.filter((file) => !listing(state).includes(file) && !file.includes('journal'));
    expect(gone).toEqual(['1', '2'].map((number) => `releases/r-${number}/image/base.qcow2 10000`));
  });

  test('is recorded in the journal of the release, whoever did it', async () => {
    const state = await weeks(3);
    await prune(state);
    const journal = await openJournal({ directory: releaseDirectory(state, 'r-1'), clock });
    expect(journal.records().at(-1)).toMatchObject({
      type: 'disk.pruned',
      data: { path: 'image/base.qcow2', sha256: sha256(disk), bytes: disk.length, actor: 'ada' },
    });
    await journal.close();
    expect(await readRelease(state, 'r-1')).toMatchObject({
      status: 'promoted',
      diskPrunedAt: expect.any(String),
    });
  });

  test('a second time, or dry, changes nothing', async () => {
    const state = await weeks(3);
    const before = listing(state);
    const foreseen = await prune(state, true);
    expect(listing(state)).toEqual(before);
    expect(await prune(state)).toEqual(foreseen);
    const after = listing(state);
    expect((await prune(state)).removed).toEqual([]);
    expect(listing(state)).toEqual(after);
  });

  test('a group that later releases did not touch keeps its own two', async () => {
    const state = await weeks(2, ['web', 'worker']);
    for (const number of [3, 4]) {
      await told(state, number, { groups: { web: { outcome: 'promoted', had: `ami-${number - 1}` } } });
    }
    const { kept } = await prune(state);
    expect(kept.map(({ release, why }) => [release, why])).toEqual([
      ['r-4', 'web runs it'],
      ['r-3', 'web had it before'],
      ['r-2', 'worker runs it'],
      ['r-1', 'worker had it before'],
    ]);
  });

  test('a release that was rolled back is neither what a group runs nor what it had before', async () => {
    const state = await weeks(3);
    const had = 'ami-3';
    await told(state, 4, { groups: { web: { outcome: 'rolled-back', had } }, closed: 'rolled-back' });
    await told(state, 5, { closed: 'failed' });
    await prune(state);
    // The fifth failed its scan, and may be scanned again.
    expect(disksOf(state, 5)).toEqual([2, 3, 5]);
  });

  test.each([null, 'stuck'] as const)(
    'a release that is %s keeps its image, and what its groups had',
    async (closed) => {
      const state = await weeks(1);
      await told(state, 2, { groups: { web: { had: 'ami-1' }, worker: { had: 'ami-1' } }, closed });
      for (const number of [3, 4, 5]) {
        await told(state, number, { groups: { web: { outcome: 'promoted', had: `ami-${number - 1}` } } });
      }
      await prune(state);
      expect(disksOf(state, 5)).toEqual([1, 2, 4, 5]);
    },
  );

  test('what a killed build left goes with the disk of its release', async () => {
    const state = await weeks(3);
    const leftovers = [1, 3].map((number) =>
      join(releaseDirectory(state, `r-${number}`), 'image/.building-abc'),
    );
    for (const leftover of leftovers) {
      mkdirSync(leftover);
      writeFileSync(join(leftover, 'disk.raw'), disk);
    }
    const { removed } = await prune(state);
    expect(removed.map(({ path }) => path)).toContain(leftovers[0]);
    expect(leftovers.map((leftover) => existsSync(leftover))).toEqual([false, true]);
    expect(removed.every(({ bytes }) => bytes >= disk.length)).toBe(true);
  });

  test('a release somebody is writing to, or whose journal is damaged, is left alone', async () => {
    const state = await weeks(4);
    appendFileSync(journalFile(state, 'r-2'), 'garbage\n');
    const writer = await openJournal({ directory: releaseDirectory(state, 'r-1'), clock });
    const { removed, kept } = await prune(state);
    await writer.close();
    expect(removed).toEqual([]);
    expect(kept.slice(-2)).toMatchObject([
      { release: 'r-2', why: 'its journal cannot be read' },
      { release: 'r-1', why: expect.stringMatching(/r-1/) },
    ]);
    expect(disksOf(state, 4)).toEqual([1, 2, 3, 4]);
  });

  test('images in the cloud are named, not touched', async () => {
    const state = await scratchDirectory();
    for (const number of [1, 2, 3]) {
      await told(state, number, {
        groups: { web: { outcome: 'promoted', had: `ami-${number - 1}` } },
        builder: 'amazon-ebs',
      });
    }
    expect(await prune(state)).toEqual({
      removed: [],
      kept: [],
      unneededInCloud: [{ release: 'r-1', image: 'ami-1' }],
    });
  });
});
