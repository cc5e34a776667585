/**
 * The scan of a finished image: every check once, one verdict each, and the judge's over them. Reads as the
 * story: while the throwaway VM boots, the mounted disk is audited, listed and compared with the distribution's
 * updates; once it is up, the boot is tested and the rules that need a running system are asked there.
 *
 * Decides the order and what runs beside what. A check that cannot be made is a failed verdict.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import type { Accelerator } from '../packer/accelerator.ts';
import { Refused, reasonOf } from '../pipeline/errors.ts';
import { type Artifact, codenames, type ImageRecord, type Verdict } from '../pipeline/image.ts';
import type { Progress } from '../pipeline/report/progress.ts';
import { observeBoot } from './boot-test.ts';
import { debianFixes, installedChangelog } from './changelogs.ts';
import { changesOfPackages } from './changes.ts';
import {
  checkBoot,
  checkCompliance,
  checkContents,
  checkLeftovers,
  checkSbom,
  checkUpdates,
  readUpdates,
} from './checks.ts';
import { askAsRoot, auditBooted, scannerDiskName, seedFiles } from './compliance/booted.ts';
import type { Content } from './compliance/content.ts';
import { auditOffline } from './compliance/offline.ts';
import { askQuestions, judgeAnswers } from './compliance/own.ts';
import { rulesForBoot } from './compliance/report.ts';
import { type RawAudit, readAudit } from './compliance/results.ts';
import { type Budget, measure } from './contents.ts';
import { withMountedDisk } from './disk.ts';
import { dpkgInventory } from './inventory.ts';
import { allSettled, type Outcome, outcomeOf, unwrap } from './outcome.ts';
import { conductScan, type ScanRequest } from './request.ts';
import { provideScannerDisk, type ScannerDisk } from './scanner-disk.ts';
import { writeSeed } from './seed.ts';
import {
  type CheckContext,
  type Finding,
  secondsSince,
  sentenceOf,
  verdictOf,
  writeArtifact,
} from './verdict.ts';
import { withVm } from './vm.ts';

export interface ScanOptions extends ScanRequest {
  /** The image's qcow2 disk on this machine. */
  diskPath: string;
  /** As `probeAccelerator` found it. */
  accelerator: Accelerator;
}

/**
 * Makes every check of `checks`, then judges: their verdicts in that order, and the one of check 'policy' last.
 * @throws Refused('invalid') for a bad policy file, Refused('unverified') when the disk is not the record's,
 *   Refused('environment') for an image this machine cannot scan, and the abort's reason
 */
export const scanImage = (options: ScanOptions): Promise<Verdict[]> =>
  conductScan(options, async ({ context, content, budget, scratch }) => {
    const { image, diskPath, cacheDir, progress, signal } = options;
    const codename = codenames[image.distribution];
    if (!codename) {
      throw new Refused(
        'environment',
        `no local scan for ${image.distribution}`,
        'Scan it in its own cloud.',
      );
    }
    await verifyDisk(diskPath, image, signal);
    // A socket's path may be about 100 characters long: the VM's directory has to be near the root.
    const vmDirectory = await mkdtemp(join(tmpdir(), 'drover-'));
    try {
      const scannerDisk = outcomeOf(
        progress.step('Scanner disk', (step) =>
          provideScannerDisk({ codename, cacheDir, signal, onProgress: (text) => step.update(text) }),
        ),
        signal,
      );
      // Read later, or after an abort by nobody: a rejection nobody reads yet must not end the process.
      scannerDisk.catch(() => {});
      const disk = scanDisk({ options, context, budget, scratch, codename, scannerDisk });
      const { offline } = disk;
      const running = scanRunning({ options, context, vmDirectory, scannerDisk, content, offline });
      const [verdicts, { boot, booted }] = await allSettled([disk.verdicts, running]);
      const compliance = await verdictOf(context, 'compliance', async () =>
        checkCompliance(context, options, content, await offline, booted),
      );
      return { ...verdicts, compliance, boot };
    } finally {
      await rm(vmDirectory, { recursive: true, force: true });
    }
  });

type DiskCheck = 'updates' | 'sbom' | 'contents' | 'leftovers';

