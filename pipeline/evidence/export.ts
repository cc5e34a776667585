/**
 * Export: a release's journal and everything it names, as a signed directory that needs nothing else. Decides
 * that a bundle is made whole or not at all, and only of artifacts that are what the journal recorded. Reads the
 * release, never writes to it; an export can be repeated at any time.
 */
import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Clock, timestamp } from '../clock.ts';
import { Refused } from '../errors.ts';
import type { Artifact } from '../image.ts';
import { readChain } from '../journal/chain.ts';
import { readJournal } from '../journal/directory.ts';
import { foldRelease } from '../journal/fold.ts';
import { journalFile, releaseDirectory } from '../journal/releases.ts';
import { errorCode, makeDirectory, storageRefused, syncDirectory, writeNewFile } from '../journal/storage.ts';
import { sha256 } from '../json.ts';
import {
  artifactName,
  bundleFiles,
  decodeStatement,
  derivedFiles,
  encodeStatement,
  isDocument,
  journaledFacts,
  type ManifestFile,
  namedArtifacts,
  renderChecksums,
  rendererId,
} from './bundle.ts';
import { loadSigningKey, openEnvelope, sealEnvelope } from './signature.ts';

export interface EvidenceBundle {
  directory: string;
  /** Digest of manifest.dsse.json: one number that stands for the whole bundle. */
  manifestSha256: string;
  /** Fingerprint of the signing key. */
  keyId: string;
  /** Files in the bundle, the manifest included. */
  files: number;
}

/**
 * Writes the bundle to `outputDirectory` (by default STATE/releases/<id>/evidence), which must not exist, be empty, or hold an earlier bundle of the same
 * release (which is then replaced). Throws Refused: 'unverified' when the journal or an artifact is not what was
 * recorded, 'invalid' when the output holds something else, 'environment' when it cannot be written.
 */
export async function exportEvidence(request: {
  stateDirectory: string;
  /** Exact id. */
  release: string;
  outputDirectory?: string | undefined;
  clock: Clock;
  droverVersion: string;
}): Promise<EvidenceBundle> {
  const { stateDirectory, release, clock, droverVersion } = request;
  const directory = releaseDirectory(stateDirectory, release);
  const output = resolve(request.outputDirectory ?? join(directory, 'evidence'));

  await refuseForeignOutput(output, release);

  const contents = new Map<string, Uint8Array>();
  const journal = await journalBytes(journalFile(stateDirectory, release));
  contents.set(bundleFiles.journal, journal.bytes);
  const documents = new Map<string, string>();
  for (const artifact of namedArtifacts(journal.records).included) {
    const bytes = await recordedBytes(directory, artifact);
    contents.set(artifactName(artifact), bytes);
    if (isDocument(artifact)) documents.set(artifact.path, Buffer.from(bytes).toString('utf8'));
  }

  const key = await loadSigningKey(stateDirectory);
  const state = foldRelease(journal.records);
  const derived = derivedFiles({ records: journal.records, state, documents, keyId: key.keyId });
  for (const [name, text] of derived) contents.set(name, Buffer.from(text, 'utf8'));
  contents.set(bundleFiles.publicKey, Buffer.from(key.publicKeyPem, 'utf8'));
  contents.set(bundleFiles.checksums, Buffer.from(renderChecksums(describe(contents)), 'utf8'));

  const statement = encodeStatement(describe(contents), {
    ...journaledFacts(journal.records, state, journal.headSha256),
    exportedAt: timestamp(clock.now()),
    droverVersion,
    renderer: rendererId,
  });
  const manifest = sealEnvelope(statement, key);
  contents.set(bundleFiles.manifest, Buffer.from(manifest, 'utf8'));
  await writeWhole(output, contents);
  return { directory: output, manifestSha256: sha256(manifest), keyId: key.keyId, files: contents.size };
}

/** The journal's complete lines, verified; a line its writer has not finished is not part of it yet. */
async function journalBytes(file: string) {
  await readJournal(file); // against journal.head, with its message
  const reading = readChain(await readFile(file));
  if (!reading.ok) throw new Error(`${file} changed while it was read`);
  const bytes = (await readFile(file)).subarray(0, reading.soundBytes);
  return { bytes, records: reading.records, headSha256: reading.head.sha256 };
}

async function recordedBytes(directory: string, artifact: Artifact): Promise<Uint8Array> {
  const path = join(directory, artifact.path);
  const remedy =
    'Restore it from a backup, or, if a stage was interrupted while writing it, run that stage again: `drover resume`.';
  const bytes = await readFile(path).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw storageRefused('read the artifact', path, error);
    throw new Refused(
      'unverified',
      `${path} is missing, but the journal names it (${artifact.name})`,
      remedy,
    );
  });
  if (sha256(bytes) === artifact.sha256 && bytes.length === artifact.bytes) return bytes;
  throw new Refused('unverified', `${path} is not the file the journal recorded (${artifact.name})`, remedy);
}

function describe(contents: ReadonlyMap<string, Uint8Array>): ManifestFile[] {
  return [...contents]
    .map(([name, bytes]) => ({ name, sha256: sha256(bytes), bytes: bytes.length }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Only nothing, or an earlier bundle of this very release, may be replaced. */
async function refuseForeignOutput(output: string, release: string): Promise<void> {
  const names = await readdir(output).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    if (errorCode(error) === 'ENOTDIR') return [output];
    throw storageRefused('look at', output, error);
  });
  if (names.length === 0) return;
  if (names.includes(bundleFiles.manifest) && (await bundledRelease(output)) === release) return;
  throw new Refused(
    'invalid',
    `${output} exists and is not an evidence bundle of release ${release}`,
    'Name another directory with --output, or move that one away.',
  );
}

async function bundledRelease(directory: string): Promise<string | null> {
  try {
    const manifest = await readFile(join(directory, bundleFiles.manifest), 'utf8');
    const opened = openEnvelope(manifest, await readFile(join(directory, bundleFiles.publicKey), 'utf8'));
    return typeof opened === 'string' ? null : (decodeStatement(opened.payload)?.predicate.release ?? null);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw storageRefused('read', directory, error);
  }
}

/** Written beside the output, made durable, then moved there: a bundle is whole or absent. */
async function writeWhole(output: string, contents: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const parent = dirname(output);
  const unfinished = join(parent, `.evidence-${randomUUID()}`);
  try {
    await makeDirectory(unfinished);
    const directories = new Set([unfinished]);
    for (const [name, bytes] of contents) {
      const path = join(unfinished, name);
      directories.add(dirname(path));
      await makeDirectory(dirname(path));
      await writeNewFile(path, bytes);
    }
    for (const directory of directories) await syncDirectory(directory);
    // A directory can replace an empty one only, so an earlier bundle steps aside first.
    const previous = join(parent, `.evidence-${randomUUID()}`);
    const replaced = await rename(output, previous).then(
      () => true,
      (error: unknown) => {
        if (errorCode(error) === 'ENOENT') return false;
        throw error;
      },
    );
    await rename(unfinished, output);
    if (replaced) await rm(previous, { recursive: true });
    await syncDirectory(parent);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw storageRefused('write the evidence to', output, error);
  }
}
