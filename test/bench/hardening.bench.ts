/**
 * Hardening one real disk in a chroot: everything Drover does to it (the catalogue, the content's fixes for what that
 * leaves over, the integrity database) against the content's whole fix script for the same rules. Same machine, same run, same base disk, packages in apt's cache for
 * both. Needs root. Then each once more: what a second run costs, and how many files it changes.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readBenchmark } from '../../hardening/benchmark.ts';
import { meaningOf } from '../../hardening/tailoring.ts';
import { writeInputs, writeRemediation } from '../../packer/build.ts';
import { packerRoom } from '../../packer/packer.ts';
import { clock, manifestOf, openWorkbench, withRoot } from '../image/workbench.ts';

if (process.getuid?.() !== 0) {
  console.error('this benchmark needs root: disks are mounted and entered');
  process.exit(1);
}
const bench = await openWorkbench();
try {
  const benchmark = readBenchmark(bench.dataStream);
  const { tailoring } = meaningOf(bench.profile, benchmark, { role: 'base', now: clock.now() });
  const inputs = join(bench.directory, 'inputs');
  await writeInputs(inputs, '/run/drover', { tailoring, suites: bench.base.suites, signal: undefined });
  const tailoringFile = join(inputs, 'tailoring.xml');
  const fixes = (profile: string, file: string) =>
    execFileSync(
      'oscap',
      [
        'xccdf',
        'generate',
        'fix',
        '--fix-type',
        'bash',
        '--tailoring-file',
        tailoringFile,
        '--profile',
        profile,
      ].concat('--output', file, bench.content.file),
      { stdio: 'ignore' },
    );
  const wholeFix = join(bench.directory, 'whole-fix.sh');
  fixes(tailoring.profileId, wholeFix);

  const copy = (name: string, from: string) => {
    const disk = join(bench.directory, `${name}.raw`);
    execFileSync('cp', ['--sparse=always', from, disk]);
    return disk;
  };
  const script = (name: string, lines: string[]) => {
    const file = join(bench.directory, `${name}.sh`);
    writeFileSync(file, ['set -eu', '. "$DROVER_INPUTS/environment.sh"', ...lines, ''].join('\n'));
    return file;
  };
  const enter = (disk: string, file: string) =>
    execFileSync(join(packerRoom, 'chroot/run.sh'), [disk, inputs, file], {
      stdio: ['ignore', 'ignore', 'ignore'],
    });
  const provisioner = (name: string) => join(packerRoom, 'provisioners', name);
  const seconds = async (work: () => unknown) => {
    const started = performance.now();
    await work();
    return (performance.now() - started) / 1000;
  };

  // Both find the newest packages, and those they will ask for, in apt's cache.
  const asked = [...readFileSync(wholeFix, 'utf8').matchAll(/apt-get .*install -y "([a-z0-9.+-]+)"/g)].map(
    ([, it]) => it!,
  );
  const ours = readFileSync(join(inputs, 'hardening/packages'), 'utf8')
    .split('\n')
    .filter((it) => /[^-]$/.test(it));
  const prepared = copy('prepared', bench.base.path);
  enter(
    prepared,
    script('prepare', [
      'apt-get update -q && apt-get full-upgrade -q -y',
      `for package in ${[...new Set([...asked, ...ours])].join(' ')}; do apt-get install -q -y --download-only $package || :; done`,
    ]),
  );

  mkdirSync(join(bench.directory, 'fix'));
  const runFix = script('fix', ['unshare --net bash "$DROVER_INPUTS/whole-fix.sh"']);
  execFileSync('cp', [wholeFix, join(inputs, 'whole-fix.sh')]);
  const manifest = (disk: string) => withRoot(bench, disk, 'ro', manifestOf);

  const [fixed, catalogued] = [copy('fixed', prepared), copy('catalogued', prepared)];
  const changed = async (disk: string, again: () => Promise<void>) => {
    const before = new Set(await manifest(disk));
    await again();
    const paths = (await manifest(disk)).filter((line) => !before.has(line) && line.startsWith('./'));
    return paths.length;
  };
  /** As packer/build.ts has it done, in parts. */
  const steps: [string, () => unknown][] = [
    ['catalogue', () => enter(catalogued, provisioner('catalogue.sh'))],
    [
      'remaining fixes: writing them',
      () => writeRemediation(inputs, bench.content, { tailoring, base: 'ours' }),
    ],
    ['remaining fixes: their packages', () => enter(catalogued, provisioner('packages.sh'))],
    ['remaining fixes', () => enter(catalogued, provisioner('harden.sh'))],
    ['integrity database', () => enter(catalogued, provisioner('integrity.sh'))],
  ];
  const drover = async () => {
    const parts: number[] = [];
    for (const [, work] of steps) parts.push(await seconds(work));
    return parts;
  };
  const sum = (parts: readonly number[]) => parts.reduce((one, two) => one + two, 0);
  const first = await drover();
  const whole = await seconds(() => enter(fixed, runFix));
  let [wholeAgain, again] = [0, first];
  const fixedFiles = await changed(fixed, async () => {
    wholeAgain = await seconds(() => enter(fixed, runFix));
  });
  const droverFiles = await changed(catalogued, async () => {
    again = await drover();
  });
  const row = (name: string, first: number, again: number | null, files: number | null) =>
    console.log(
      [
        name.padEnd(44),
        first.toFixed(1).padStart(8),
        (first / whole).toFixed(3).padStart(8),
        (again === null ? '' : again.toFixed(1)).padStart(8),
        (files === null ? '' : String(files)).padStart(8),
      ].join(' '),
    );
  console.log(`${'hardening'.padEnd(44)}  seconds    ratio    again  changed`);
  row("the content's whole fix script", whole, wholeAgain, fixedFiles);
  row('everything Drover does', sum(first), sum(again), droverFiles);
  steps.forEach(([name], index) => {
    row(`  ${name}`, first[index]!, again[index]!, null);
  });
} finally {
  bench.remove();
}
