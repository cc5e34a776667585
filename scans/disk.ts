/**
 * The finished disk, opened to be read: converted to raw in a scratch directory and its root file system
 * mounted read-only without replaying the journal. Decides which partition is the root; never writes to the
 * image, and never leaves a mount behind.
 *
 * Needs root (loop mounts); works without udev, because partitions are found by offset, not by device node.
 */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import { Refused } from '../pipeline/errors.ts';

const partitionTable = z.object({
  partitiontable: z.object({
    sectorsize: z.number().int().positive().default(512),
    partitions: z.array(z.object({ start: z.number().int(), size: z.number().int() })).min(1),
  }),
});

/**
 * Mounts the image's root file system below `directory` and hands its path to `work`.
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
  const { stdout } = await execa('sfdisk', ['--json', raw], running);
  const { offset, size } = rootPartition(stdout);
  // noload: a journal nobody replayed is read as it is; the audit sees what is on the disk.
  await execa('mount', ['-o', `ro,noload,loop,offset=${offset},sizelimit=${size}`, '-t', 'ext4', raw, root]);
  try {
    if (!(await isFile(join(root, 'etc/os-release'))))
      throw new Error(`${diskPath} holds no /etc/os-release`);
    return await work(root);
  } finally {
    // Neither cut short by the abort that brought us here, nor stopped by a process that is still dying:
    // the mount is gone from here at once, and from the kernel with its last user. It was read-only.
    await execa('umount', ['--lazy', root]);
  }
}

/** The largest partition, in bytes, of `sfdisk --json`. */
export function rootPartition(json: string): { offset: number; size: number } {
  const { sectorsize, partitions } = partitionTable.parse(JSON.parse(json)).partitiontable;
  const largest = partitions.reduce((best, next) => (next.size > best.size ? next : best));
  return { offset: largest.start * sectorsize, size: largest.size * sectorsize };
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
