/** `drover evidence`: the bundle for the auditor, and its verification, which needs nothing but the bundle. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Refused, reasonOf } from '../errors.ts';
import { exportEvidence } from '../evidence/export.ts';
import { verifyEvidence } from '../evidence/verify.ts';
import { locateRelease } from '../journal/releases.ts';
import { bundleDirectory } from '../stages/evidence.ts';
import { droverVersion } from '../version.ts';
import type { Session } from './session.ts';

export async function evidenceExport(
  session: Session,
  wanted: string,
  options: { output?: string },
): Promise<void> {
  const { stateDirectory, clock } = session;
  const release = await locateRelease(stateDirectory, wanted);
  const outputDirectory = resolve(options.output ?? bundleDirectory(stateDirectory, release));
  const bundle = await exportEvidence({ stateDirectory, release, outputDirectory, clock, droverVersion });
  session.print(
    bundle,
    `${bundle.directory}\n${bundle.files} files, manifest ${bundle.manifestSha256}, key ${bundle.keyId}`,
  );
}

/** `wanted` is a directory, or a release whose own bundle is meant. */
export async function evidenceVerify(
  session: Session,
  wanted: string,
  options: { key?: string },
): Promise<void> {
  const { stateDirectory } = session;
  if (wanted.includes('/') && !existsSync(wanted)) {
    throw new Refused(
      'invalid',
      `there is no bundle at ${resolve(wanted)}`,
      'Name the directory that `drover evidence export` has written, or a release.',
    );
  }
  const directory = existsSync(wanted) ? resolve(wanted) : await ownBundle(stateDirectory, wanted);
  const verified = await verifyEvidence({ directory, ...trusted(options.key) });
  session.print(verified, verified.summary.join('\n'));
}

async function ownBundle(stateDirectory: string, wanted: string): Promise<string> {
  const release = await locateRelease(stateDirectory, wanted);
  const directory = bundleDirectory(stateDirectory, release);
  if (existsSync(directory)) return directory;
  throw new Refused(
    'invalid',
    `no evidence of release ${release} has been exported to ${directory}`,
    `Export it with \`drover evidence export ${release}\`, or name the directory it was exported to.`,
  );
}

function trusted(file: string | undefined): { trustedKey?: string } {
  if (!file) return {};
  try {
    return { trustedKey: readFileSync(file, 'utf8') };
  } catch (error) {
    throw new Refused('invalid', `--key ${file}: ${reasonOf(error)}`, 'Name a public key in PEM.', {
      cause: error,
    });
  }
}
