/**
 * The booted audit: oscap from the read-only scanner disk inside the throwaway VM, for the rules that need a
 * running system. Decides how the scanner gets in and its answer out; installs nothing in the VM.
 *
 * The probes that ask systemd need the image's own D-Bus daemon; they are asked only after the boot has settled.
 */
import { gunzipSync } from 'node:zlib';
import type { Vm } from '../vm.ts';
import { type AuditInputs, aptConfiguration, auditEnvironment, auditWords, quote, shell } from './oscap.ts';
import type { AuditRun } from './results.ts';

/** The name under which the VM knows the scanner disk. */
export const scannerDiskName = 'drover-scanner';

/** Emulated on busy cores more than five minutes were seen for a quarter of the rules. */
const auditDeadlineMs = 1_200_000;

/** The audit's files on the seed. */
export const seedFiles = { content: 'content.xml', tailoring: 'tailoring.xml' };

/** Runs exactly `rules`. The run may be worthless: `readAudit` decides that. */
export async function auditBooted(
  vm: Vm,
  { profileId, rules }: Pick<AuditInputs, 'profileId'> & { rules: readonly string[] },
): Promise<AuditRun> {
  const base = '/run/drover';
  const [scanner, seed] = [`${base}/scanner`, `${base}/seed`];
  const places = { scanner, work: base };
  const inputs = {
    profileId,
    rules,
    contentPath: `${seed}/${seedFiles.content}`,
    tailoringPath: `${seed}/${seedFiles.tailoring}`,
  };
  const script = [
    'set -eu',
    `mkdir -p ${scanner} ${seed}`,
    `mount -o ro,noload -t ext4 /dev/disk/by-id/virtio-${scannerDiskName} ${scanner}`,
    `mount -o ro -t iso9660 /dev/disk/by-id/virtio-seed ${seed}`,
    `printf %s ${quote(aptConfiguration)} > ${base}/apt.conf`,
    // The environment is root's own after a login, which some rules are about.
    `exec ${shell(['env', ...auditEnvironment(places), ...auditWords(inputs, places)])} > /dev/null`,
  ].join('\n');
  // As data on standard input: no shell on the way can misread it.
  const encoded = Buffer.from(script).toString('base64');
  const { exitCode, stderr } = await vm.run(`printf %s ${encoded} | base64 -d | sudo -n -i sh -s`, {
    deadlineMs: auditDeadlineMs,
  });
  const log = await vm.run(`sudo -n cat ${base}/oscap.log`);
  const results = await vm
    .read(`sudo -n gzip -1 -c ${base}/results.xml`)
    .then((bytes) => gunzipSync(bytes).toString('utf8'))
    // No results file: the exit code and the log say why.
    .catch(() => '');
  return { exitCode, log: `${log.stdout}\n${stderr}`, resultsXml: results };
}

/** What a command says to root in the VM; null when it ended with an error. */
export async function askAsRoot(vm: Vm, command: string): Promise<string | null> {
  const { exitCode, stdout } = await vm.run(`sudo -n ${command}`);
  return exitCode === 0 ? stdout : null;
}
