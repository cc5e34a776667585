/** Packages that must be there or must not, by the record dpkg or rpm keeps. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { type Kind, textOf } from './kind.ts';

/** Amazon Linux 2023: rpm 4.16's index of names (its lib/backend/sqlite.c). */
const rpmDatabase = 'var/lib/rpm/rpmdb.sqlite';

async function dpkgNames(root: string): Promise<Set<string>> {
  const installed = new Set<string>();
  for (const stanza of (await textOf(root, 'var/lib/dpkg/status')).split('\n\n')) {
    const name = /^Package: (.+)$/m.exec(stanza)?.[1];
    if (name && /^Status: \S+ \S+ installed$/m.test(stanza)) installed.add(name);
  }
  return installed;
}

async function rpmNames(root: string): Promise<Set<string>> {
  const path = join(root, rpmDatabase);
  if (!existsSync(path)) return new Set();
  // Nobody writes to it meanwhile, and its journal cannot be made on a file system that is mounted to be read.
  const url = pathToFileURL(path);
  url.searchParams.set('immutable', '1');
  const database = new DatabaseSync(url, { readOnly: true });
  try {
    return new Set(
      database
        .prepare('SELECT DISTINCT key FROM Name')
        .all()
        .map(({ key }) => String(key)),
    );
  } finally {
    database.close();
  }
}

export const packages: Kind = {
  name: z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/, "a package's name"),
  value: z.enum(['installed', 'absent']),
  async read(root, desired) {
    const installed = (await dpkgNames(root)).union(await rpmNames(root));
    return new Map([...desired.keys()].map((name) => [name, installed.has(name) ? 'installed' : 'absent']));
  },
  change: (desired) =>
    [...desired].map(([name, state]) => ({ do: 'package', name, state: state as 'installed' | 'absent' })),
};
