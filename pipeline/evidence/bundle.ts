/**
 * What an evidence bundle consists of. Decides which files belong in it and which of them follow from the journal
 * alone, so that export writes and verify regenerates by the same functions. Pure but for reading its own source.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { Refused } from '../errors.ts';
import type { Artifact } from '../image.ts';
import type { ReleaseState } from '../journal/fold.ts';
import type { JournalRecord } from '../journal/records.ts';
import { canonical, type JsonObject, sha256 } from '../json.ts';
import { renderReport } from '../report/html.ts';
import { renderReadme } from './readme.ts';

/** Names inside the bundle. */
export const bundleFiles = {
  manifest: 'manifest.dsse.json',
  publicKey: 'public-key.pem',
  checksums: 'SHA256SUMS',
  journal: 'journal.jsonl',
  image: 'image.json',
  verdicts: 'verdicts.json',
  report: 'report.html',
  readme: 'README.txt',
} as const;

/** Where an artifact lies in the bundle: its path in the release, under one directory of its own. */
export const artifactName = (artifact: Artifact): string => `artifacts/${artifact.path}`;

export interface NamedArtifacts {
  /** The newest of each path: these are in the bundle. */
  included: Artifact[];
  /** Earlier contents of a path that a repeated stage wrote again: only their digests remain. */
  superseded: Artifact[];
  /** Disks: too big to carry, their digests are the evidence. */
  disks: Artifact[];
}

/** Every artifact the journal names. Throws Refused 'unverified' for a path that leaves the release's directory. */
export function namedArtifacts(records: readonly JournalRecord[]): NamedArtifacts {
  const diskPaths = new Set<string>();
  const newest = new Map<string, Artifact>();
  const superseded: Artifact[] = [];
  for (const record of records) {
    if (record.type === 'image.built' && record.data.disk) diskPaths.add(record.data.disk.path);
    for (const { name, path, sha256: digest, bytes } of artifactsOf(record)) {
      refuseOutside(path);
      const earlier = newest.get(path);
      if (earlier && earlier.sha256 !== digest) superseded.push(earlier);
      newest.set(path, { name, path, sha256: digest, bytes });
    }
  }
  const all = [...newest.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    included: all.filter((artifact) => !diskPaths.has(artifact.path)),
    superseded: superseded.filter((artifact) => !diskPaths.has(artifact.path)),
    disks: all.filter((artifact) => diskPaths.has(artifact.path)),
  };
}

function artifactsOf(record: JournalRecord): Artifact[] {
  if (record.type === 'stage.finished' || record.type === 'verdict') return record.data.artifacts;
  if (record.type === 'image.built' && record.data.disk) return [record.data.disk];
  return [];
}

function refuseOutside(path: string): void {
  const parts = path.split('/');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const odd = /[\u0000-\u001f\u007f\\]/.test(path);
  if (!odd && parts.every((part) => part !== '' && part !== '.' && part !== '..')) return;
  throw new Refused(
    'unverified',
    `the journal names an artifact outside its release: ${JSON.stringify(path)}`,
    'No evidence is made of this: find out who wrote that record.',
  );
}

/** Files that follow from the journal, the artifacts' texts and the key: name in the bundle → content. */
export function derivedFiles(input: {
  records: readonly JournalRecord[];
  state: ReleaseState;
  /** Texts of JSON artifacts by path, for the report. */
  documents: ReadonlyMap<string, string>;
  keyId: string;
}): Map<string, string> {
  const { records, state, documents, keyId } = input;
  const files = new Map<string, string>();
  if (state.image) files.set(bundleFiles.image, `${canonical(state.image)}\n`);
  const verdicts = { release: state.id, verdicts: state.verdicts, overrides: state.overrides };
  files.set(bundleFiles.verdicts, `${canonical(verdicts)}\n`);
  files.set(bundleFiles.report, renderReport(records, documents));
  files.set(bundleFiles.readme, renderReadme(state, keyId));
  return files;
}

/** Rendered for people, so their look may differ between versions of Drover; see `rendererId`. */
export const renderedFiles: readonly string[] = [bundleFiles.report, bundleFiles.readme];

