/**
 * The disk a local image starts from: a minimal Debian that boots, answers ssh and takes its orders from
 * cloud-init. Decides what "minimal" is and how the disk is laid out; never hardens and never brings an old disk
 * up to date (provisioning does both). Needs root, because a file system with other people's files does.
 *
 * Layout (layout.ts): a GPT whose partitions are named by their mount points, by which chroot/mount.sh goes, all
 * ext4. Those the profile asks for come first, with the sizes it gives them; the root is the last, so that cloud-init
 * grows it into whatever a larger volume adds. extlinux loads the kernel from the root through the links that Debian
 * keeps at /vmlinuz and /initrd.img, so a kernel update needs no boot loader step.
 */
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { ProcessOutput, $ as shell } from 'zx';
import type { Partition } from '../hardening/kinds/mount.ts';
import type { Clock } from '../pipeline/clock.ts';
import { DroverError, Refused, reasonOf } from '../pipeline/errors.ts';
import { codenames, type Distribution } from '../pipeline/image.ts';
import { canonical, sha256 } from '../pipeline/json.ts';
import type { Progress } from '../pipeline/report/progress.ts';
import { activity } from './activity.ts';
import { archiveFor, publicSources, reachConfiguration, sourcesList } from './debian-archive.ts';
import { layOut } from './layout.ts';
import { packerRoom } from './packer.ts';

export interface BaseDisk {
  /** Absolute path of a raw, sparse disk. Never written to. */
  path: string;
  /** Absolute path of the disk's kernel, outside of it. */
  kernel: string;
  /** What the cache knows it by: a digest over its inputs. */
  key: string;
  description: string;
  /** The archive's suites its packages come from. */
  suites: string[];
  inputs: Record<string, string>;
}

/** What a disk is made by. */
const recipe = ['base-disk.ts', 'layout.ts', 'debian-archive.ts', 'chroot/mount.sh'];

const packages = [
  'linux-image-cloud-amd64 initramfs-tools zstd e2fsprogs fdisk',
  'systemd-sysv systemd-resolved dbus libpam-systemd udev',
  'cloud-init cloud-guest-utils netplan.io',
  'openssh-server sudo ca-certificates iproute2 less',
  // Asked for by the benchmark; its two hundred configuration files take half a minute to lay down.
  'aide aide-common',
].flatMap((line) => line.split(' '));

const files: Record<string, string> = {
  'etc/hostname': 'debian\n',
  'etc/hosts': '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n',
  'etc/default/locale': 'LANG=C.UTF-8\n',
  'boot/extlinux/extlinux.conf': [
    'default linux',
    'prompt 0',
    'label linux',
    '  kernel /vmlinuz',
    '  append initrd=/initrd.img root=LABEL=root ro console=tty0 console=ttyS0,115200n8',
    '',
  ].join('\n'),
  'etc/cloud/cloud.cfg.d/10_image.cfg': [
    '# The image knows its package sources; instances do not rewrite them.',
    'apt: { preserve_sources_list: true }',
    '# Generating another locale needs a package that is not here.',
    'locale: C.UTF-8',
    '# sudo looks up its own host.',
    'manage_etc_hosts: localhost',
    'datasource_list: [NoCloud, ConfigDrive, Ec2, None]',
    '',
  ].join('\n'),
};

/**
 * The base disk for a distribution, from the cache when its inputs are the same. The inputs hold the calendar
 * week, so that a base is at most a week old; what appeared since then is the provisioners' first step.
 * Safe to interrupt: a disk appears under its key complete or not at all.
 * @throws Refused('environment') without root or without a Debian mirror
 */
