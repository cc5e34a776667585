/** A state directory with one told release, and its exported bundle. */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type EvidenceBundle, exportEvidence } from '../../pipeline/evidence/export.ts';
import { createJournal } from '../../pipeline/journal/directory.ts';
import { releaseDirectory } from '../../pipeline/journal/releases.ts';
import { type ManualClock, manualClock, scratchDirectory } from '../journal/bench.ts';
import { type Story, tellStory } from '../report/story.ts';

export const release = 'r-20261122-063412-k7wq';

export interface TestState {
  stateDirectory: string;
  directory: string;
  clock: ManualClock;
  export: (outputDirectory?: string) => Promise<EvidenceBundle>;
}

/** In a scratch directory, unless the caller names (and removes) one. */
export async function toldState(variation: Partial<Story> = {}, within?: string): Promise<TestState> {
  const stateDirectory = within ?? (await scratchDirectory());
  const directory = releaseDirectory(stateDirectory, release);
  const clock = manualClock();
  const journal = await createJournal({ directory, release, clock });
  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  };
  await tellStory({ journal, clock, write, ...variation });
  await journal.close();
  return {
    stateDirectory,
    directory,
    clock,
    export: (outputDirectory) =>
      exportEvidence({ stateDirectory, release, outputDirectory, clock, droverVersion: '0.1.0' }),
  };
}

/** A copy of a bundle that a test may spoil. */
export async function copyOf(bundle: Pick<EvidenceBundle, 'directory'>): Promise<string> {
  const directory = join(await scratchDirectory(), 'bundle');
  await cp(bundle.directory, directory, { recursive: true });
  return directory;
}
