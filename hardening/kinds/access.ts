/** Who may use cron and at, crontab(1), at.allow(5): the list of those who may, and no list of those who may not. */
import { z } from 'zod';
import { type Kind, statements, textOf } from './kind.ts';

export const access: Kind = {
  name: z.enum(['cron', 'at']),
  /** Accounts, separated by blanks. */
  value: z.string().regex(/^[a-z_][\w-]*( [a-z_][\w-]*)*$/),
  async read(root, desired) {
    const found = new Map<string, string>();
    for (const name of desired.keys()) {
      const allowed = statements(await textOf(root, `etc/${name}.allow`)).join(' ');
      if (allowed !== '' && (await textOf(root, `etc/${name}.deny`)) === '') found.set(name, allowed);
    }
    return found;
  },
  change: (desired) =>
    [...desired].flatMap(([name, accounts]) => [
      { do: 'absent', path: `etc/${name}.deny` },
      { do: 'file', path: `etc/${name}.allow`, text: `${accounts.replaceAll(' ', '\n')}\n` },
      { do: 'mode', path: `/etc/${name}.allow`, mode: '0640', owner: 'root', group: 'root' },
    ]),
};
