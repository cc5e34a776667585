/**
 * Changes → what an image is handed: a tree of whole files, lists of everything else, and apply.sh, which puts both
 * in place. Decides the shape of the lists; apply.sh explains what it does with each.
 */
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Change } from './kinds/kind.ts';

/** Writes `directory`, which must not exist. Equal changes give equal bytes. */
export async function renderHardening(directory: string, changes: readonly Change[]): Promise<void> {
  const lists = {
    packages: '',
    files: '',
    absent: '',
    modes: '',
    groups: '',
    shells: '',
    mounts: '',
    units: '',
  };
  for (const change of changes) {
    switch (change.do) {
      case 'file': {
        const path = join(directory, 'tree', change.path);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, change.text);
        await chmod(path, Number.parseInt(change.mode ?? '0644', 8));
        lists.files += `${change.mode ?? '0644'} ${change.path}\n`;
        break;
      }
      case 'absent':
        lists.absent += `${change.path}\n`;
        break;
      case 'package':
        // apt's own notation: a name with a minus is taken away.
        lists.packages += `${change.name}${change.state === 'absent' ? '-' : ''}\n`;
        break;
      case 'mode':
        lists.modes += `${change.mode} ${change.owner} ${change.group} ${change.path}\n`;
        break;
      case 'group':
        lists.groups += `${change.name}\n`;
        break;
      case 'shell':
        lists.shells += `${change.name} ${change.shell}\n`;
        break;
      case 'mount':
        lists.mounts += `${change.line}\n`;
        break;
      case 'unit':
        lists.units += `${change.state} ${change.name}\n`;
        break;
    }
  }
  await mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(lists)) await writeFile(join(directory, name), text);
  await copyFile(join(import.meta.dirname, 'apply.sh'), join(directory, 'apply.sh'));
}
