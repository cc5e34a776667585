/** Debian packages that must be there or must not, by dpkg's own record. */
import { z } from 'zod';
import { type Kind, textOf } from './kind.ts';

export const packages: Kind = {
  name: z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/, "a package's name"),
  value: z.enum(['installed', 'absent']),
  async read(root, desired) {
    const installed = new Set<string>();
    for (const stanza of (await textOf(root, 'var/lib/dpkg/status')).split('\n\n')) {
      const name = /^Package: (.+)$/m.exec(stanza)?.[1];
      if (name && /^Status: \S+ \S+ installed$/m.test(stanza)) installed.add(name);
    }
    return new Map([...desired.keys()].map((name) => [name, installed.has(name) ? 'installed' : 'absent']));
  },
  change: (desired) =>
    [...desired].map(([name, state]) => ({ do: 'package', name, state: state as 'installed' | 'absent' })),
};
