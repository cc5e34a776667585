/**
 * The scan of an image that has no disk here: the same checks, judged in the same way, from what inspect.sh saw on
 * a throwaway instance of it. Decides which answer of the instance each check reads; how the instance is launched
 * and reached is the caller's business. A check that cannot be made is a failed verdict.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Refused, reasonOf } from '../../pipeline/errors.ts';
import { type Artifact, codenames, type Verdict } from '../../pipeline/image.ts';
import type { Progress } from '../../pipeline/report/progress.ts';
import { debianFixes, rpmFixes } from '../changelogs.ts';
import { changesOfPackages, packagesBefore } from '../changes.ts';
import {
  checkBoot,
  checkCompliance,
  checkContents,
  checkLeftovers,
  checkSbom,
  checkUpdates,
  readUpdates,
} from '../checks.ts';
import { judgeAnswers } from '../compliance/own.ts';
import { type RawAudit, readAudit } from '../compliance/results.ts';
import type { Contents } from '../contents.ts';
import { dpkgInventory } from '../inventory.ts';
import type { Check } from '../judge.ts';
import { allSettled, type Outcome, outcomeOf, unwrap } from '../outcome.ts';
import { conductScan, type ScanRequest } from '../request.ts';
import { parseRpmList, reportOfAdvisories } from '../rpm.ts';
import { linesOf } from '../text.ts';
import { type CheckContext, type Finding, verdictOf, writeArtifact } from '../verdict.ts';
import {
  type Archive,
  answerOf,
  auditIn,
  bootIn,
  leftoversIn,
  openArchive,
  ownAnswersIn,
} from './archive.ts';
import { writeInputs } from './inputs.ts';

export interface InstanceScanOptions extends ScanRequest {
  /**
   * Launches an instance of the image, runs inspect.sh of `inputs` there and leaves its archive at `archivePath`;
   * nothing of the instance is left, whatever happens.
   */
  inspect: (work: {
    inputs: string;
    archivePath: string;
    logFile: string;
    progress: Progress;
  }) => Promise<void>;
}

/**
 * Verdicts as `scanImage` gives them.
 * @throws Refused('invalid') for a bad policy file, whatever `inspect` refuses, and the abort's reason
 */
export const scanInstance = (options: InstanceScanOptions): Promise<Verdict[]> =>
  conductScan(options, async ({ context, content, budget, scratch }) => {
    const { image, previous, progress, signal } = options;
    const logFile = join(scratch, 'inspect.log');
    const archive = await progress.step('Inspect a throwaway instance', (step) =>
      archiveOf(options, step, scratch, logFile),
    );
    const verdict = (check: Check, work: (archive: Archive) => Promise<Finding>) =>
      verdictOf(context, check, async () => work(unwrap(archive)));
    const codename = codenames[image.distribution];
    const inventoryOf = (open: Archive) => (codename ? dpkgInventory(open.root) : rpmInventory(open));
    const readUpdatesOf = async (open: Archive) =>
      codename
        ? readUpdates(context, { root: open.root, codename, directory: join(scratch, 'updates') })
        : reportOfAdvisories(
            await rpmInventory(open),
            await answerOf(open, 'dnf-updates'),
            await answerOf(open, 'dnf-cves'),
            await answerOf(open, 'dnf-all'),
          );
    const updates = outcomeOf((async () => readUpdatesOf(unwrap(archive)))(), signal);
    updates.catch(() => {});
    const [compliance, updatesVerdict, sbom, contents, boot, leftovers] = await allSettled([
      verdict('compliance', async (open) => {
        const booted = await outcomeOf(rawAudit(open), signal);
        return checkCompliance(context, options, content, null, booted);
      }),
      verdict('updates', async () => checkUpdates(context, unwrap(await updates))),
      verdict('sbom', async (open) =>
        checkSbom(context, image, open.root, await inventoryOf(open), await updates),
      ),
      verdict('contents', async (open) => {
        const { packages } = await inventoryOf(open);
        const fixesOf = (codename ? debianFixes : rpmFixes)(open.changelogOf);
        const changes = previous && (await changesOfPackages(previous, packages, fixesOf));
        return checkContents(context, await contentsIn(open, packages.length), budget, changes);
      }),
      verdict('boot', async (open) => checkBoot(context, await bootIn(open), { instance: true })),
      verdict('leftovers', async (open) => {
        const { root, untold } = await leftoversIn(open);
        return checkLeftovers(context, root, untold);
      }),
    ]);
    // Above all when there is no archive: the log says why.
    const artifacts = [...boot.artifacts, ...(await logOf(context, logFile))];
    return { compliance, updates: updatesVerdict, sbom, contents, boot: { ...boot, artifacts }, leftovers };
  });

/** Only a refusal and an abort end the scan: nothing else may take the verdicts away. */
async function archiveOf(
  options: InstanceScanOptions,
  progress: Progress,
  scratch: string,
  logFile: string,
): Promise<Outcome<Archive>> {
  const { content, tailoring, previous, signal, inspect } = options;
  const inputs = join(scratch, 'inputs');
  const archivePath = join(scratch, 'result.tar.gz');
  try {
    // Unreadable, it fails the check that compares with it, and that alone.
    const before = previous ? await packagesBefore(previous).catch(() => new Map()) : new Map();
    const audit = {
      contentPath: content.file,
      tailoringPath: tailoring.path,
      profileId: tailoring.profileId,
    };
    await writeInputs(inputs, audit, before);
    await inspect({ inputs, archivePath, logFile, progress });
    return { value: await openArchive(archivePath, join(scratch, 'archive'), signal) };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Refused) throw error;
    return { reason: `no instance of the image could be looked at: ${reasonOf(error)}` };
  }
}

async function rawAudit(archive: Archive): Promise<RawAudit> {
  const run = await auditIn(archive);
  return { ...run, answer: readAudit(run), own: judgeAnswers(await ownAnswersIn(archive)) };
}

/** What measure() says of a mounted image, as the instance said it. */
async function contentsIn(archive: Archive, packages: number): Promise<Contents> {
  const usedBytes = Number((await answerOf(archive, 'used')).split('\n')[1]);
  if (!Number.isInteger(usedBytes))
    throw new Error('the instance did not say how much of its disk is in use');
  return { packages, usedBytes, setuid: linesOf(await answerOf(archive, 'setuid')).sort() };
}

const rpmInventory = async (archive: Archive) => parseRpmList(await answerOf(archive, 'rpm'));

async function logOf(context: CheckContext, path: string): Promise<Artifact[]> {
  const text = await readFile(path).catch(() => null);
  return text ? [await writeArtifact(context, 'inspect.txt.gz', gzipSync(text))] : [];
}
