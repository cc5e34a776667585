/** Kernel parameters, sysctl.d(5): of several assignments the last one read holds. */
import { z } from 'zod';
import { about, dropIns, generated, type Kind, statements, textOf } from './kind.ts';

/** 99-sysctl.conf is the old /etc/sysctl.conf, a person's own last word: ours comes before it. */
const path = 'etc/sysctl.d/90-drover.conf';
const directories = ['etc/sysctl.d', 'run/sysctl.d', 'usr/local/lib/sysctl.d', 'usr/lib/sysctl.d'];

export const sysctl: Kind = {
  name: z.string().regex(/^[a-z0-9_]+(\.[A-Za-z0-9_-]+)+$/, "a parameter's dotted name"),
  value: z.string().regex(/^[\w. -]+$/),
  async read(root, desired) {
    const found = new Map<string, string>();
    for (const file of await dropIns(root, directories, '.conf')) {
      for (const line of statements(await textOf(root, file))) {
        const [, name, value] = /^-?([^=\s]+)\s*=\s*(.*)$/.exec(line) ?? [];
        if (name !== undefined && value !== undefined) found.set(name.replaceAll('/', '.'), value);
      }
    }
    return about(desired, found);
  },
  change: (desired) => [
    {
      do: 'file',
      path,
      text: generated + [...desired].map(([name, value]) => `${name} = ${value}\n`).join(''),
    },
  ],
};
