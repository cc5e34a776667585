/** Where on a disk each of its file systems is. Pure. */
import type { Partition } from '../hardening/kinds/mount.ts';

const mebibyte = 1024 ** 2;
/** Big enough for a server's own software. */
const rootBytes = 4 * 1024 ** 3;

/** Where every file system begins and ends, and sfdisk's input for that; a mebibyte at either end is the table's. */
export function layOut(partitions: readonly Partition[]) {
  const root = { mountPoint: '/', label: 'root', bytes: rootBytes - 2 * mebibyte };
  let end = mebibyte;
  const fileSystems = [...partitions, root].map(({ mountPoint, label, bytes }) => {
    end += bytes;
    return { mountPoint, label, bytes, offset: end - bytes };
  });
  const lines = fileSystems.map(
    ({ mountPoint, bytes, offset }) =>
      `start=${offset / 512}, size=${bytes / 512}, type=linux, name="${mountPoint}"` +
      // Where gptmbr.bin looks for the boot loader.
      (mountPoint === '/' ? ', attrs=LegacyBIOSBootable' : ''),
  );
  return { bytes: end + mebibyte, table: ['label: gpt', ...lines, ''].join('\n'), fileSystems };
}