/** What the mounted disk answers: the offline audit, and four verdicts. */
function scanDisk(input: {
  options: ScanOptions;
  context: CheckContext;
  budget: Budget;
  scratch: string;
  codename: string;
  scannerDisk: Promise<Outcome<ScannerDisk>>;
}) {
  const { options, context, budget, scratch, codename, scannerDisk } = input;
  const { diskPath, previous, clock, progress, signal } = options;
  const offline = Promise.withResolvers<Outcome<RawAudit>>();
  offline.promise.catch(() => {});
  const scanMounted = (root: string) => {
    const audit = progress.step('Audit the disk', async () => {
      const started = clock.now();
      const run = await auditOffline({
        contentPath: options.content.file,
        tailoringPath: options.tailoring.path,
        profileId: options.tailoring.profileId,
        root,
        scannerDiskPath: unwrap(await scannerDisk).path,
        directory: join(scratch, 'offline'),
        signal,
      });
      return { ...run, answer: readAudit(run), own: new Map(), seconds: secondsSince(started, clock) };
    });
    const answered = outcomeOf(audit, signal);
    offline.resolve(answered);
    const verdict = (title: string, check: DiskCheck, work: () => Promise<Finding>) =>
      progress.step(title, () => verdictOf(context, check, work));
    const inventory = dpkgInventory(root);
    inventory.catch(() => {});
    const updates = outcomeOf(
      readUpdates(context, { root, codename, directory: join(scratch, 'updates') }),
      signal,
    );
    updates.catch(() => {});
    return allSettled([
      verdict('Missing security updates', 'updates', async () =>
        checkUpdates(context, unwrap(await updates)),
      ),
      verdict('Bill of materials', 'sbom', async () =>
        checkSbom(context, options.image, root, await inventory, await updates),
      ),
      verdict('Contents', 'contents', async () => {
        const { packages } = await inventory;
        const fixesOf = debianFixes((name) => installedChangelog(root, name));
        const changes = previous && (await changesOfPackages(previous, packages, fixesOf));
        return checkContents(context, await measure(root, packages.length), budget, changes);
      }),
      verdict('Leftovers of the build', 'leftovers', () => checkLeftovers(context, root)),
      // The disk stays mounted until the audit is through.
      answered,
    ]);
  };
  const mounted = withMountedDisk({ diskPath, directory: scratch, signal }, scanMounted).then(
    ([updates, sbom, contents, leftovers]) => ({ updates, sbom, contents, leftovers }),
    async (error: unknown) => {
      signal?.throwIfAborted();
      offline.resolve({ reason: reasonOf(error) });
      const fail = (check: DiskCheck) => verdictOf(context, check, () => Promise.reject(error));
      return {
        updates: await fail('updates'),
        sbom: await fail('sbom'),
        contents: await fail('contents'),
        leftovers: await fail('leftovers'),
      };
    },
  );
  return { offline: offline.promise, verdicts: mounted };
}

/** What only the running system answers: the boot test's verdict, and the booted audit. */
async function scanRunning(input: {
  options: ScanOptions;
  context: CheckContext;
  vmDirectory: string;
  scannerDisk: Promise<Outcome<ScannerDisk>>;
  content: Outcome<Content>;
  offline: Promise<Outcome<RawAudit>>;
}): Promise<{ boot: Verdict; booted: Outcome<RawAudit> }> {
  const { options, context, vmDirectory, scannerDisk, content, offline } = input;
  const { image, diskPath, content: benchmark, tailoring, accelerator, clock, progress, signal } = options;
  const serialLogPath = join(vmDirectory, 'console.log');
  let booted: Outcome<RawAudit> = { reason: 'the image did not boot' };
  const inVm = async (step: Progress) => {
    const scanner = await scannerDisk;
    const seed = await writeSeed({
      directory: vmDirectory,
      instanceId: `scan-${image.id}`,
      files: { [seedFiles.content]: benchmark.file, [seedFiles.tailoring]: tailoring.path },
      signal,
    });
    return withVm(
      {
        diskPath,
        directory: vmDirectory,
        serialLogPath,
        seed,
        // Without a scanner disk the boot can still be tested.
        disks: 'value' in scanner ? [{ name: scannerDiskName, path: scanner.value.path }] : [],
        accelerator,
        clock,
        signal,
        onProgress: (text) => step.update(text),
      },
      async (vm) => {
        step.note(`SSH answered after ${Math.round(vm.sshAfterMs / 1000)} s`);
        step.update('waiting for the boot to settle');
        const observed = observeBoot(vm).then((boot) => checkBoot(context, boot, { accelerator }));
        const tested = await outcomeOf(observed, signal);
        const audit = step.step('Audit the running system', async () => {
          unwrap(await scannerDisk);
          const rules = rulesForBoot(unwrap(content), unwrap(await offline).answer.results);
          const started = clock.now();
          const run = await auditBooted(vm, { profileId: tailoring.profileId, rules });
          const own = judgeAnswers(await askQuestions((command) => askAsRoot(vm, command)));
          return { ...run, answer: readAudit(run), own, seconds: secondsSince(started, clock) };
        });
        booted = await outcomeOf(audit, signal);
        return unwrap(tested);
      },
    );
  };
  const boot = await progress.step('Boot a throwaway VM', (step) =>
    verdictOf(context, 'boot', async () => {
      const tested = await outcomeOf(inVm(step), signal);
      // Above all when it did not boot: the console says why.
      const artifacts = await consoleOf(context, serialLogPath);
      if ('value' in tested) return { ...tested.value, artifacts: [...tested.value.artifacts, ...artifacts] };
      const reasons = [`the boot test could not be made: ${sentenceOf(tested.reason)}`];
      return { status: 'failed', reasons, facts: { accelerator }, artifacts } satisfies Finding;
    }),
  );
  return { boot, booted };
}

/** The serial console as an artifact; none if QEMU never opened it. */
async function consoleOf(context: CheckContext, path: string): Promise<Artifact[]> {
  const text = await readFile(path).catch(() => null);
  return text ? [await writeArtifact(context, 'console.txt.gz', gzipSync(text))] : [];
}

/** A scan speaks of the image whose record it is given, or not at all. */
async function verifyDisk(path: string, image: ImageRecord, signal: AbortSignal | undefined): Promise<void> {
  if (!image.disk) return;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash, { signal });
  const found = hash.digest('hex');
  if (found === image.disk.sha256) return;
  throw new Refused(
    'unverified',
    `${path} is not the disk of image ${image.id}: its SHA-256 is ${found}, the record says ${image.disk.sha256}`,
    'Build the image again; after the build nothing may change it.',
  );
}
