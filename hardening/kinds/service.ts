/** Units that start with the system, do not, or never can: systemctl(1) enable, disable, mask. */
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Kind } from './kind.ts';

const units = 'etc/systemd/system';

export const service: Kind = {
  name: z.string().regex(/^[\w@:.-]+\.(service|socket|timer|mount|path)$/, "a unit's full name"),
  value: z.enum(['enabled', 'disabled', 'masked']),
  async read(root, desired) {
    const entries = await readdir(join(root, units), { recursive: true }).catch(() => [] as string[]);
    const wanted = new Set(
      entries.flatMap((entry) => /\.(?:wants|requires)\/([^/]+)$/.exec(entry)?.[1] ?? []),
    );
    const found = new Map<string, string>();
    for (const name of desired.keys()) {
      const target = await readlink(join(root, units, name)).catch(() => '');
      found.set(name, target === '/dev/null' ? 'masked' : wanted.has(name) ? 'enabled' : 'disabled');
    }
    return found;
  },
  change: (desired) =>
    [...desired].map(([name, state]) => ({
      do: 'unit',
      name,
      state: state as 'enabled' | 'disabled' | 'masked',
    })),
};
