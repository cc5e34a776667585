/**
 * Debian 11's Consul 1.8.7 (MPL), unpacked without being installed: `node test/conformance/fetch-consul.ts DIRECTORY`
 * prints the path of the binary. From the mirror this machine's apt uses, its signatures checked as always.
 */
import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { archiveFor, privateApt } from '../../packer/debian-archive.ts';

const directory = resolve(process.argv[2] ?? 'consul');
const apt = join(directory, 'apt');
mkdirSync(apt, { recursive: true });
const env = { ...process.env, ...(await privateApt(apt, await archiveFor(['bullseye']))) };
// Nothing but the path may be printed.
const run = (command: string, args: string[]) =>
  execFileSync(command, args, { cwd: directory, env, stdio: ['ignore', 2, 2] });
run('apt-get', ['update', '-q']);
run('apt-get', ['download', '-q', 'consul']);
const [file] = globSync('consul_*.deb', { cwd: directory });
run('dpkg', ['-x', file!, '.']);
console.log(join(directory, 'usr/bin/consul'));
