/**
 * The finished disk, opened to be read: converted to raw in a scratch directory and its file systems mounted
 * read-only, each at its place, without replaying a journal. Never writes to the image, and never leaves a mount
 * behind. What is mounted where, the disk itself says (packer/chroot/mount.sh).
 *
 * Needs root (loop mounts).
 */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { packerRoom } from '../packer/packer.ts';
import { Refused } from '../pipeline/errors.ts';

/**
 * Mounts the image below `directory` and hands its root's path to `work`.
 * @throws Refused('environment') without root; Error when the disk cannot be read or holds no system
 */
export async function withMountedDisk<T>(
  options: { diskPath: string; directory: string; signal?: AbortSignal | undefined },
  work: (root: string) => Promise<T>,
): Promise<T> {
  const { diskPath, directory, signal } = options;
  if (process.getuid?.() !== 0) {
    throw new Refused(
      'environment',
      'reading a disk image needs root, for a loop mount',
      'Run the scan as root on Linux.',
    );
  }
  const running = signal ? { cancelSignal: signal } : {};
  const raw = join(directory, 'disk.raw');
  const root = join(directory, 'root');
  await mkdir(root, { recursive: true });
  await execa('qemu-img', ['convert', '-O', 'raw', diskPath, raw], running);
  // Whatever fails or is aborted on the way, what was mounted until then goes.
  try {
    // noload: a journal nobody replayed is read as it is; the audit sees what is on the disk.
    await execa(join(packerRoom, 'chroot/mount.sh'), [raw, root, 'ro,noload'], running);
    if (!(await isFile(join(root, 'etc/os-release'))))
      throw new Error(`${diskPath} holds no /etc/os-release`);
    return await work(root);
  } finally {
    // Neither cut short by the abort that brought us here, nor stopped by a process that is still dying:
    // the mount is gone from here at once, and from the kernel with its last user. It was read-only.
    const mounted = await execa('findmnt', ['--submounts', root], { reject: false });
    if (mounted.exitCode === 0) await execa('umount', ['--lazy', '--recursive', root]);
  }
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
