/**
 * Base disk → finished local image. Where a guest can run under KVM or HVF, Packer boots the disk and provisions
 * it there; elsewhere Packer runs the same provisioners in a chroot of the mounted disk. This file decides which,
 * and what the provisioners are handed; it never judges the result (the scan does).
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { changesOf } from '../hardening/catalogue.ts';
import type { Content } from '../hardening/content.ts';
import { renderHardening } from '../hardening/render.ts';
import type { Tailoring } from '../hardening/tailoring.ts';
import { Failed, Refused } from '../pipeline/errors.ts';
import type { Progress } from '../pipeline/report/progress.ts';
import { type Accelerator, cpuFor, probeAccelerator } from './accelerator.ts';
import type { BaseDisk } from './base-disk.ts';
import { archiveFor, reachConfiguration, sourcesList } from './debian-archive.ts';
import { packerRoom, packerVersion, runPacker } from './packer.ts';

export interface LocalImage {
  disk: { path: string; sha256: string; bytes: number };
  builder: 'qemu' | 'chroot';
  /** Name → version of every program that shaped the image. */
  tools: Record<string, string>;
  /** SHA-256 over the provisioner scripts, in the order they run. */
  provisionersSha256: string;
}

/** In the order they run; environment.sh is read by each. */
export const provisioners = [
  'environment.sh',
  'update.sh',
  'catalogue.sh',
  'packages.sh',
  'harden.sh',
  'cleanup.sh',
  'integrity.sh',
];

/**
 * Builds `outputDir/NAME.qcow2` (compressed). The file appears complete or not at all; Packer's log stays beside
 * it as packer.log. A repeat replaces both.
 * @param accelerator skips the probe; 'tcg' with `boot: true` provisions in a VM under emulation (minutes, for tests)
 * @throws Refused('environment') when a tool or root is missing; Failed('gate') when a provisioner fails
 */
