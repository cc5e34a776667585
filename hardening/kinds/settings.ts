/**
 * Files of names and values that belong to one program each. The whole file is ours and the catalogue says everything
 * in it: some programs read no drop-ins, and where they do, the benchmark's checks read the main file only. What is
 * read is what the program reads, drop-ins included; the last assignment holds.
 */
import { z } from 'zod';
import { about, dropIns, generated, type Kind, statements, textOf } from './kind.ts';

interface Place {
  path: string;
  /** Drop-ins that are read after it; of one name the earlier directory's counts. */
  directories?: string[];
  /** An INI section the assignments stand in. */
  section?: string;
  /** Between name and value. */
  separator: string;
}

function settings({ path, directories = [], section, separator }: Place): Kind {
  const head = section ? `[${section}]\n` : '';
  // A word alone is a switch.
  const line = ([name, value]: [string, string]) => (value === '' ? name : name + separator + value);
  return {
    name: z.string().regex(/^[A-Za-z][\w-]*$/, "a setting's name"),
    value: z.string(),
    async read(root, desired) {
      const found = new Map<string, string>();
      for (const file of [path, ...(await dropIns(root, directories, '.conf'))]) {
        for (const statement of statements(await textOf(root, file))) {
          const [, name, value = ''] = /^([\w-]+)(?:\s*=\s*|\s+|$)(.*)$/.exec(statement) ?? [];
          if (name !== undefined) found.set(name, value.trim());
        }
      }
      return about(desired, found);
    },
    change: (desired) => [
      { do: 'file', path, text: `${generated}${head}${[...desired].map(line).join('\n')}\n` },
    ],
  };
}

const systemd = (name: string) => ({
  path: `etc/systemd/${name}.conf`,
  directories: ['etc', 'run', 'usr/lib'].map((it) => `${it}/systemd/${name}.conf.d`),
  separator: '=',
});

/** login.defs(5). */
export const loginDefs = settings({ path: 'etc/login.defs', separator: ' ' });
/** useradd(8): what new accounts get. */
export const useradd = settings({ path: 'etc/default/useradd', separator: '=' });
/** faillock.conf(5). */
export const faillock = settings({ path: 'etc/security/faillock.conf', separator: ' = ' });
/** pwquality.conf(5). */
export const pwquality = settings({
  path: 'etc/security/pwquality.conf',
  directories: ['etc/security/pwquality.conf.d'],
  separator: ' = ',
});
/** journald.conf(5). */
export const journald = settings({ ...systemd('journald'), section: 'Journal' });
/** coredump.conf(5). */
export const coredump = settings({ ...systemd('coredump'), section: 'Coredump' });
