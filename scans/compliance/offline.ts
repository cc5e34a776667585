/**
 * The offline audit: oscap at native speed in a chroot of the mounted disk, in mount and process namespaces of
 * its own that vanish with it. Decides what the chroot holds: the image read-only, /proc, an empty /tmp, and the
 * scanner in a tmpfs. Nothing of the image is executed.
 *
 * A chroot and not oscap's own offline mode (OSCAP_PROBE_ROOT): there the partition probe finds no mount, so
 * every rule that walks the local file systems (world-writable, unowned files) passes without having looked.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { type AuditInputs, aptConfiguration, auditEnvironment, auditWords, quote, shell } from './oscap.ts';
import type { AuditRun } from './results.ts';

/** root's PATH on Debian (login.defs(5), ENV_SUPATH). */
const rootPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Runs every rule of the profile. The run may be worthless: `readAudit` decides that. */
export async function auditOffline(
  options: AuditInputs & {
    /** The mounted image. */
    root: string;
    scannerDiskPath: string;
    /** An empty directory for log and results. */
    directory: string;
    signal?: AbortSignal | undefined;
  },
): Promise<AuditRun> {
  const { root, scannerDiskPath, directory, contentPath, tailoringPath, signal } = options;
  const tree = join(directory, 'scanner');
  const script = join(directory, 'audit.sh');
  await mkdir(tree, { recursive: true });
  const places = { scanner: '/run/scanner', work: '/run' };
  const inside = { ...options, contentPath: '/run/content.xml', tailoringPath: '/run/tailoring.xml' };
  await writeFile(join(directory, 'apt.conf'), aptConfiguration);
  await writeFile(
    script,
    [
      'set -eu',
      `mount -t tmpfs -o mode=0755 tmpfs ${quote(`${root}/run`)}`,
      // oscap unpacks into /tmp, and cannot be told otherwise.
      `mount -t tmpfs -o mode=1777 tmpfs ${quote(`${root}/tmp`)}`,
      `mount -t proc proc ${quote(`${root}/proc`)}`,
      // A copy in memory: a mounted scanner disk would be one more file system to audit.
      `mount -o ro,loop ${quote(scannerDiskPath)} ${quote(tree)}`,
      `cp -a ${quote(tree)} ${quote(`${root}/run/scanner`)}`,
      `cp ${quote(contentPath)} ${quote(`${root}/run/content.xml`)}`,
      `cp ${quote(tailoringPath)} ${quote(`${root}/run/tailoring.xml`)}`,
      `cp ${quote(`${directory}/apt.conf`)} ${quote(`${root}/run/apt.conf`)}`,
      'set +e',
      shell([
        'env',
        '-i',
        ...auditEnvironment(places),
        `PATH=${rootPath}`,
        'chroot',
        root,
        ...auditWords(inside, places),
      ]),
      'code=$?',
      `for file in results.xml oscap.log; do test ! -f ${quote(`${root}/run`)}/$file || cp ${quote(`${root}/run`)}/$file ${quote(directory)}; done`,
      'exit $code',
      '',
    ].join('\n'),
  );
  const { exitCode, stderr, message } = await execa(
    'unshare',
    ['--mount', '--pid', '--fork', '--kill-child', 'sh', script],
    {
      stdout: 'ignore',
      // unshare holds back gentler signals; with it dies its whole process namespace.
      killSignal: 'SIGKILL',
      reject: false,
      ...(signal && { cancelSignal: signal }),
    },
  );
  signal?.throwIfAborted();
  if (exitCode === undefined)
    throw new Error(`the offline audit did not run to its end: ${message ?? stderr}`);
  const [log, resultsXml] = await Promise.all(
    ['oscap.log', 'results.xml'].map((name) => readFile(join(directory, name), 'utf8').catch(() => '')),
  );
  return { exitCode, log: `${log}\n${stderr}`, resultsXml: resultsXml ?? '' };
}
