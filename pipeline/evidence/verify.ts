/**
 * Verify: recompute an evidence bundle, offline, from nothing but its bytes. Decides whether every byte is the one
 * that was signed, and whether what was signed agrees with itself. It reads only files that it found in the directory
 * and the manifest names, at their signed size; it follows no link, and looks at all of them before it answers, so
 * that one run names everything that is wrong.
 */
import { lstat, readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Refused, reasonOf } from '../errors.ts';
import { readChain } from '../journal/chain.ts';
import { foldRelease, type ReleaseState } from '../journal/fold.ts';
import type { JournalRecord } from '../journal/records.ts';
import { errorCode, storageRefused } from '../journal/storage.ts';
import { canonical, sha256 } from '../json.ts';
import {
  artifactName,
  bundleFiles,
  decodeStatement,
  derivedFiles,
  isDocument,
  journaledFacts,
  type ManifestFile,
  namedArtifacts,
  type Predicate,
  renderChecksums,
  renderedFiles,
  rendererId,
} from './bundle.ts';
import { fingerprintOfPem, openEnvelope } from './signature.ts';

/** Something that is not as signed or does not agree. */
export interface Finding {
  /** Name in the bundle. */
  file: string;
  problem: string;
}

export interface VerificationReport {
  directory: string;
  release: string;
  /** The release's status as its journal ends: 'promoted', 'rolled-back', … */
  status: string;
  imageId: string | null;
  exportedAt: string;
  files: number;
  bytes: number;
  records: number;
  key: {
    /** SHA-256 of the public key (SubjectPublicKeyInfo, DER). */
    id: string;
    /** 'given': it is the key the caller trusts. 'bundle': it was only taken from the bundle. */
    trust: 'given' | 'bundle';
    statement: string;
  };
  /** What was checked and found right, one sentence each. */
  checks: string[];
  /** All of this as lines for a person. */
  summary: string[];
}

/** Refused 'unverified' with every finding, for callers that print facts. */
export class EvidenceRejected extends Refused {
  readonly findings: readonly Finding[];
  constructor(directory: string, findings: readonly Finding[]) {
    const shown = findings.slice(0, 20).map(({ file, problem }) => `\n  ${file}: ${problem}`);
    const more = findings.length > shown.length ? `\n  and ${findings.length - shown.length} more` : '';
    super(
      'unverified',
      `the evidence in ${directory} is not as it was signed:${shown.join('')}${more}`,
      'Do not rely on this copy: get the bundle again from its source, or have it exported again.',
    );
    this.findings = findings;
  }
}

/**
 * Verifies the bundle in `directory`. `trustedKey`: the public key the reader trusts, as PEM or as its fingerprint
 * (64 hex digits, optionally after 'sha256:'). Throws EvidenceRejected with every finding; Refused 'invalid' when
 * there is no bundle or the trusted key is not one.
 */
export async function verifyEvidence(request: {
  directory: string;
  trustedKey?: string | undefined;
}): Promise<VerificationReport> {
  const directory = resolve(request.directory);
  const trustedId = request.trustedKey === undefined ? null : trustedFingerprint(request.trustedKey);
  const findings: Finding[] = [];
  const find = (file: string, problem: string) => {
    // The first finding about a file is the most direct one; only the manifest can be wrong in several ways.
    const known = findings.some((finding) => finding.file === file);
    if (!known || file === bundleFiles.manifest) findings.push({ file, problem });
  };

  const { manifest, sizes, publicKey } = await onDisk(directory, async () => {
    await requireBundle(directory);
    const sizes = await listFiles(directory, find);
    const read = (name: string) => readFile(join(directory, name));
    const publicKey = sizes.has(bundleFiles.publicKey) ? await read(bundleFiles.publicKey) : undefined;
    return { manifest: await read(bundleFiles.manifest), sizes, publicKey };
  });
  const signed = openManifest(manifest, publicKey, trustedId, find);
  // What nobody names cannot be held against anything.
  if (!signed) throw new EvidenceRejected(directory, findings);
  const { files, asSigned } = await onDisk(directory, () => readSigned(directory, sizes, signed.files, find));
  files.set(bundleFiles.manifest, manifest);
  const release = checkJournal(files.get(bundleFiles.journal), find);
  // Only bytes that are the signed ones are held against each other: what a changed file breaks elsewhere is noise.
  if (asSigned && release) checkDerived(files, release, signed, find);

  if (findings.length > 0 || !release) throw new EvidenceRejected(directory, findings);
  const { predicate, keyId } = signed;
  const bytes = [...files.values()].reduce((sum, content) => sum + content.length, 0);
  const sameRenderer = predicate.renderer === rendererId;
  const key = describeTrust(keyId, trustedId);
  const checks = [
    `the manifest's Ed25519 signature holds under key ${keyId}`,
    `${signed.files.length} files have the signed size and SHA-256, and there is no other file`,
    `the journal's chain of ${release.records.length} records is unbroken up to the signed end`,
    `${namedArtifacts(release.records).included.length} artifacts are the ones the journal recorded`,
    'image record, verdicts and checksums follow from the journal to the byte',
    sameRenderer
      ? 'the report and the README follow from the journal and the artifacts to the byte'
      : `the report and the README are as signed, but were rendered by another version of Drover ` +
        `(${predicate.droverVersion}), so they were not rendered again`,
  ];
  const { id, status } = release.state;
  return {
    directory,
    release: id,
    status,
    imageId: release.state.image?.id ?? null,
    exportedAt: predicate.exportedAt,
    files: files.size,
    bytes,
    records: release.records.length,
    key,
    checks,
    summary: [
      `verified: evidence of release ${id} (${status}), exported ${predicate.exportedAt}`,
      ...checks.map((check) => `  ${check}`),
      key.statement,
    ],
  };
}

