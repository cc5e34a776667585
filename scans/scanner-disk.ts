/**
 * The scanner disk: OpenSCAP and every library it needs, from Debian's packages, on a read-only disk that is
 * attached to a throwaway VM. Decides what is on that disk; nothing of it is ever installed in an image. It
 * brings its own C library and loader, so it runs in any x86-64 Linux.
 *
 * Cached by the packages' names and versions, which apt verified by the archive's signatures.
 */
import { mkdir, mkdtemp, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { sha256 } from '../pipeline/json.ts';
import { overNetwork } from '../pipeline/network.ts';
import { readIndexes } from './apt.ts';

/** Where the disk's own loader and libraries are, relative to its root. */
const libraryPath = ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu', 'usr/lib'];

export interface ScannerDisk {
  /** A raw ext4 file system. */
  path: string;
  /** What is on it, `name=version`, sorted. */
  packages: string[];
}

/**
 * The disk for a distribution's release, made or taken from the cache.
 * @throws Error when a package cannot be fetched or verified
 */
export async function provideScannerDisk(options: {
  codename: string;
  cacheDir: string;
  signal?: AbortSignal | undefined;
  onProgress?: (text: string) => void;
}): Promise<ScannerDisk> {
  const { codename, cacheDir, signal, onProgress = () => {} } = options;
  const running = signal ? { cancelSignal: signal } : {};
  await mkdir(cacheDir, { recursive: true });
  const work = await mkdtemp(join(cacheDir, 'scanner-disk.'));
  try {
    onProgress('reading package indexes for the scanner');
    // An empty status: apt then names the whole closure, down to the C library.
    const apt = await readIndexes({ directory: join(work, 'apt'), codename, status: '', signal });
    const install = ['install', '-y', '-q', '--no-install-recommends', 'openscap-scanner'];
    const { stdout } = await execa('apt-get', [...install, '--print-uris'], {
      env: apt.environment,
      ...running,
    });
    const packages = parseArchiveNames(stdout);
    const path = join(cacheDir, `scanner-${sha256(packages.join('\n')).slice(0, 16)}.ext4`);
    if (await exists(path)) return { path, packages };

    onProgress(`fetching ${packages.length} packages for the scanner disk`);
    await overNetwork(
      () => execa('apt-get', [...install, '--download-only'], { env: apt.environment, ...running }),
      { signal },
    );
    const archives = join(work, 'apt/cache/archives');
    const tree = join(work, 'tree');
    await mkdir(tree);
    for (const archive of (await readdir(archives)).filter((name) => name.endsWith('.deb'))) {
      await execa('dpkg-deb', ['--extract', join(archives, archive), tree], running);
    }
    // Since Debian 13 no package has anything outside of /usr; the base system's links stand in for it.
    if (!(await exists(join(tree, 'lib')))) await symlink('usr/lib', join(tree, 'lib'));
    onProgress('writing the scanner disk');
    for (const documentation of ['doc', 'man', 'locale']) {
      await rm(join(tree, 'usr/share', documentation), { recursive: true, force: true });
    }
    const image = join(work, 'disk');
    await execa(
      'mkfs.ext4',
      ['-q', '-d', tree, '-L', 'drover-scanner', '-m', '0', '-O', '^has_journal', image, '256M'],
      running,
    );
    await rename(image, path);
    return { path, packages };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** `apt-get --print-uris` lines, "'URI' name_version_arch.deb size hash", as sorted `name=version`. */
export function parseArchiveNames(text: string): string[] {
  const names = [...text.matchAll(/^'[^']+' (\S+)_(\S+)_[a-z0-9]+\.deb \d+/gm)];
  if (names.length === 0) throw new Error('apt names no package for the scanner disk');
  return names.map(([, name, version]) => `${name}=${decodeURIComponent(version!)}`).sort();
}

/** The command that runs a program of the disk mounted at `root`, with the disk's own loader and libraries. */
export const scannerCommand = (root: string, program: string): string[] => [
  `${root}/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2`,
  '--library-path',
  libraryPath.map((path) => `${root}/${path}`).join(':'),
  `${root}/${program}`,
];

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
