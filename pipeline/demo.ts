/**
 * `npm run demo`: the whole job on the embedded default, by the commands a person would type. It only types
 * them; with `--fault unhealthy` the new image goes bad in production, and the demo ends with rollback's exit code.
 */
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const cli = fileURLToPath(new URL('./cli.ts', import.meta.url));
const root = fileURLToPath(new URL('..', import.meta.url));

/** @returns the exit code */
async function type(...argv: string[]): Promise<number> {
  console.log(`\n$ npx drover ${argv.join(' ')}`);
  // Ctrl-C reaches the child from the terminal; it decides how to stop, and its exit code is passed on.
  const child = await execa(process.execPath, [cli, ...argv], { cwd: root, stdio: 'inherit', reject: false });
  return child.exitCode ?? 130;
}

process.on('SIGINT', () => {});
const given = process.argv.slice(2);

console.log(`Drover builds a Debian 12 image on this machine, hardens it to CIS Level 1 Server, boots and scans it,
bakes it in a simulated staging group, rolls a simulated production fleet onto it, and leaves signed evidence.
On Debian and Ubuntu, as root, the first step installs the tools it lacks with apt.`);

process.exitCode = await type('doctor', '--install');
if (process.exitCode === 0) {
  const reason = given.includes('--fault') ? 'demo: an image that goes bad' : 'demo';
  process.exitCode = await type('run', '--reason', reason, ...given);
  // 0 and 6 (rolled back) both leave a finished release, whose evidence must verify.
  if (process.exitCode === 0 || process.exitCode === 6) {
    const verified = await type('evidence', 'verify');
    if (verified !== 0) process.exitCode = verified;
  }
}
