/** What an account that exists is given when it logs in, passwd(5); one that does not exist cannot log in. */
import { z } from 'zod';
import { type Kind, textOf } from './kind.ts';

export const loginShell: Kind = {
  name: z.string().regex(/^[a-z_][\w-]*$/, "an account's name"),
  value: z.string().regex(/^(\/[\w-]+)+$/, "a shell's absolute path"),
  async read(root, desired) {
    const lines = (await textOf(root, 'etc/passwd')).split('\n').map((line) => line.split(':'));
    const shells = new Map(lines.map(([name = '', , , , , , shell = '']) => [name, shell]));
    return new Map([...desired].map(([name, shell]) => [name, shells.get(name) ?? shell]));
  },
  change: (desired) => [...desired].map(([name, shell]) => ({ do: 'shell', name, shell })),
};
