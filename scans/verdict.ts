/**
 * How a check becomes a verdict. Decides one thing: whatever goes wrong, there is exactly one verdict, and it is
 * `failed` with the reason. Only an abort is passed on.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type Clock, timestamp } from '../pipeline/clock.ts';
import { reasonOf } from '../pipeline/errors.ts';
import type { Artifact, Verdict } from '../pipeline/image.ts';
import { sha256 } from '../pipeline/json.ts';
import type { Check } from './judge.ts';

export type Finding = Pick<Verdict, 'status' | 'reasons' | 'facts' | 'artifacts'>;

export interface CheckContext {
  imageId: string;
  releaseDir: string;
  outputDir: string;
  clock: Clock;
  signal?: AbortSignal | undefined;
}

/** Runs `work` and stamps its finding; `seconds` is added to the facts. @throws only the abort's reason */
export async function verdictOf(
  { imageId, clock, signal }: CheckContext,
  check: Check,
  work: () => Promise<Finding>,
): Promise<Verdict> {
  const started = clock.now();
  const finding = await work().catch((error: unknown): Finding => {
    signal?.throwIfAborted();
    return {
      status: 'failed',
      reasons: [`the ${check} check could not be made: ${sentenceOf(error)}`],
      facts: {},
      artifacts: [],
    };
  });
  const facts = { ...finding.facts, seconds: secondsSince(started, clock) };
  return { imageId, check, ...finding, facts, at: timestamp(clock.now()) };
}

/** To a tenth. */
export const secondsSince = (startedMs: number, clock: Clock): number =>
  Math.round((clock.now() - startedMs) / 100) / 10;

/** Writes a file of the scan and describes it; the path is relative to the release's directory. */
export async function writeArtifact(
  { releaseDir, outputDir }: Pick<CheckContext, 'releaseDir' | 'outputDir'>,
  name: string,
  data: string | Uint8Array,
): Promise<Artifact> {
  const path = join(outputDir, name);
  await mkdir(outputDir, { recursive: true });
  await writeFile(path, data);
  return {
    name,
    path: relative(releaseDir, path),
    sha256: sha256(data),
    bytes: typeof data === 'string' ? Buffer.byteLength(data) : data.length,
  };
}

/** Pretty JSON with a final newline: evidence is read by people, too. */
export const writeJsonArtifact = (
  context: Pick<CheckContext, 'releaseDir' | 'outputDir'>,
  name: string,
  value: unknown,
): Promise<Artifact> => writeArtifact(context, name, `${JSON.stringify(value, null, 2)}\n`);

/** Tools' messages go on for pages; a reason is one sentence. */
export const sentenceOf = (error: unknown): string =>
  reasonOf(error)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(0, 2)
    .join(' — ')
    .slice(0, 400);
