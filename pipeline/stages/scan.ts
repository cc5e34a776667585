/**
 * Scan: boot the finished image, here or on a throwaway instance in its cloud, audit it, list what is in it and what
 * it misses, and let the judge answer.
 * Every check leaves a verdict, whatever it says; the judge's decides whether the release goes on.
 */
import { join, resolve } from 'node:path';
import type { Accelerator } from '../../packer/accelerator.ts';
import { inspectMachine } from '../../packer/inspect.ts';
import type { PreviousScan } from '../../scans/changes.ts';
import { type InstanceScanOptions, scanInstance } from '../../scans/instance/scan.ts';
import { readPolicies, type ScanRequest } from '../../scans/request.ts';
import { scanImage } from '../../scans/scan.ts';
import { durationMs } from '../config/duration.ts';
import { Failed, Refused } from '../errors.ts';
import type { ImageRecord } from '../image.ts';
import { listReleases } from '../journal/releases.ts';
import { directoryOf, imageOf, type ReleaseContext, runStage, stateOf } from './context.ts';
import { hardeningOf } from './hardening.ts';

export const scan = (context: ReleaseContext): Promise<void> =>
  runStage(context, 'scan', async (stage) => {
    const { root, config, cacheDirectory, clock, progress, signal, journal } = stage;
    const image = imageOf(stage);
    const directory = directoryOf(stage);
    const pruned = stateOf(stage).diskPrunedAt;
    if (pruned) {
      throw new Refused(
        'invalid',
        `the disk of ${image.name} was pruned at ${pruned}: there is nothing to scan`,
        'Build a new image: `drover run`.',
      );
    }
    const { content, tailoring } = await hardeningOf(stage);
    const request: ScanRequest = {
      image,
      releaseDir: directory,
      outputDir: join(directory, 'scan'),
      cacheDir: cacheDirectory,
      content,
      tailoring,
      waivers: tailoring.waivers,
      policiesPath: resolve(root, config.image.policies),
      budgetPath: resolve(root, config.image.budget),
      scanners: config.scan.scanners.map(({ timeout, ...scanner }) => ({
        ...scanner,
        timeoutMs: durationMs(timeout),
      })),
      kevPath: config.scan.kev === undefined ? null : resolve(root, config.scan.kev),
      previous: await previousScan(stage, image),
      overrides: stateOf(stage).overrides.filter((override) => override.imageId === image.id),
      clock,
      progress,
      signal,
    };
    const verdicts = image.disk
      ? await scanImage({
          ...request,
          diskPath: join(directory, image.disk.path),
          accelerator: acceleratorOf(image),
        })
      : await scanInstance({ ...request, inspect: (work) => inspectOnAmazon(stage, image, work) });
    for (const verdict of verdicts) {
      await journal.append({ type: 'verdict', data: verdict });
      progress.note(`${verdict.check}: ${verdict.status}: ${verdict.reasons[0]}`);
    }
    const policy = verdicts.find((verdict) => verdict.check === 'policy');
    if (policy?.status !== 'passed') {
      throw new Failed(
        'gate',
        `the image did not pass: ${policy ? policy.reasons.join('; ') : 'no policy was judged'}`,
        `See \`drover status ${journal.release}\`. A soft-mandatory policy can be accepted by name: ` +
          `\`drover scan ${journal.release} --override POLICY --reason TEXT\`.`,
      );
    }
    const artifacts = verdicts.flatMap((verdict) => verdict.artifacts);
    return { summary: `${verdicts.length} checks, policy passed: ${policy.reasons[0]}`, artifacts };
  });

/** Of the newest earlier release of this line of images (same name and distribution) that policy let pass. */
async function previousScan(context: ReleaseContext, image: ImageRecord): Promise<PreviousScan | null> {
  const lineOf = ({ name, release }: ImageRecord) => name.replace(release, '');
  for (const { id, directory, state } of await listReleases(context.stateDirectory)) {
    if (id >= image.release || !state?.image || lineOf(state.image) !== lineOf(image)) continue;
    const passed = state.verdicts.some(({ check, status }) => check === 'policy' && status === 'passed');
    if (passed) return { release: id, directory: join(directory, 'scan') };
  }
  return null;
}

/**
 * Records that the actor accepts this policy's failure on this image, whatever later scan of it fails it.
 * @throws Refused('invalid') where there is no image, no such policy, or nothing about it to accept
 */
export async function acceptPolicy(context: ReleaseContext, wanted: string): Promise<void> {
  const { root, config, journal, actor, reason } = context;
  const { image } = stateOf(context);
  const { release } = journal;
  if (!image) {
    throw new Refused(
      'invalid',
      `release ${release} has no image yet`,
      `Run \`drover resume ${release}\` first.`,
    );
  }
  const file = resolve(root, config.image.policies);
  const policies = await readPolicies(file);
  const policy = policies.find(({ id }) => id === wanted);
  if (policy?.level !== 'soft-mandatory') {
    const acceptable = policies.filter(({ level }) => level === 'soft-mandatory').map(({ id }) => id);
    throw new Refused(
      'invalid',
      policy ? `policy ${wanted} is ${policy.level}` : `${file} has no policy '${wanted}'`,
      `Only a soft-mandatory one can be accepted: ${acceptable.join(', ')}.`,
    );
  }
  await journal.append({ type: 'override', data: { check: wanted, imageId: image.id, actor, reason } });
}

/** The build found out, by booting, whether this machine virtualizes; only then it provisioned in a machine. */
function acceleratorOf({ builder }: ImageRecord): Accelerator {
  if (builder !== 'qemu') return 'tcg';
  return process.platform === 'darwin' ? 'hvf' : 'kvm';
}

/** The instance is launched as the build's was: same subnet, profile and type. */
const inspectOnAmazon: (
  context: ReleaseContext,
  image: ImageRecord,
  work: Parameters<InstanceScanOptions['inspect']>[0],
) => Promise<void> = ({ config, journal, signal }, { id, distribution }, work) =>
  inspectMachine({
    ...work,
    machine: {
      source: 'amazon-ebs.throwaway',
      image: id,
      distribution,
      region: config.region,
      amazon: config.image.amazon!,
      release: journal.release,
    },
    signal,
  });