export async function ensureBaseDisk(options: {
  distribution: Distribution;
  /** Beside the root, as `partitionsOf` gives them. */
  partitions: readonly Partition[];
  cacheDir: string;
  clock: Clock;
  progress: Progress;
  signal?: AbortSignal;
}): Promise<BaseDisk> {
  const { distribution, partitions, cacheDir, clock, progress, signal } = options;
  const codename = codenames[distribution];
  if (!codename) {
    throw new Refused(
      'environment',
      `no base disk of ${distribution} can be made here`,
      'Build it as amazon-ebs.',
    );
  }
  const suites = [codename, `${codename}-updates`, `${codename}-security`];
  const home = join(cacheDir, 'base');
  const inputs = {
    distribution,
    suites: suites.join(' '),
    packages: packages.join(' '),
    partitions: partitions.map(({ line }) => line).join('; '),
    week: isoWeek(clock.now()),
    recipe: sha256(
      (await Promise.all(recipe.map((file) => readFile(join(packerRoom, file), 'utf8')))).join('\n'),
    ),
  };
  const key = `${distribution}-${sha256(canonical(inputs)).slice(0, 16)}`;
  const target = join(home, key);
  const cached = await read(target);
  if (cached) {
    progress.note(`base disk ${key} from the cache: ${cached.description}`);
    return { ...cached, ...pathsIn(target), key, suites };
  }
  if (process.getuid?.() !== 0) {
    throw new Refused('environment', 'building a base disk needs root', 'Run the command again with sudo.');
  }
  await mkdir(home, { recursive: true });
  await sweep(home, clock.now());
  const work = await mkdtemp(join(home, '.making-'));
  try {
    const facts = await make(work, { suites, partitions }, progress, signal);
    await writeFile(
      join(work, 'base.json'),
      `${JSON.stringify({ description: facts.description, inputs: { ...inputs, ...facts.inputs } }, null, 2)}\n`,
    );
    await rm(target, { recursive: true, force: true });
    await rename(work, target);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof DroverError) throw error;
    throw new Refused(
      'environment',
      `the base disk could not be made:\n${lastLines(error)}`,
      'Check that the mirror answers (apt-get update) and no tool is missing (drover doctor --install), then run again.',
      { cause: error },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  await prune(home, distribution);
  const made = await read(target);
  if (!made) throw new Error(`${target} vanished`);
  return { ...made, ...pathsIn(target), key, suites };
}

const pathsIn = (directory: string) => ({
  path: join(directory, 'disk.raw'),
  kernel: join(directory, 'vmlinuz'),
});

/** A failed command's own words, without the trace zx puts around them. */
function lastLines(error: unknown): string {
  const text = error instanceof ProcessOutput ? error.stdout + error.stderr : reasonOf(error);
  return text.trim().split('\n').slice(-12).join('\n');
}

async function read(directory: string): Promise<Pick<BaseDisk, 'description' | 'inputs'> | undefined> {
  try {
    await stat(join(directory, 'disk.raw'));
    return JSON.parse(await readFile(join(directory, 'base.json'), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Keeps the two newest: the one just made, and one that another release may still be reading. */
async function prune(home: string, distribution: string): Promise<void> {
  const names = (await readdir(home)).filter((name) => name.startsWith(`${distribution}-`));
  const aged = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(join(home, name))).mtimeMs })),
  );
  for (const { name } of aged.sort((a, b) => b.at - a.at).slice(2)) {
    await rm(join(home, name), { recursive: true, force: true });
  }
}

/** Removes what killed runs left. Making a disk takes minutes: a day-old directory is nobody's work any more. */
async function sweep(home: string, now: number): Promise<void> {
  for (const name of (await readdir(home)).filter((it) => it.startsWith('.making-'))) {
    const path = join(home, name);
    if ((await stat(path)).mtimeMs < now - 86_400_000) await rm(path, { recursive: true, force: true });
  }
}

