/**
 * PAM stacks, pam.conf(5): one whole file for each. Whole, because in a stack the order is the meaning; a line put
 * into whatever is there means something else on the next machine. pam-auth-update(8) leaves files alone that are
 * not its own, so packages that bring a module later do not change what was decided here.
 */
import { z } from 'zod';
import { generated, type Kind, statements, textOf } from './kind.ts';

/** One statement a line, one blank between words: what PAM makes of the text. */
const meaning = (text: string): string =>
  statements(text, /^\s*#/)
    .map((line) => line.replaceAll(/\s+/g, ' '))
    .join('\n');

export const pam: Kind = {
  name: z.string().regex(/^[a-z][\w-]*$/, 'a file of /etc/pam.d'),
  value: z.string().transform(meaning),
  async read(root, desired) {
    const found = new Map<string, string>();
    for (const name of desired.keys()) {
      const text = await textOf(root, `etc/pam.d/${name}`);
      if (text !== '') found.set(name, meaning(text));
    }
    return found;
  },
  change: (desired) =>
    [...desired].map(([name, stack]) => ({
      do: 'file',
      path: `etc/pam.d/${name}`,
      text: `${generated}${stack}\n`,
    })),
};