function trustedFingerprint(key: string): string {
  const id = /^(?:sha256:)?([0-9a-f]{64})$/i.exec(key.trim())?.[1]?.toLowerCase() ?? fingerprintOfPem(key);
  if (id) return id;
  throw new Refused(
    'invalid',
    'the trusted key is neither an Ed25519 public key in PEM nor a SHA-256 fingerprint',
    'Give the text of public-key.pem as its owner published it, or its fingerprint of 64 hex digits.',
  );
}

function describeTrust(id: string, trustedId: string | null): VerificationReport['key'] {
  if (trustedId !== null) {
    return { id, trust: 'given', statement: `signed by the key you trust (${id})` };
  }
  const statement =
    `the key was only taken from the bundle: that it is the right one is not verified. ` +
    `Compare its fingerprint with one you got by another way: ${id}`;
  return { id, trust: 'bundle', statement };
}

type Find = (file: string, problem: string) => void;

/** What the disk refuses is Refused, with the directory. */
async function onDisk<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof Refused ? error : storageRefused('read', directory, error);
  }
}

/** Before anything is listed: any directory may be named by mistake, whatever its size. */
async function requireBundle(directory: string): Promise<void> {
  const absent = (error: unknown): null => {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return null;
    throw error;
  };
  const place = await stat(directory).catch(absent);
  if (!place?.isDirectory()) {
    throw new Refused('invalid', `there is no directory ${directory}`, 'Check the path.');
  }
  const manifest = await lstat(join(directory, bundleFiles.manifest)).catch(absent);
  if (manifest?.isFile()) return;
  throw new Refused(
    'invalid',
    `${directory} is not an evidence bundle: it has no ${bundleFiles.manifest}`,
    'Name the directory that `drover evidence export` wrote.',
  );
}

/** Sizes of the regular files below `directory`, by name; anything else there is a finding. */
async function listFiles(directory: string, find: Find): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  await walk('');
  return sizes;

  async function walk(prefix: string): Promise<void> {
    const names = await readdir(join(directory, prefix));
    if (names.length === 0 && prefix !== '') find(prefix, 'an empty directory that does not belong here');
    for (const entry of names.sort()) {
      const name = `${prefix}${entry}`;
      const found = await lstat(join(directory, name));
      if (found.isDirectory()) await walk(`${name}/`);
      else if (found.isFile()) sizes.set(name, found.size);
      else find(name, found.isSymbolicLink() ? 'a symbolic link, not a file' : 'not a regular file');
    }
  }
}

interface SignedManifest {
  files: ManifestFile[];
  predicate: Predicate;
  keyId: string;
}

function openManifest(
  manifest: Uint8Array,
  publicKey: Uint8Array | undefined,
  trustedId: string | null,
  find: Find,
): SignedManifest | null {
  const pem = publicKey ? Buffer.from(publicKey).toString('utf8') : '';
  const opened = openEnvelope(Buffer.from(manifest).toString('utf8'), pem);
  if (typeof opened === 'string') {
    find(bundleFiles.manifest, opened);
    return null;
  }
  if (opened.problem !== null) find(bundleFiles.manifest, opened.problem);
  if (trustedId !== null && fingerprintOfPem(pem) !== trustedId) {
    find(
      bundleFiles.publicKey,
      `this is not the key you trust (${trustedId}), but ${fingerprintOfPem(pem) ?? 'no key'}`,
    );
  }
  const statement = decodeStatement(opened.payload);
  if (!statement) {
    find(bundleFiles.manifest, 'its payload is not an evidence statement as Drover writes it');
    return null;
  }
  return { ...statement, keyId: opened.keyId };
}