/** The story of a disk, from packages to a boot loader. Leaves `disk.raw` in `work`. */
async function make(
  work: string,
  { suites, partitions }: { suites: string[]; partitions: readonly Partition[] },
  progress: Progress,
  signal: AbortSignal | undefined,
) {
  // A namespace of its own takes mounts, loop devices and daemons down with the command, however that ends.
  const $ = shell({ quiet: true, env: { ...process.env, LC_ALL: 'C.UTF-8' } });
  const apart = 'unshare --mount --pid --fork --kill-child --mount-proc --propagation private --'.split(' ');
  const tree = join(work, 'tree');
  const disk = join(work, 'disk.raw');

  await writeFile(join(work, 'sources.list'), sourcesList(await archiveFor(suites, signal)));
  await writeFile(join(work, 'reach.conf'), await reachConfiguration(signal));
  // fstab comes before the packages: the initial ramdisk takes its file system check from it.
  const fstab = [
    'LABEL=root / ext4 defaults,errors=remount-ro 0 1',
    ...partitions.map(({ line }) => line),
    '',
  ];
  await writeFile(join(work, 'fstab'), fstab.join('\n'));
  const bootstrap = $`${apart} mmdebstrap --verbose --mode=root --variant=minbase --include=${packages.join(',')} \
    --aptopt=${join(work, 'reach.conf')} --aptopt=${'APT::Install-Recommends "false"'} \
    --dpkgopt=force-unsafe-io --essential-hook=${`cp ${join(work, 'fstab')} "$1/etc/fstab"`} \
    ${suites[0]!} ${tree} ${join(work, 'sources.list')} 2>&1`;
  // unshare shrugs off gentler signals, and nothing of this tree is worth an orderly end.
  const stop = () => void bootstrap.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  try {
    for await (const line of bootstrap) {
      // mmdebstrap's own steps, except the command lines of its hooks; in between, the package at hand.
      const shown = activity(line) ?? /^I: (?!running )(.+)/.exec(line)?.[1];
      if (shown) progress.update(`Debian packages: ${shown}`);
    }
    await bootstrap;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  signal?.throwIfAborted();

  progress.update('the disk: file systems');
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(tree, path, '..'), { recursive: true });
    await writeFile(join(tree, path), text);
  }
  await publicSources(tree, suites);
  await rm(join(tree, 'etc/resolv.conf'), { force: true });
  await symlink('../run/systemd/resolve/stub-resolv.conf', join(tree, 'etc/resolv.conf'));
  const installed = await $`dpkg-query --root=${tree} --show`;
  const kernel = (await readdir(join(tree, 'lib/modules'))).join(' ');

  const layout = layOut(partitions);
  await truncate(await created(disk), layout.bytes);
  await $({ input: layout.table })`sfdisk --quiet ${disk}`;
  for (const { label, offset, bytes } of layout.fileSystems) {
    // extlinux reads neither 64-bit block numbers nor checksummed metadata. The kernel would write out later what is
    // left uninitialized here, on every instance.
    await $`mke2fs -q -t ext4 -L ${label} -O ^64bit,^metadata_csum \
      -E offset=${offset},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0 ${disk} ${bytes / 1024}k`;
  }

  progress.update('the disk: files and boot loader');
  const mountPoint = join(work, 'mounted');
  await mkdir(mountPoint);
  const fill =
    '"$1" "$2" "$3" && cp -a "$4/." "$3/" && extlinux --install "$3/boot/extlinux"; status=$?; umount -R "$3"; exit $status';
  await $`${apart} sh -c ${fill} - ${join(packerRoom, 'chroot/mount.sh')} ${disk} ${mountPoint} ${tree}`;
  await $`dd if=/usr/lib/EXTLINUX/gptmbr.bin of=${disk} bs=440 count=1 conv=notrunc status=none`;

  await $`cp --dereference ${join(tree, 'boot')}/vmlinuz-${kernel} ${join(work, 'vmlinuz')}`;
  for (const part of ['tree', 'mounted', 'sources.list', 'reach.conf', 'fstab']) {
    await rm(join(work, part), { recursive: true });
  }
  const count = installed.stdout.trim().split('\n').length;
  progress.note(`base disk made: ${count} packages, kernel ${kernel}`);
  return {
    description: [
      `Debian ${suites[0]}, ${count} packages, kernel ${kernel}`,
      ...(partitions.length > 0
        ? [`partitions ${partitions.map(({ mountPoint }) => mountPoint).join(' ')}`]
        : []),
    ].join(', '),
    inputs: { kernel, installed: sha256(installed.stdout) },
  };
}

async function created(file: string): Promise<string> {
  await writeFile(file, '');
  return file;
}

/** ISO 8601 week, e.g. '2026-W47', in UTC. */
export function isoWeek(ms: number): string {
  const day = 86_400_000;
  const date = new Date(ms);
  const weekday = (date.getUTCDay() + 6) % 7;
  // A week belongs to the year of its Thursday.
  const thursday = new Date(
    Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() - weekday + 3),
  );
  const start = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = 1 + Math.floor((thursday.getTime() - start) / (7 * day));
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, '0')}`;
}
