/**
 * Scan: boot the finished image, audit it, list what is in it and what it misses, and let the judge answer.
 * Every check leaves a verdict, whatever it says; the judge's decides whether the release goes on.
 */
import { join, resolve } from 'node:path';
import { scanImage } from '../../scans/scan.ts';
import { Failed } from '../errors.ts';
import { directoryOf, imageOf, type ReleaseContext, runStage, stateOf } from './context.ts';
import { hardeningOf } from './hardening.ts';

export const scan = (context: ReleaseContext): Promise<void> =>
  runStage(context, 'scan', async (stage) => {
    const { root, config, cacheDirectory, clock, progress, signal, journal } = stage;
    const image = imageOf(stage);
    const directory = directoryOf(stage);
    const hardening = await hardeningOf(stage);
    const verdicts = await scanImage({
      image,
      releaseDirectory: directory,
      outputDirectory: join(directory, 'scan'),
      cacheDirectory,
      ...hardening,
      policiesPath: resolve(root, config.image.policies),
      overrides: stateOf(stage).overrides.filter((override) => override.imageId === image.id),
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
