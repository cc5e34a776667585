/**
 * `npm run bench [-- NAME…]`: runs the benchmarks of this directory one after the other, each in a process of its
 * own; with names, those whose file name contains one. Figures are ratios within one run, because the machine's
 * speed is not ours to promise; a benchmark fails only when it could not measure.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const directory = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);
const files = globSync('*.bench.ts', { cwd: directory })
  .sort()
  .filter((file) => wanted.length === 0 || wanted.some((name) => file.includes(name)));
if (files.length === 0) {
  console.error(`no benchmark is called ${wanted.join(' or ')}`);
  process.exitCode = 2;
}
for (const file of files) {
  console.log(`\n=== ${basename(file, '.bench.ts')}`);
  const { status, signal } = spawnSync(process.execPath, ['--expose-gc', join(directory, file)], {
    stdio: 'inherit',
  });
  if (status !== 0) {
    console.error(`${file} ended with ${signal ?? `exit code ${status}`}`);
    process.exitCode = 1;
  }
}
