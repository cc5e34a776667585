/** Evidence: what happened, exported so that somebody who trusts nobody can verify it offline. */
import { join } from 'node:path';
import { exportEvidence } from '../evidence/export.ts';
import { releaseDirectory } from '../journal/releases.ts';
import { droverVersion } from '../version.ts';
import { type ReleaseContext, runStage } from './context.ts';

/** Where a release's own bundle stands. */
export const bundleDirectory = (stateDirectory: string, release: string): string =>
  join(releaseDirectory(stateDirectory, release), 'evidence');

export const evidence = (context: ReleaseContext): Promise<void> =>
  runStage(context, 'evidence', async ({ stateDirectory, clock, journal }) => {
    const outputDirectory = bundleDirectory(stateDirectory, journal.release);
    const bundle = await exportEvidence({
      stateDirectory,
      release: journal.release,
      outputDirectory,
      clock,
      droverVersion,
    });
    return {
      summary: `${bundle.files} files, signed by key ${bundle.keyId.slice(0, 16)}, in ${bundle.directory}`,
    };
  });
