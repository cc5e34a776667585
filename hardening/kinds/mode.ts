/**
 * Who owns a file and what they may do with it at most. A mode is a ceiling, as the benchmark's "or stricter" means
 * it. The last part of a path may be a pattern for the plain files of a directory.
 */
import { glob, lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Kind } from './kind.ts';

interface Wanted {
  mode: string;
  owner: string;
  group: string;
}
function wantedOf(value: string): Wanted {
  const [mode = '', owner = '', group = ''] = value.split(/[ :]/);
  return { mode, owner, group };
}

/** Names of a passwd(5) or group(5) file by their number. */
async function namesIn(root: string, file: string): Promise<Map<number, string>> {
  const lines = (await readFile(join(root, file), 'utf8')).split('\n').map((line) => line.split(':'));
  return new Map(lines.map(([name = '', , id]) => [Number(id), name]));
}

export const mode: Kind = {
  name: z.string().regex(/^(\/[\w.@*-]+)+$/, 'an absolute path'),
  /** '*' for an owner or group: whoever it is. */
  value: z.string().regex(/^0[0-7]{3} (\*|[\w-]+):(\*|[\w-]+)$/, "as '0640 root:adm'"),
  async read(root, desired) {
    const [owners, groups] = [await namesIn(root, 'etc/passwd'), await namesIn(root, 'etc/group')];
    const found = new Map<string, string>();
    for (const [path, value] of desired) {
      const wanted = wantedOf(value);
      // Unless something is wrong with a file, what is wanted is what is.
      found.set(path, value);
      for await (const name of glob(path.slice(1), { cwd: root })) {
        const stats = await lstat(join(root, name));
        if (stats.isSymbolicLink() || (path.includes('*') && !stats.isFile())) continue;
        const [owner, group] = [owners.get(stats.uid) ?? stats.uid, groups.get(stats.gid) ?? stats.gid];
        const bits = stats.mode & 0o7777;
        const good =
          (bits & ~Number.parseInt(wanted.mode, 8)) === 0 &&
          ['*', owner].includes(wanted.owner) &&
          ['*', group].includes(wanted.group);
        if (!good) found.set(path, `0${bits.toString(8)} ${owner}:${group} (${name})`);
      }
    }
    return found;
  },
  change: (desired) => [...desired].map(([path, value]) => ({ do: 'mode', path, ...wantedOf(value) })),
};
