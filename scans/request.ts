/**
 * What a scan is asked, wherever the image is, and how every scan begins and ends: the policies are read first and
 * judge last, and scratch files do not outlive it. How a check is made is not decided here.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, timestamp } from '../pipeline/clock.ts';
import { Refused, reasonOf } from '../pipeline/errors.ts';
import type { ImageRecord, Verdict } from '../pipeline/image.ts';
import { type Policy, parsePolicies } from '../pipeline/policy/policy.ts';
import type { Progress } from '../pipeline/report/progress.ts';
import { type PreviousScan, summaryOf, writeChanges } from './changes.ts';
import { type Content, parseContent } from './compliance/content.ts';
import type { Waiver } from './compliance/report.ts';
import { type Budget, readBudget } from './contents.ts';
import { type Check, checks, judge, type Override } from './judge.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import { type CheckContext, verdictOf, writeJsonArtifact } from './verdict.ts';
import { checkVulnerabilities } from './vulnerabilities/check.ts';
import type { ScannerCommand } from './vulnerabilities/scanners.ts';

export interface ScanRequest {
  image: ImageRecord;
  /** The SCAP data stream, and the identity it must have. */
  content: { file: string; sha256: string; version: string; package: string };
  /** The compiled XCCDF tailoring, and the id of the profile in it. */
  tailoring: { path: string; profileId: string };
  waivers: readonly Waiver[];
  /** Soft-mandatory failures somebody has accepted. */
  overrides?: readonly Override[];
  /** Everything the scan writes goes here; `Artifact.path` is relative to `releaseDir`. */
  outputDir: string;
  releaseDir: string;
  /** Scanner disks, and scratch space. */
  cacheDir: string;
  policiesPath: string;
  budgetPath: string;
  /** Vulnerability scanners besides the distribution's own word, and the KEV catalogue, where there are any. */
  scanners: readonly ScannerCommand[];
  kevPath: string | null;
  /** The release before; null for the first of its line. */
  previous: PreviousScan | null;
  clock: Clock;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

export interface ScanSession {
  context: CheckContext;
  content: Outcome<Content>;
  budget: Budget;
  /** An empty directory that is removed after the scan. */
  scratch: string;
}

/** What the image itself is asked for; 'vulnerabilities' follows from what that left. */
export type Asked = Record<Exclude<Check, 'vulnerabilities'>, Verdict>;

/**
 * Has `work` ask the image, draws the conclusions, then judges: verdicts in the order of `checks`, and the one of check
 * 'policy' last.
 * @throws Refused('invalid') for a bad policy or budget file, and whatever `work` throws
 */
export async function conductScan(
  request: ScanRequest,
  work: (session: ScanSession) => Promise<Asked>,
): Promise<Verdict[]> {
  const { image, outputDir, releaseDir, cacheDir, clock, signal, previous, progress } = request;
  const policies = await readPolicies(request.policiesPath);
  const budget = readBudget(request.budgetPath, image.role);
  await mkdir(outputDir, { recursive: true });
  await mkdir(cacheDir, { recursive: true });
  const context: CheckContext = { imageId: image.id, clock, signal, outputDir, releaseDir };
  const scratch = await mkdtemp(join(cacheDir, 'scan.'));
  try {
    const asked = await work({ context, content: await readContent(request), budget, scratch });
    const vulnerabilities = await progress.step('Vulnerabilities', () =>
      verdictOf(context, 'vulnerabilities', () =>
        checkVulnerabilities(context, { ...request, previousDir: previous?.directory ?? null }),
      ),
    );
    const contents = await compared(request, asked.contents, context);
    const made: Record<Check, Verdict> = { ...asked, vulnerabilities, contents };
    const verdicts = checks.map((check) => made[check]);
    return [...verdicts, await judged(request, context, policies, verdicts)];
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The contents' verdict with what changed since the release before, where there is one. */
async function compared(
  { previous, progress }: ScanRequest,
  verdict: Verdict,
  context: CheckContext,
): Promise<Verdict> {
  const changed = previous && (await writeChanges(context, previous));
  if (!changed) return verdict;
  const summary = summaryOf(changed.changes);
  progress.note(summary);
  return {
    ...verdict,
    reasons: [...verdict.reasons, summary],
    artifacts: [...verdict.artifacts, changed.artifact],
  };
}

async function judged(
  { image, overrides = [], clock }: ScanRequest,
  context: CheckContext,
  policies: readonly Policy[],
  verdicts: readonly Verdict[],
): Promise<Verdict> {
  const at = timestamp(clock.now());
  const { verdict, results } = judge({ imageId: image.id, verdicts, policies, overrides, at });
  const artifact = await writeJsonArtifact(context, 'policy.json', { schema: 'drover/policy@1', results });
  return { ...verdict, artifacts: [artifact] };
}

export async function readPolicies(path: string): Promise<Policy[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new Refused('invalid', `${path}: ${reasonOf(error)}`, 'Name a policy file with image.policies.');
  });
  return parsePolicies(text, path, checks);
}

/** The content must be the very file the image was hardened with. */
function readContent({ content }: ScanRequest): Promise<Outcome<Content>> {
  const read = async () => {
    const bytes = await readFile(content.file);
    const found = createHash('sha256').update(bytes).digest('hex');
    if (found !== content.sha256)
      throw new Error(`${content.file} is not the content the image was hardened with`);
    return parseContent(bytes.toString('utf8'));
  };
  return outcomeOf(read(), undefined);
}
