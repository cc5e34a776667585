/**
 * The seed: a NoCloud disk that gives a throwaway VM one user and one key, and carries the audit's files to it.
 * The key pair is made for one VM and lives as long as its directory.
 *
 * https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

/** The user cloud-init makes; it has no password and leaves with the VM. */
export const scanUser = 'drover-scan';

export interface Seed {
  /** ISO 9660 with the label CIDATA. */
  path: string;
  /** OpenSSH private key of `scanUser`. */
  keyPath: string;
}

/**
 * Writes seed and key into `directory`.
 * @param files more files for the seed's root: name on the disk → path here
 */
export async function writeSeed(options: {
  directory: string;
  instanceId: string;
  files?: Record<string, string>;
  signal?: AbortSignal | undefined;
}): Promise<Seed> {
  const { directory, instanceId, files = {}, signal } = options;
  const running = signal ? { cancelSignal: signal } : {};
  const keyPath = join(directory, 'key');
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', scanUser, '-f', keyPath], running);
  const publicKey = (await readFile(`${keyPath}.pub`, 'utf8')).trim();
  // cloud-init reads JSON as the YAML it is.
  const userData = {
    users: [
      {
        name: scanUser,
        gecos: 'Drover scan',
        shell: '/bin/bash',
        lock_passwd: true,
        sudo: 'ALL=(ALL) NOPASSWD:ALL',
        ssh_authorized_keys: [publicKey],
      },
    ],
    ssh_pwauth: false,
    package_update: false,
  };
  await writeFile(join(directory, 'user-data'), `#cloud-config\n${JSON.stringify(userData, null, 1)}\n`);
  await writeFile(
    join(directory, 'meta-data'),
    `${JSON.stringify({ 'instance-id': instanceId, 'local-hostname': 'drover-scan' })}\n`,
  );
  const path = join(directory, 'seed.iso');
  const entries = {
    'user-data': join(directory, 'user-data'),
    'meta-data': join(directory, 'meta-data'),
    ...files,
  };
  await execa(
    'xorriso',
    [
      ...['-as', 'mkisofs', '-quiet', '-volid', 'CIDATA', '-joliet', '-rational-rock', '-output', path],
      '-graft-points',
      ...Object.entries(entries).map(([name, file]) => `${name}=${file}`),
    ],
    running,
  );
  return { path, keyPath };
}
