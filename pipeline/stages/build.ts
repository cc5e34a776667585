/** Build: base, updates, hardening, cleanup, and an image record that says what it was all made of. */
import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { execa } from 'execa';
import { factsOf } from '../../hardening/catalogue.ts';
import { partitionsOf } from '../../hardening/kinds/mount.ts';
import { ensureBaseDisk } from '../../packer/base-disk.ts';
import { buildLocalImage } from '../../packer/build.ts';
import { buildAmazonImage } from '../../packer/build-amazon.ts';
import { timestamp } from '../clock.ts';
import type { ImageLineage, ImageRecord } from '../image.ts';
import { overNetwork } from '../network.ts';
import { directoryOf, type ReleaseContext, runStage } from './context.ts';
import { compileHardening, type Hardening } from './hardening.ts';

export const build = (context: ReleaseContext): Promise<void> =>
  runStage(context, 'build', async (stage) => {
    const { config, journal, clock, progress } = stage;
    await mkdir(join(directoryOf(stage), 'image'), { recursive: true });
    const hardening = await progress.step('compile the hardening profile', (step) =>
      compileHardening({ ...stage, progress: step }),
    );
    const made =
      config.image.builder === 'local'
        ? await buildLocally(stage, hardening)
        : await buildOnAmazon(stage, hardening);
    const { distribution, role } = config.image;
    const image: ImageRecord = {
      schema: 'drover/image@1',
      id: made.id,
      name: imageName(stage),
      distribution,
      role,
      architecture: 'x86_64',
      release: journal.release,
      builtAt: timestamp(clock.now()),
      builder: made.builder,
      disk: made.disk,
      lineage: { ...made.lineage, source: await sourceOf(stage.root) },
    };
    await journal.append({ type: 'image.built', data: image });
    return { summary: `${image.name} is ${image.id}`, artifacts: hardening.artifacts };
  });

type Made = Pick<ImageRecord, 'id' | 'builder' | 'disk'> & { lineage: Omit<ImageLineage, 'source'> };

async function buildLocally(context: ReleaseContext, hardening: Hardening): Promise<Made> {
  const { cacheDirectory, clock, cloud, progress, signal } = context;
  const directory = directoryOf(context);
  const name = imageName(context);
  const base = await progress.step('base disk', (step) =>
    ensureBaseDisk({
      distribution: context.config.image.distribution,
      partitions: partitionsOf(factsOf(hardening.tailoring.rows).get('mount') ?? []),
      cacheDir: cacheDirectory,
      clock,
      progress: step,
      signal,
    }),
  );
  const built = await progress.step('packer', (step) =>
    buildLocalImage({
      base,
      ...hardening,
      name,
      outputDir: join(directory, 'image'),
      progress: step,
      signal,
    }),
  );
  const registration = {
    name,
    description: `Drover release ${context.journal.release}`,
    tags: { 'drover:release': context.journal.release, 'drover:disk-sha256': built.disk.sha256 },
  };
  const id = await progress.step('register the image', (step) =>
    overNetwork(() => cloud.registerImage(registration), { signal, progress: step }),
  );
  return {
    id,
    builder: built.builder,
    disk: {
      name: 'disk',
      path: relative(directory, built.disk.path),
      sha256: built.disk.sha256,
      bytes: built.disk.bytes,
      format: 'qcow2',
    },
    lineage: {
      base: { id: base.key, description: base.description, inputs: base.inputs },
      provisioners: built.provisionersSha256,
      hardening: hardeningLineage(hardening),
      tools: built.tools,
    },
  };
}

async function buildOnAmazon(context: ReleaseContext, hardening: Hardening): Promise<Made> {
  const { config, journal, progress, signal } = context;
  const built = await progress.step('packer', (step) =>
    buildAmazonImage({
      distribution: config.image.distribution,
      region: config.region,
      amazon: config.image.amazon!,
      ...hardening,
      name: imageName(context),
      release: journal.release,
      outputDir: join(directoryOf(context), 'image'),
      progress: step,
      signal,
    }),
  );
  return {
    id: built.imageId,
    builder: 'amazon-ebs',
    disk: null,
    lineage: {
      base: built.base,
      provisioners: built.provisionersSha256,
      hardening: hardeningLineage(hardening),
      tools: built.tools,
    },
  };
}

/** AMI names are unique in an account and region, so the release stands in them. */
const imageName = ({ config, journal }: ReleaseContext): string =>
  `drover-${config.image.name}-${config.image.distribution}-${journal.release}`;

const hardeningLineage = ({ content, tailoring }: Hardening): ImageLineage['hardening'] => ({
  content: { package: content.package, version: content.version, file: content.file, sha256: content.sha256 },
  profile: tailoring.baseProfileId,
  tailoring: tailoring.sha256,
});

async function sourceOf(root: string): Promise<ImageLineage['source']> {
  const git = (...args: string[]) => execa('git', ['-C', root, ...args], { reject: false });
  const commit = await git('rev-parse', 'HEAD');
  if (commit.failed) return { commit: null, dirty: false };
  const changes = await git('status', '--porcelain');
  return { commit: commit.stdout, dirty: changes.stdout !== '' };
}