export async function buildLocalImage(options: {
  base: BaseDisk;
  tailoring: Tailoring;
  content: Content;
  name: string;
  outputDir: string;
  progress: Progress;
  signal?: AbortSignal;
  accelerator?: Accelerator;
  boot?: boolean;
  packerBinary?: string;
}): Promise<LocalImage> {
  const { base, tailoring, content, name, progress, signal, packerBinary = 'packer' } = options;
  const outputDir = resolve(options.outputDir);
  const version = await packerVersion(packerBinary, signal);
  if (!options.accelerator) progress.update('can this machine virtualize?');
  const accelerator = options.accelerator ?? (await probeAccelerator(base.kernel, signal));
  const builder = (options.boot ?? accelerator !== 'tcg') ? 'qemu' : 'chroot';
  if (builder === 'chroot' && (process.platform !== 'linux' || process.getuid?.() !== 0)) {
    throw new Refused(
      'environment',
      'without hardware virtualization the image is built on its mounted disk, which needs root on Linux',
      'Run the command again with sudo, or on a machine with KVM.',
    );
  }
  progress.note(
    builder === 'qemu'
      ? `provisioning in a virtual machine (${accelerator})`
      : 'no working virtualization here: provisioning in a chroot of the mounted disk',
  );

  await mkdir(outputDir, { recursive: true });
  const logFile = join(outputDir, 'packer.log');
  await rm(logFile, { force: true });
  // A release has one build at a time (its lease sees to that): what a killed one left is nobody's.
  for (const name of await readdir(outputDir)) {
    if (name.startsWith('.building-')) await rm(join(outputDir, name), { recursive: true, force: true });
  }
  const work = await mkdtemp(join(outputDir, '.building-'));
  try {
    const inputs = join(work, 'inputs');
    await writeInputs(inputs, builder === 'qemu' ? '/tmp/drover' : '/run/drover', {
      tailoring,
      suites: base.suites,
      signal,
    });
    await writeRemediation(inputs, content, { tailoring, base: 'ours', signal });
    const packer = { binary: packerBinary, version, directory: work, logFile, progress, signal };
    const shared = { packer: packerRoom, inputs };
    let built: { file: string; format: 'raw' | 'qcow2' };
    if (builder === 'chroot') {
      progress.update('copying the base disk');
      const disk = join(work, 'disk.raw');
      await run('cp', ['--sparse=always', '--reflink=auto', base.path, disk], signal);
      await runPacker({
        ...packer,
        only: 'null.chroot',
        variables: { ...shared, disk },
      });
      built = { file: disk, format: 'raw' };
    } else {
      const seed = join(work, 'seed');
      const key = join(work, 'key');
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'drover-build', '-f', key], signal);
      await writeSeed(seed, await readFile(`${key}.pub`, 'utf8'));
      const output = join(work, 'output');
      await runPacker({
        ...packer,
        only: 'qemu.vm',
        variables: {
          ...shared,
          disk: base.path,
          accelerator,
          cpu: cpuFor(accelerator),
          seed,
          ssh_private_key_file: key,
          output_directory: output,
        },
      });
      built = { file: join(output, 'disk.qcow2'), format: 'qcow2' };
    }

    progress.update('compressing the disk');
    const compressed = join(work, 'finished.qcow2');
    const convert = ['convert', '-c', '-W', '-m', '4', '-o', 'compression_type=zstd'];
    await run('qemu-img', [...convert, '-f', built.format, '-O', 'qcow2', built.file, compressed], signal);
    const sha256 = await digestOf(compressed, signal);
    const path = join(outputDir, `${name}.qcow2`);
    await rename(compressed, path);
    const { size: bytes } = await stat(path);
    return {
      disk: { path, sha256, bytes },
      builder,
      tools: { packer: version.text, ...(await toolVersions(['qemu-img', 'oscap', 'mmdebstrap'], signal)) },
      provisionersSha256: await provisionersDigest(),
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** SHA-256 over the provisioner scripts, in the order they run. */
export async function provisionersDigest(): Promise<string> {
  const hash = createHash('sha256');
  for (const name of provisioners) {
    const text = await readFile(join(packerRoom, 'provisioners', name));
    hash.update(`${name} ${text.length}\n`).update(text);
  }
  return hash.digest('hex');
}

/**
 * What the provisioners find at $DROVER_INPUTS (`place` inside the image). Packages come from this machine's own
 * mirror during the build; the image's sources are left alone.
 */
export async function writeInputs(
  directory: string,
  place: string,
  { tailoring, suites, signal }: { tailoring: Tailoring; suites: string[]; signal: AbortSignal | undefined },
): Promise<void> {
  await mkdir(directory, { recursive: true });
  await copyFile(join(packerRoom, 'provisioners/environment.sh'), join(directory, 'environment.sh'));
  await writeFile(join(directory, 'tailoring.xml'), tailoring.xml);
  await renderHardening(join(directory, 'hardening'), changesOf(tailoring.rows));
  await writeFile(join(directory, 'sources.list'), sourcesList(await archiveFor(suites, signal)));
  await writeFile(
    join(directory, 'apt.conf'),
    [
      await reachConfiguration(signal),
      `Dir::Etc::sourcelist "${place}/sources.list";`,
      'Dir::Etc::sourceparts "/dev/null";',
      'APT::Install-Recommends "false";',
      'Acquire::Languages "none";',
      // The disk is thrown away if the build is: nothing is gained by syncing every file.
      'DPkg::Options { "--force-unsafe-io"; };',
      '',
    ].join('\n'),
  );
}

/**
 * Writes remediation.sh, the content's own fixes for what neither a row answers nor the base is known to hold. Nothing
 * is audited for it: what remains is known beforehand, and the scan judges what became of it.
 * @param base a base disk of ours holds what the catalogue says of it; of somebody else's only the rows are known
 */
export async function writeRemediation(
  directory: string,
  content: Content,
  options: { tailoring: Tailoring; base: 'ours' | 'foreign'; signal?: AbortSignal | undefined },
): Promise<void> {
  const { tailoring, base, signal } = options;
  const [file, output] = ['tailoring.xml', 'remediation.sh'].map((name) => join(directory, name));
  await writeFile(file!, tailoring.xml);
  if (base === 'ours' && tailoring.remainder.length === 0) {
    await writeFile(output!, '# The catalogue answers every rule.\n');
    return;
  }
  const profile = base === 'ours' ? tailoring.remainderProfileId : tailoring.remediationProfileId;
  const args = ['xccdf', 'generate', 'fix', '--fix-type', 'bash', '--tailoring-file', file!];
  await run('oscap', [...args, '--profile', profile, '--output', output!, content.file], signal);
}

/** cloud-init's NoCloud files: the user Packer logs in as, taken away again when the machine is shut down. */
async function writeSeed(directory: string, publicKey: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'meta-data'), 'instance-id: build\nlocal-hostname: build\n');
  await writeFile(join(directory, 'vendor-data'), '');
  const user = {
    name: 'build',
    shell: '/bin/bash',
    sudo: 'ALL=(ALL) NOPASSWD:ALL',
    lock_passwd: true,
    ssh_authorized_keys: [publicKey.trim()],
  };
  await writeFile(
    join(directory, 'user-data'),
    `#cloud-config\n${JSON.stringify({ users: [user] }, null, 2)}\n`,
  );
}

/** Runs a tool to its end. @throws Refused('environment') when it is missing, Failed('gate') when it fails */
async function run(command: string, args: readonly string[], signal?: AbortSignal): Promise<void> {
  const result = await execa(command, args, { reject: false, ...(signal && { cancelSignal: signal }) });
  signal?.throwIfAborted();
  if (result.code === 'ENOENT') {
    throw new Refused(
      'environment',
      `${command} is needed to build an image`,
      'Run: drover doctor --install',
    );
  }
  if (result.exitCode !== 0) {
    throw new Failed(
      'gate',
      `${command} ${args[0]} failed: ${result.stderr || result.message}`,
      'Correct that, then run again.',
    );
  }
}

const versionOf = {
  'qemu-img': { args: ['--version'], pattern: /version (\S+)/ },
  oscap: { args: ['--version'], pattern: /oscap\) (\S+)/ },
  mmdebstrap: { args: ['--version'], pattern: /mmdebstrap (\S+)/ },
} as const;

/** Name → version of the given programs, for the lineage. */
export async function toolVersions(
  names: (keyof typeof versionOf)[],
  signal?: AbortSignal,
): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const name of names) {
    const { args, pattern } = versionOf[name];
    const { stdout } = await execa(name, args, { reject: false, ...(signal && { cancelSignal: signal }) });
    versions[name] = pattern.exec(stdout ?? '')?.[1] ?? 'unknown';
  }
  return versions;
}

async function digestOf(file: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash, { ...(signal && { signal }) });
  return hash.digest('hex');
}
