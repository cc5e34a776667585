/**
 * The SSH server, sshd_config(5): of several values for a keyword the first one read holds. The whole file is ours,
 * because the benchmark's checks read no drop-in; those come last, so that user data can add to it and not undo it.
 */
import { z } from 'zod';
import { dropIns, generated, type Kind, statements, textOf } from './kind.ts';

const path = 'etc/ssh/sshd_config';
const directory = 'etc/ssh/sshd_config.d';
const include = `Include /${directory}/*.conf`;

export const sshd: Kind = {
  name: z.string().regex(/^[A-Z][A-Za-z0-9]+$/, 'a keyword of sshd_config(5)'),
  value: z.string().regex(/^\S.*$/),
  async read(root, desired) {
    const said = new Map<string, string>();
    const take = async (file: string) => {
      for (const line of statements(await textOf(root, file), /^\s*#/)) {
        const [, keyword = '', value = ''] = /^(\S+)[\s=]+(.*)$/.exec(line) ?? [];
        // What follows is about some connections only.
        if (/^match$/i.test(keyword)) return;
        if (line === include)
          for (const dropIn of await dropIns(root, [directory], '.conf')) await take(dropIn);
        else if (!said.has(keyword.toLowerCase())) said.set(keyword.toLowerCase(), value);
      }
    };
    await take(path);
    const facts = [...desired.keys()].map((name) => [name, said.get(name.toLowerCase())] as const);
    return new Map(facts.filter((it): it is [string, string] => it[1] !== undefined));
  },
  change: (desired) => [
    {
      do: 'file',
      path,
      mode: '0600',
      text: `${generated}${[...[...desired].map((it) => it.join(' ')), include].join('\n')}\n`,
    },
  ],
};
