/** Defaults of sudo, sudoers(5): of several values the last one read holds. */
import { z } from 'zod';
import { about, dropIns, generated, type Kind, statements, textOf } from './kind.ts';

const path = 'etc/sudoers.d/00-drover';

export const sudo: Kind = {
  name: z.string().regex(/^[a-z_]+$/, 'an option of sudoers(5)'),
  /** Empty for an option that is only switched on. */
  value: z.string(),
  async read(root, desired) {
    const found = new Map<string, string>();
    for (const file of ['etc/sudoers', ...(await dropIns(root, ['etc/sudoers.d'], ''))]) {
      for (const line of statements(await textOf(root, file), /^\s*#(?!include)/)) {
        const [, negated, name, value = ''] = /^Defaults\s+(!?)(\w+)(?:\s*=\s*(.*))?$/.exec(line) ?? [];
        if (name !== undefined && negated) found.delete(name);
        else if (name !== undefined) found.set(name, value);
      }
    }
    return about(desired, found);
  },
  change: (desired) => [
    {
      do: 'file',
      path,
      mode: '0440',
      text:
        generated + [...desired].map(([name, value]) => `Defaults ${name}${value && `=${value}`}\n`).join(''),
    },
  ],
};
