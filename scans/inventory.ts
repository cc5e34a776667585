/** What is installed in an image, whichever package manager says so, with the licences the packages declare. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type InstalledPackage, parseDpkgStatus } from './dpkg.ts';
import { licencesOf } from './sbom.ts';

export interface Inventory {
  /** The package type of a purl. */
  type: 'deb' | 'rpm';
  packages: readonly InstalledPackage[];
  /** Licence names by package, as the package declares them; packages without one are left out. */
  licences: ReadonlyMap<string, readonly string[]>;
}

/** @param root an image's file system, or those of its files that dpkg's state and documentation are */
export async function dpkgInventory(root: string): Promise<Inventory> {
  const packages = parseDpkgStatus(await readFile(join(root, 'var/lib/dpkg/status'), 'utf8'));
  return { type: 'deb', packages, licences: await readLicences(root) };
}

/** Debian puts every package's licence in /usr/share/doc/<package>/copyright (Debian Policy 12.5). */
async function readLicences(root: string): Promise<Map<string, string[]>> {
  const documentation = join(root, 'usr/share/doc');
  const names = await readdir(documentation).catch(() => []);
  const licences = new Map<string, string[]>();
  for (const name of names) {
    // Latin-1 reads any byte; the names of licences are ASCII. Images may leave documentation out.
    const text = await readFile(join(documentation, name, 'copyright'), 'latin1').catch(() => '');
    const found = licencesOf(text);
    if (found.length > 0) licences.set(name, found);
  }
  return licences;
}
