/**
 * Newest official base image → AMI in the configured region, by Packer's amazon-ebs source and the same
 * provisioners as a local image. What the build instance and the image must be (encrypted, IMDSv2 only, no public
 * SSH) stands in template/amazon-ebs.pkr.hcl; this file only hands over and reads the result.
 */
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { changesOf, factsOf } from '../hardening/catalogue.ts';
import type { Content } from '../hardening/content.ts';
import { partitionsOf } from '../hardening/kinds/mount.ts';
import { renderHardening } from '../hardening/render.ts';
import type { Tailoring } from '../hardening/tailoring.ts';
import type { Config } from '../pipeline/config/schema.ts';
import { Failed, Refused } from '../pipeline/errors.ts';
import type { Distribution, ImageLineage } from '../pipeline/image.ts';
import { sha256 } from '../pipeline/json.ts';
import type { Progress } from '../pipeline/report/progress.ts';
import { provisionersDigest, toolVersions, writeRemediation } from './build.ts';
import { isBefore, packerRoom, packerVersion, runPacker } from './packer.ts';

export interface AmazonImage {
  /** The AMI's id in the region. */
  imageId: string;
  base: ImageLineage['base'];
  tools: Record<string, string>;
  provisionersSha256: string;
}

/** The amazon plugin's `imds_support` and ed25519 keys, and a Packer that takes plugins of that age. */
const packerFloor = [1, 11];

/**
 * Builds one AMI named `name` (unique in account and region), tagged with its lineage. Credentials are found the
 * way every AWS tool finds them. Packer removes what it made when it fails or is interrupted.
 * @param endpoint another EC2 endpoint, for tests
 * @throws Refused('invalid') when the profile asks for partitions; Refused('environment') when Packer is missing or too
 *   old; Failed('gate') when the build fails
 */
export async function buildAmazonImage(options: {
  distribution: Distribution;
  region: string;
  amazon: NonNullable<Config['image']['amazon']>;
  tailoring: Tailoring;
  content: Content;
  name: string;
  release: string;
  outputDir: string;
  progress: Progress;
  signal?: AbortSignal;
  endpoint?: string;
  packerBinary?: string;
}): Promise<AmazonImage> {
  const { distribution, region, amazon, tailoring, content, name, release } = options;
  const { progress, signal, endpoint, packerBinary = 'packer' } = options;
  refusePartitions(tailoring);
  const version = await packerVersion(packerBinary, signal);
  if (isBefore(version.text, packerFloor)) {
    throw new Refused(
      'environment',
      `Packer ${version.text} cannot make images that require IMDSv2; ${packerFloor.join('.')} or newer can`,
      'Install a current Packer (https://developer.hashicorp.com/packer/install) in front of it on the PATH.',
    );
  }
  const outputDir = resolve(options.outputDir);
  await mkdir(outputDir, { recursive: true });
  const logFile = join(outputDir, 'packer.log');
  await rm(logFile, { force: true });
  const work = await mkdtemp(join(outputDir, '.building-'));
  try {
    const inputs = join(work, 'inputs');
    await mkdir(inputs);
    await copyFile(join(packerRoom, 'provisioners/environment.sh'), join(inputs, 'environment.sh'));
    await renderHardening(join(inputs, 'hardening'), changesOf(tailoring.rows));
    progress.update('generating the remediation');
    await writeRemediation(inputs, content, { tailoring, base: 'foreign', signal });
    const provisionersSha256 = await provisionersDigest();
    let base = '';
    const artifact = await runPacker({
      binary: packerBinary,
      version,
      only: 'amazon-ebs.instance',
      variables: {
        packer: packerRoom,
        inputs,
        image_name: name,
        distribution,
        region,
        instance_type: amazon.instance_type,
        instance_profile: amazon.instance_profile,
        share_with: amazon.share_with,
        lineage: {
          'drover:release': release,
          'drover:content': `${content.package} ${content.version}`,
          'drover:tailoring-sha256': sha256(tailoring.xml),
          'drover:provisioners-sha256': provisionersSha256,
        },
        ...(amazon.subnet && { subnet: amazon.subnet }),
        ...(amazon.security_group && { security_group: amazon.security_group }),
        ...(amazon.kms_key && { kms_key: amazon.kms_key }),
        ...(endpoint && { endpoint }),
      },
      directory: work,
      logFile,
      progress,
      signal,
      onText: (text) => {
        base = /^Found Image ID: (ami-\w+)/.exec(text)?.[1] ?? base;
      },
    });
    // "eu-central-1:ami-0123…", one for each region it was copied to; we build in one.
    const imageId = artifact.split(',')[0]?.split(':')[1];
    if (!imageId) {
      throw new Failed('gate', `Packer named no image in '${artifact}'`, `Read the full log: ${logFile}`);
    }
    progress.note(`${imageId} in ${region}, from ${base}`);
    return {
      imageId,
      base: {
        id: base,
        description: `the newest official ${distribution} image in ${region}`,
        inputs: { distribution, region },
      },
      tools: { packer: version.text, ...(await toolVersions(['oscap'], signal)) },
      provisionersSha256,
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The disk of an AMI is laid out by whoever published its base: nothing here can part it. */
function refusePartitions({ rows }: Tailoring): void {
  const parted = rows.filter(
    ({ kind, desired }) => kind === 'mount' && partitionsOf(Object.entries(desired)).length > 0,
  );
  if (parted.length === 0) return;
  const rules = parted.flatMap((row) => row.rules).filter((rule) => rule.startsWith('partition_for_'));
  throw new Refused(
    'invalid',
    `an AMI's disk is laid out by the publisher of its base image, and cannot be given partitions for ${[
      ...factsOf(parted).get('mount')!.keys(),
    ].join(', ')} (${[...new Set(parted.map(({ from }) => from))].join(', ')})`,
    `In the profile that image.hardening of drover.yaml names, take that out and waive ${rules.join(', ')}; or set builder: local.`,
  );
}
