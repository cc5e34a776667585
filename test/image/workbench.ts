/**
 * What the image tests and the hardening benchmark work on: the real base disk, the real content and the project's
 * profile, and a disk they may break. Real root, real mounts; everything is in one directory that is removed.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { readBenchmark } from '../../hardening/benchmark.ts';
import { factsOf } from '../../hardening/catalogue.ts';
import { type Content, ensureContent } from '../../hardening/content.ts';
import { partitionsOf } from '../../hardening/kinds/mount.ts';
import { loadProfile, type Profile } from '../../hardening/profile.ts';
import { type Meaning, meaningOf } from '../../hardening/tailoring.ts';
import { type BaseDisk, ensureBaseDisk } from '../../packer/base-disk.ts';
import { buildLocalImage } from '../../packer/build.ts';
import { packerRoom } from '../../packer/packer.ts';
import { type Clock, wallClock } from '../../pipeline/clock.ts';
import { plainProgress } from '../../pipeline/report/terminal.ts';
import { auditOffline } from '../../scans/compliance/offline.ts';
import { type RuleResult, readAudit } from '../../scans/compliance/results.ts';
import { provideScannerDisk, type ScannerDisk } from '../../scans/scanner-disk.ts';

export const clock: Clock = wallClock;
export const progress = plainProgress(clock, (line) => process.stderr.write(`${line}\n`));
export const cacheDir = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'drover');

export interface Workbench {
  directory: string;
  profile: Profile;
  content: Content;
  dataStream: string;
  base: BaseDisk;
  scanner: ScannerDisk;
  remove(): void;
}

export async function openWorkbench(profileFile = 'cis-level1-server.yaml'): Promise<Workbench> {
  if (process.getuid?.() !== 0) throw new Error('needs root: disks are mounted and entered');
  const directory = mkdtempSync(join(tmpdir(), 'drover-image-'));
  const profile = loadProfile(join(import.meta.dirname, '../../hardening', profileFile));
  const content = await ensureContent({ content: profile.content, cacheDir, progress });
  const dataStream = readFileSync(content.file, 'utf8');
  const { distribution } = profile.content;
  const { rows } = meaningOf(profile, readBenchmark(dataStream), { role: 'base', now: clock.now() });
  const partitions = partitionsOf(factsOf(rows).get('mount') ?? []);
  const base = await ensureBaseDisk({ distribution, partitions, cacheDir, clock, progress });
  const scanner = await provideScannerDisk({ codename: base.suites[0]!, cacheDir });
  return {
    directory,
    profile,
    content,
    dataStream,
    base,
    scanner,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Builds the image as a release does. @returns its disk, in raw form */
export async function buildDisk(bench: Workbench, { tailoring }: Meaning): Promise<string> {
  const { base, content, directory: outputDir } = bench;
  const image = await buildLocalImage({ base, tailoring, content, name: 'image', outputDir, progress });
  const disk = join(outputDir, 'disk.raw');
  execFileSync('qemu-img', ['convert', '-O', 'raw', image.disk.path, disk]);
  return disk;
}

/**
 * Mounts the disk's file systems for as long as `work` takes. What is only read is a copy: a mount lives on in
 * every mount namespace that somebody made meanwhile, and would keep the disk from being written to.
 */
export async function withRoot<T>(
  bench: Workbench,
  disk: string,
  how: 'ro' | 'rw',
  work: (root: string) => T | Promise<T>,
): Promise<T> {
  const root = mkdtempSync(join(bench.directory, 'root-'));
  const mounted = how === 'ro' ? `${root}.raw` : disk;
  execFileSync('sync');
  if (how === 'ro') execFileSync('cp', ['--sparse=always', disk, mounted]);
  execFileSync(join(packerRoom, 'chroot/mount.sh'), [mounted, root, how]);
  try {
    return await work(root);
  } finally {
    execFileSync('umount', ['-R', root]);
    execFileSync('sync');
    if (how === 'ro') rmSync(mounted);
  }
}

/** The content's answers about a disk that is not booted, by rule name. */
export async function auditDisk(
  bench: Workbench,
  disk: string,
  tailoring: { path: string; profileId: string },
): Promise<Map<string, RuleResult>> {
  const directory = mkdtempSync(join(bench.directory, 'audit-'));
  mkdirSync(directory, { recursive: true });
  const run = await withRoot(bench, disk, 'ro', (root) =>
    auditOffline({
      contentPath: bench.content.file,
      tailoringPath: tailoring.path,
      profileId: tailoring.profileId,
      root,
      scannerDiskPath: bench.scanner.path,
      directory,
    }),
  );
  return new Map([...readAudit(run).results].map(([id, result]) => [id.replace(/^.*_rule_/, ''), result]));
}

/**
 * Path, kind, owner, mode, size and SHA-256 of every file, and the time of its last change: two equal manifests are
 * two equal file systems. Directories have no time here: a look into one may not be told from a change.
 */
export function manifestOf(root: string): string[] {
  const list =
    'find . ! -type d -printf "%p %y %U:%G %m %s %T@ %l\\n" -o -type d -printf "%p %y %U:%G %m\\n"';
  const sums = 'find . -type f -print0 | xargs -0 sha256sum';
  const output = execFileSync('sh', ['-c', `${list}; ${sums}`], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 ** 2,
  });
  return output.trimEnd().split('\n').sort();
}
