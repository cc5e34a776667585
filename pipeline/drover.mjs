#!/usr/bin/env node
// The door: plain JavaScript that any Node can read. It hands over to cli.ts on the Node 24 that the project
// brings as the npm package `node`, because TypeScript runs directly only there.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const node = path('../node_modules/node/bin/node');

if (Number(process.versions.node.split('.')[0]) >= 24) {
  await import('./cli.ts');
} else if (existsSync(node)) {
  const child = spawn(node, [path('cli.ts'), ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to the whole group; the child decides how to stop, and its exit is ours.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
} else {
  console.error(`drover needs Node 24; this is Node ${process.versions.node} and ${node} is missing.`);
  console.error(
    'Next: run `npm ci` in the checkout, and let it run the install script of the package `node`.',
  );
  process.exit(3);
}