/** The files that are signed and here at their signed size; `asSigned` when they are all, to the byte, and no others. */
async function readSigned(
  directory: string,
  sizes: ReadonlyMap<string, number>,
  signed: readonly ManifestFile[],
  find: Find,
): Promise<{ files: Map<string, Uint8Array>; asSigned: boolean }> {
  const files = new Map<string, Uint8Array>();
  let asSigned = true;
  const differs = (file: string, problem: string) => {
    asSigned = false;
    find(file, problem);
  };
  const names = new Set(signed.map((file) => file.name));
  if (names.size !== signed.length) differs(bundleFiles.manifest, 'lists a file twice');
  for (const { name, bytes, sha256: digest } of signed) {
    const size = sizes.get(name);
    if (size === undefined) differs(name, 'missing');
    else if (size !== bytes) differs(name, `changed: ${size} bytes, signed were ${bytes}`);
    else {
      const content = await readFile(join(directory, name));
      files.set(name, content);
      if (sha256(content) !== digest) differs(name, 'changed: its SHA-256 is not the signed one');
    }
  }
  for (const name of sizes.keys()) {
    if (name !== bundleFiles.manifest && !names.has(name)) differs(name, 'extra: not in the signed manifest');
  }
  return { files, asSigned };
}

interface BundledRelease {
  records: JournalRecord[];
  state: ReleaseState;
  headSha256: string;
}

function checkJournal(bytes: Uint8Array | undefined, find: Find): BundledRelease | null {
  const file = bundleFiles.journal;
  if (!bytes) {
    find(file, 'missing');
    return null;
  }
  const reading = readChain(bytes);
  if (!reading.ok) {
    find(file, `line ${reading.damage.line}: ${reading.damage.problem}`);
    return null;
  }
  if (reading.tail.length > 0) find(file, 'its last line is not finished');
  try {
    const state = foldRelease(reading.records);
    return { records: reading.records, state, headSha256: reading.head.sha256 };
  } catch (error) {
    find(file, reasonOf(error));
    return null;
  }
}

/** What follows from the journal must be what is there, whatever the manifest says. */
function checkDerived(
  files: ReadonlyMap<string, Uint8Array>,
  { records, state, headSha256 }: BundledRelease,
  { predicate, keyId }: SignedManifest,
  find: Find,
): void {
  try {
    const facts = journaledFacts(records, state, headSha256);
    for (const key of Object.keys(facts) as (keyof typeof facts)[]) {
      if (canonical(facts[key]) !== canonical(predicate[key])) {
        find(bundleFiles.manifest, `its '${key}' is not what the journal says`);
      }
    }
    const { included } = namedArtifacts(records);
    const documents = new Map<string, string>();
    for (const artifact of included) {
      const content = files.get(artifactName(artifact));
      if (!content) find(artifactName(artifact), 'missing, but named in the journal');
      else if (sha256(content) !== artifact.sha256 || content.length !== artifact.bytes) {
        find(artifactName(artifact), 'not the file the journal recorded');
      } else if (isDocument(artifact)) documents.set(artifact.path, Buffer.from(content).toString('utf8'));
    }
    const derived = derivedFiles({ records, state, documents, keyId });
    const sameRenderer = predicate.renderer === rendererId;
    for (const [name, text] of derived) {
      if (!sameRenderer && renderedFiles.includes(name)) continue;
      const content = files.get(name);
      if (content && !Buffer.from(text, 'utf8').equals(content))
        find(name, 'does not follow from the journal');
    }
    const expected = new Set<string>([
      ...[bundleFiles.manifest, bundleFiles.publicKey, bundleFiles.checksums, bundleFiles.journal],
      ...derived.keys(),
      ...included.map(artifactName),
    ]);
    for (const name of expected) if (!files.has(name)) find(name, 'missing');
    for (const name of files.keys())
      if (!expected.has(name)) find(name, 'extra: the journal knows nothing of it');
    checkChecksums(files, find);
  } catch (error) {
    // Whatever a hostile journal makes the derivation trip over is a finding about the journal.
    find(bundleFiles.journal, `nothing can be derived from it: ${reasonOf(error)}`);
  }
}

function checkChecksums(files: ReadonlyMap<string, Uint8Array>, find: Find): void {
  const content = files.get(bundleFiles.checksums);
  if (!content) return;
  const listed = [...files]
    .filter(([name]) => name !== bundleFiles.checksums && name !== bundleFiles.manifest)
    .map(([name, bytes]) => ({ name, sha256: sha256(bytes), bytes: bytes.length }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (!Buffer.from(renderChecksums(listed), 'utf8').equals(content)) {
    find(bundleFiles.checksums, 'does not list the files that are here');
  }
}
