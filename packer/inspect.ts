/**
 * Runs scans/instance/inspect.sh on a machine of a finished image, through Packer: on a throwaway instance of an AMI,
 * which Packer launches without public SSH and terminates whatever happens, or on a machine that already answers SSH.
 * What such an instance must be stands in inspect/amazon-ebs.pkr.hcl; what is looked at there, in the script.
 * Makes no image and judges nothing.
 */
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config } from '../pipeline/config/schema.ts';
import { Failed, Refused } from '../pipeline/errors.ts';
import type { Distribution } from '../pipeline/image.ts';
import type { Progress } from '../pipeline/report/progress.ts';
import { isBefore, packerVersion, runPacker } from './packer.ts';

export type Machine =
  | {
      source: 'amazon-ebs.throwaway';
      /** The AMI to launch. */
      image: string;
      distribution: Distribution;
      region: string;
      amazon: NonNullable<Config['image']['amazon']>;
      release: string;
      /** Another EC2 endpoint, for tests. */
      endpoint?: string;
    }
  | { source: 'null.machine'; host: string; port: number; user: string; keyPath: string };

/** The amazon plugin's `skip_create_ami` and ed25519 keys, and a Packer that takes plugins of that age. */
const amazonFloor = [1, 11];

/**
 * Hands `inputs` to the machine, runs inspect.sh there as root, and leaves its archive at `archivePath`.
 * Credentials are found the way every AWS tool finds them.
 * @param inputs a directory with inspect.sh and all it reads
 * @throws Refused('environment') when Packer is missing or too old; Failed('gate') when there is no archive
 */
export async function inspectMachine(options: {
  machine: Machine;
  inputs: string;
  archivePath: string;
  logFile: string;
  progress: Progress;
  signal?: AbortSignal | undefined;
  packerBinary?: string;
}): Promise<void> {
  const { machine, inputs, archivePath, logFile, progress, signal, packerBinary = 'packer' } = options;
  const version = await packerVersion(packerBinary, signal);
  if (machine.source === 'amazon-ebs.throwaway' && isBefore(version.text, amazonFloor)) {
    throw new Refused(
      'environment',
      `Packer ${version.text} cannot launch an instance without making an image of it; ${amazonFloor.join('.')} or newer can`,
      'Install a current Packer (https://developer.hashicorp.com/packer/install) in front of it on the PATH.',
    );
  }
  await mkdir(dirname(logFile), { recursive: true });
  await rm(logFile, { force: true });
  const directory = await mkdtemp(join(dirname(logFile), '.inspecting-'));
  try {
    await runPacker({
      binary: packerBinary,
      version,
      folder: 'inspect',
      only: machine.source,
      variables: { inputs, archive: archivePath, ...variablesOf(machine) },
      directory,
      logFile,
      progress,
      signal,
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  const found = await stat(archivePath).catch(() => null);
  if (!found?.size) {
    throw new Failed('gate', 'the instance gave no archive', `Read the full log: ${logFile}`);
  }
}

function variablesOf(machine: Machine): Record<string, string> {
  if (machine.source === 'null.machine') {
    const { host, port, user, keyPath } = machine;
    return { host, port: String(port), user, ssh_private_key_file: keyPath };
  }
  const { image, distribution, region, amazon, release, endpoint } = machine;
  return {
    image,
    distribution,
    region,
    release,
    instance_type: amazon.instance_type,
    instance_profile: amazon.instance_profile,
    ...(amazon.subnet && { subnet: amazon.subnet }),
    ...(amazon.security_group && { security_group: amazon.security_group }),
    ...(amazon.kms_key && { kms_key: amazon.kms_key }),
    ...(endpoint && { endpoint }),
  };
}
