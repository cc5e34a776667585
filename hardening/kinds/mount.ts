/** File systems mounted at boot, fstab(5), keyed by their mount point; other lines of the file stay. */
import { z } from 'zod';
import { about, type Kind, statements, textOf } from './kind.ts';

export const mount: Kind = {
  name: z.string().regex(/^(\/[\w.-]+)+$/, 'a mount point'),
  value: z.string().regex(/^\S+ \S+ \S+$/, "device, type and options, as 'tmpfs tmpfs nodev,nosuid'"),
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
      return { do: 'mount', point, line: [device, point, ...rest, 0, 0].join(' ') };
    }),
};
