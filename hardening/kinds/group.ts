/** Groups that must exist, group(5). */
import { z } from 'zod';
import { about, type Kind, textOf } from './kind.ts';

export const group: Kind = {
  name: z.string().regex(/^[a-z_][\w-]*$/, "a group's name"),
  /** Nobody is put into a group here; who is in it is decided where an instance is launched. */
  value: z.literal('empty'),
  async read(root, desired) {
    const lines = (await textOf(root, 'etc/group')).split('\n').map((line) => line.split(':'));
    return about(
      desired,
      new Map(lines.map(([name = '', , , members]) => [name, members ? members : 'empty'])),
    );
  },
  change: (desired) => [...desired.keys()].map((name) => ({ do: 'group', name })),
};
