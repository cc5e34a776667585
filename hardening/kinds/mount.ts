/**
 * File systems mounted at boot, fstab(5), keyed by their mount point; other lines of the file stay. One that is named
 * by its label is a partition of the image's disk: `x-drover.size` says how large, which mount(8) passes over.
 */
import { z } from 'zod';
import { about, type Kind, statements, textOf } from './kind.ts';

/** A file system by its label, with that option: 'LABEL=var ext4 rw,nodev,x-drover.size=8G'. */
const onDisk = /^LABEL=([a-z0-9-]{1,16}) ext4 (?:\S+,)?x-drover\.size=([1-9]\d*)([MG])(?:,\S+)?$/;

export const mount: Kind = {
  name: z.string().regex(/^(\/[\w.-]+)+$/, 'a mount point'),
  value: z
    .string()
    .regex(/^\S+ \S+ \S+$/, "device, type and options, as 'tmpfs tmpfs nodev,nosuid'")
    .refine(
      (value) => !value.startsWith('LABEL=') || onDisk.test(value),
      "a partition is written as 'LABEL=var ext4 rw,nodev,x-drover.size=8G', its label of at most 16 small letters, digits and -",
    ),
  async read(root, desired) {
    const lines = statements(await textOf(root, 'etc/fstab')).map((line) => line.split(/\s+/));
    return about(
      desired,
      new Map(lines.map(([device, point = '', ...rest]) => [point, [device, ...rest.slice(0, 2)].join(' ')])),
    );
  },
  change: (desired) =>
    [...desired].map(([point, value]) => {
      const [device, ...rest] = value.split(' ');
      // Checked at boot after the root file system, where there is a disk to check.
      return { do: 'mount', point, line: [device, point, ...rest, 0, onDisk.test(value) ? 2 : 0].join(' ') };
    }),
};

export interface Partition {
  mountPoint: string;
  label: string;
  /** A whole number of mebibytes. */
  bytes: number;
  /** Of fstab(5). */
  line: string;
}

/** Those of the mounts that are partitions of the image's disk, parents before what is mounted within them. */
export const partitionsOf = (mounts: Iterable<readonly [point: string, value: string]>): Partition[] =>
  [...mounts]
    .flatMap(([mountPoint, value]): Partition[] => {
      const [, label, count, unit] = onDisk.exec(value) ?? [];
      const line = mount
        .change(new Map([[mountPoint, value]]))
        .flatMap((it) => ('line' in it ? it.line : []));
      const bytes = Number(count) * 1024 ** (unit === 'G' ? 3 : 2);
      return label === undefined ? [] : [{ mountPoint, label, bytes, line: line.join() }];
    })
    .sort((one, two) => (one.mountPoint < two.mountPoint ? -1 : 1));
