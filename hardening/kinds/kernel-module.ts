/** Kernel modules that must never load (modprobe.d(5)) or always do (modules-load.d(5)). */
import { z } from 'zod';
import { about, dropIns, generated, type Kind, statements, textOf } from './kind.ts';

const denied = 'etc/modprobe.d/drover.conf';
const loaded = 'etc/modules-load.d/drover.conf';
const places = (directory: string) => [
  `etc/${directory}`,
  `run/${directory}`,
  `usr/lib/${directory}`,
  `lib/${directory}`,
];

export const kernelModule: Kind = {
  name: z.string().regex(/^[A-Za-z0-9_-]+$/, "a module's name"),
  value: z.enum(['disabled', 'loaded']),
  async read(root, desired) {
    const found = new Map<string, string>();
    const blacklisted = new Set<string>();
    const uninstallable = new Set<string>();
    for (const file of await dropIns(root, places('modprobe.d'), '.conf')) {
      for (const line of statements(await textOf(root, file))) {
        const [word, name = '', command = ''] = line.split(/\s+/);
        if (word === 'blacklist') blacklisted.add(name);
        if (word === 'install' && /^\/bin\/(false|true)$/.test(command)) uninstallable.add(name);
      }
    }
    // A blacklisted module still loads when asked for by name; one with a failing install command does not.
    for (const name of blacklisted) if (uninstallable.has(name)) found.set(name, 'disabled');
    for (const file of await dropIns(root, places('modules-load.d'), '.conf')) {
      for (const name of statements(await textOf(root, file))) found.set(name, 'loaded');
    }
    return about(desired, found);
  },
  change(desired) {
    const named = (value: string) => [...desired].filter(([, it]) => it === value).map(([name]) => name);
    const lines = named('disabled').map((name) => `install ${name} /bin/false\nblacklist ${name}\n`);
    const files = [
      { path: denied, lines },
      { path: loaded, lines: named('loaded').map((name) => `${name}\n`) },
    ];
    return files
      .filter((it) => it.lines.length > 0)
      .map((it) => ({ do: 'file', path: it.path, text: generated + it.lines.join('') }));
  },
};