/** The report reads JSON artifacts; the bound keeps a huge one from being held in memory as text. */
export const isDocument = (artifact: Artifact): boolean =>
  artifact.path.endsWith('.json') && artifact.bytes <= 64 * 1024 * 1024;

/**
 * Identifies what renders report and README: a digest over its source. A bundle verified by the version that made
 * it must render to the same bytes; years later, under another version, the signature alone vouches for the look.
 * Read when this code is loaded, so that it names the code that runs even where the checkout is updated meanwhile.
 */
export const rendererId: string = digestOfRenderer();

function digestOfRenderer(): string {
  const pipeline = join(import.meta.dirname, '..');
  const report = readdirSync(join(pipeline, 'report')).filter((name) => /^html.*\.ts$/.test(name));
  const sources = [
    ...report.map((name) => join('report', name)),
    join('evidence', 'readme.ts'),
    join('journal', 'fold.ts'),
  ].sort();
  return sha256(sources.map((name) => `${name}\0${sha256(readFileSync(join(pipeline, name)))}\n`).join(''));
}

/** The format of sha256sum(1), for the reader who has nothing else. */
export const renderChecksums = (files: readonly ManifestFile[]): string =>
  files.map((file) => `${file.sha256}  ${file.name}\n`).join('');

export interface ManifestFile {
  name: string;
  sha256: string;
  bytes: number;
}

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const artifactShape = z.strictObject({
  name: z.string(),
  path: z.string(),
  sha256: digest,
  bytes: z.int().min(0),
});

/** What the manifest says about the release; all but time, version and renderer follows from the journal. */
const predicateShape = z.strictObject({
  release: z.string(),
  status: z.string(),
  imageId: z.string().nullable(),
  exportedAt: z.string(),
  droverVersion: z.string(),
  renderer: digest,
  journal: z.strictObject({ records: z.int(), sha256: digest }),
  disks: z.array(artifactShape),
  superseded: z.array(artifactShape),
});
export type Predicate = z.output<typeof predicateShape>;

/** https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md; sizes are resource annotations. */
const statementShape = z.strictObject({
  _type: z.literal('https://in-toto.io/Statement/v1'),
  subject: z.array(
    z.strictObject({
      name: z.string(),
      digest: z.strictObject({ sha256: digest }),
      annotations: z.strictObject({ bytes: z.int().min(0) }),
    }),
  ),
  predicateType: z.literal('urn:drover:evidence:v1'),
  predicate: predicateShape,
});

/** Canonical bytes of the in-toto statement over `files`. */
export function encodeStatement(files: readonly ManifestFile[], predicate: Predicate): Uint8Array {
  const statement: z.input<typeof statementShape> = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: files.map(({ name, sha256: hex, bytes }) => ({
      name,
      digest: { sha256: hex },
      annotations: { bytes },
    })),
    predicateType: 'urn:drover:evidence:v1',
    predicate,
  };
  return Buffer.from(canonical(statement), 'utf8');
}

/** Null when the payload is not exactly a statement Drover writes. */
export function decodeStatement(payload: Uint8Array): { files: ManifestFile[]; predicate: Predicate } | null {
  let value: unknown;
  const text = Buffer.from(payload).toString('utf8');
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const parsed = statementShape.safeParse(value);
  if (!parsed.success || canonical(value as JsonObject) !== text) return null;
  const { subject, predicate } = parsed.data;
  const files = subject.map((s) => ({ name: s.name, sha256: s.digest.sha256, bytes: s.annotations.bytes }));
  return { files, predicate };
}

/** The part of the predicate that follows from the journal. */
export function journaledFacts(
  records: readonly JournalRecord[],
  state: ReleaseState,
  headSha256: string,
): Pick<Predicate, 'release' | 'status' | 'imageId' | 'journal' | 'disks' | 'superseded'> {
  const { disks, superseded } = namedArtifacts(records);
  return {
    release: state.id,
    status: state.status,
    imageId: state.image?.id ?? null,
    journal: { records: records.length, sha256: headSha256 },
    disks,
    superseded,
  };
}
