/** Whole files in words of their own: banners, shell profiles, a service's configuration. */
import { z } from 'zod';
import { type Kind, textOf } from './kind.ts';

export const text: Kind = {
  name: z.string().regex(/^(\/[\w.@-]+)+$/, "a file's absolute path"),
  value: z.string().min(1),
  async read(root, desired) {
    const found = new Map<string, string>();
    for (const path of desired.keys()) {
      const content = await textOf(root, path);
      if (content !== '') found.set(path, content);
    }
    return found;
  },
  change: (desired) =>
    [...desired].map(([path, content]) => ({ do: 'file', path: path.slice(1), text: content })),
};
