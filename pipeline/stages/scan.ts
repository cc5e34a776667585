/**
 * Scan: boot the finished image, audit it, list what is in it and what it misses, and let the judge answer.
 * Every check leaves a verdict, whatever it says; the judge's decides whether the release goes on.
 */
import { join, resolve } from 'node:path';
import type { Accelerator } from '../../packer/accelerator.ts';
import { scanImage } from '../../scans/scan.ts';
import { Failed } from '../errors.ts';
import type { ImageRecord } from '../image.ts';
import { directoryOf, imageOf, type ReleaseContext, runStage, stateOf } from './context.ts';
import { hardeningOf } from './hardening.ts';

export const scan = (context: ReleaseContext): Promise<void> =>
  runStage(context, 'scan', async (stage) => {
    const { root, config, cacheDirectory, clock, progress, signal, journal } = stage;
    const image = imageOf(stage);
    const directory = directoryOf(stage);
    if (!image.disk) throw unreachable(image.id);
    const { content, tailoring } = await hardeningOf(stage);
    const verdicts = await scanImage({
      image,
      diskPath: join(directory, image.disk.path),
      releaseDir: directory,
      outputDir: join(directory, 'scan'),
      cacheDir: cacheDirectory,
      content,
      tailoring,
      waivers: tailoring.waivers,
      policiesPath: resolve(root, config.image.policies),
      overrides: stateOf(stage).overrides.filter((override) => override.imageId === image.id),
      accelerator: acceleratorOf(image),
      clock,
      progress,
      signal,
    });
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

/** The build found out, by booting, whether this machine virtualizes; only then it provisioned in a machine. */
function acceleratorOf({ builder }: ImageRecord): Accelerator {
  if (builder !== 'qemu') return 'tcg';
  return process.platform === 'darwin' ? 'hvf' : 'kvm';
}

/** An image that cannot be booted here cannot be judged here, and what is not judged does not pass. */
const unreachable = (image: string): Failed =>
  new Failed(
    'gate',
    `${image} has no disk on this machine, so it could not be scanned; an image that was not scanned does not pass`,
    'Scanning an AMI on a throwaway instance is not built yet; see the README.',
  );
