/**
 * What the catalogue writes for Amazon Linux 2023, applied to a scratch root and read back. The root has the files such
 * a machine comes with, as far as the catalogue touches them, and this machine's programs; rpm and dnf are stand-ins
 * that keep a list. The benchmark's own checks read it too, without their conditions on what machine it is. Whether the
 * distribution takes it so, only an instance can say. Needs root and OpenSCAP.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { auditRoot } from '../../hardening/audit.ts';
import { readBenchmark } from '../../hardening/benchmark.ts';
import { changesOf } from '../../hardening/catalogue.ts';
import { ensureContent } from '../../hardening/content.ts';
import { loadProfile } from '../../hardening/profile.ts';
import { renderHardening } from '../../hardening/render.ts';
import { type Meaning, meaningOf } from '../../hardening/tailoring.ts';
import { cacheDir, clock, manifestOf, progress } from './workbench.ts';

// The content is a package of its own, from a mirror.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

/** Path → text; a text that begins with '->' is a link. */
const machine: Record<string, string> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/bash\nec2-user:x:1000:1000::/home/ec2-user:/bin/bash\n',
  'etc/passwd-': '',
  // Of this machine's programs the one that is a link through /etc.
  'etc/alternatives/awk': `->${realpathSync('/usr/bin/awk')}`,
  'etc/group': 'root:x:0:\nwheel:x:10:ec2-user\nec2-user:x:1000:\n',
  'etc/gshadow': 'root:::\nwheel:::ec2-user\n',
  'etc/shadow': 'root:*LOCK*:14600::::::\n',
  'etc/fstab': 'UUID=1 / xfs defaults,noatime 1 1\n',
  'etc/motd': '->../var/lib/update-motd/motd',
  'etc/issue': '\\S\nKernel \\r on an \\m\n',
  'etc/at.deny': '',
  'etc/crontab': 'SHELL=/bin/bash\n',
  'etc/cron.d/0hourly': '01 * * * * root run-parts /etc/cron.hourly\n',
  'etc/cron.daily/README': '',
  'etc/login.defs': 'PASS_MAX_DAYS 99999\nUMASK 022\n',
  'etc/default/useradd': 'GROUP=100\nINACTIVE=-1\n',
  'etc/ssh/sshd_config': 'Include /etc/ssh/sshd_config.d/*.conf\n',
  'etc/ssh/sshd_config.d/50-redhat.conf': 'Include /etc/crypto-policies/back-ends/opensshserver.config\n',
  'etc/sudoers': 'root ALL=(ALL) ALL\n#includedir /etc/sudoers.d\n',
  'etc/pam.d/su': 'auth sufficient pam_rootok.so\n',
  'etc/security/faillock.conf': '# deny = 3\n',
  'etc/security/pwquality.conf': '# minlen = 8\n',
  'etc/systemd/system/crond.service': '[Install]\nWantedBy=multi-user.target\n',
  'boot/grub2/grub.cfg': '',
  'var/lib/rpm/list': 'bash\nlibselinux\nrsync\nsudo\n',
  'stubs/rpm': '#!/bin/sh\nexec grep -qx "$3" /var/lib/rpm/list\n',
  'stubs/dnf': `#!/bin/sh
set -eu
[ "$1 $2" = '-q -y' ] || exit 1
list=/var/lib/rpm/list command=$3
shift 4
for name; do
  case $command in
    remove) grep -vx "$name" $list >$list.new; mv $list.new $list ;;
    install) echo "$name" >>$list ;;
  esac
done
`,
};

const directory = mkdtempSync(join(tmpdir(), 'drover-amazon-linux-'));
const root = join(directory, 'root');
const inputs = join(directory, 'hardening');
const dataStream = join(directory, 'stream.xml');
let meaning: Meaning;
let before: Map<string, string>;

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Writes the database that rpm keeps from the list that its stand-in keeps. */
function writeRpmDatabase(): void {
  const path = join(root, 'var/lib/rpm/rpmdb.sqlite');
  rmSync(path, { force: true });
  const database = new DatabaseSync(path);
  database.exec("CREATE TABLE Name (key 'TEXT' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL)");
  const insert = database.prepare('INSERT INTO Name VALUES (?, ?, 0)');
  const names = readFileSync(join(root, 'var/lib/rpm/list'), 'utf8').trimEnd().split('\n');
  names.forEach((name, index) => {
    insert.run(name, index + 1);
  });
  database.close();
}

/** Answers of the benchmark's own checks for the rules that a row answers, by name. */
function audit(): Map<string, string> {
  const [tailoring, results] = ['tailoring.xml', 'results.xml'].map((name) => join(directory, name));
  writeFileSync(tailoring!, meaning.tailoring.xml);
  const argv = ['xccdf', 'eval', '--tailoring-file', tailoring!, '--profile', meaning.tailoring.profileId];
  const { status } = spawnSync('oscap', [...argv, '--results', results!, dataStream], {
    stdio: 'ignore',
    env: { ...process.env, OSCAP_PROBE_ROOT: root },
  });
  // Some rules fail: there is no package and no process here.
  expect(status).toBe(2);
  const found = readFileSync(results!, 'utf8').matchAll(
    /<rule-result idref="[^"]*_rule_([^"]+)".*?<result>(\w+)</gs,
  );
  const answered = new Set(meaning.rows.flatMap(({ rules }) => rules));
  return new Map(
    [...found].map(([, rule, result]) => [rule!, result!] as const).filter(([it]) => answered.has(it)),
  );
}

const read = async () => {
  writeRpmDatabase();
  return auditRoot(root, meaning.rows);
};

/** @returns what apply.sh says */
function apply(): string {
  const script = [
    'set -eu',
    'mount --bind -o ro /usr usr',
    'mount --bind /dev dev',
    'mount --bind "$1" run',
    'exec chroot . env -i PATH=/stubs:/usr/sbin:/usr/bin SYSTEMD_OFFLINE=1 sh /run/apply.sh',
  ].join('\n');
  return execFileSync('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', inputs], {
    cwd: root,
    encoding: 'utf8',
  });
}

describe.runIf(process.getuid?.() === 0)('the catalogue for Amazon Linux 2023', () => {
  beforeAll(async () => {
    for (const name of ['usr', 'run', 'dev', 'tmp', 'etc/cron.hourly', 'etc/cron.weekly', 'etc/cron.monthly'])
      mkdirSync(join(root, name), { recursive: true });
    for (const name of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(root, name));
    for (const [path, text] of Object.entries(machine)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      if (text.startsWith('->')) symlinkSync(text.slice(2), join(root, path));
      else writeFileSync(join(root, path), text);
      if (path.startsWith('stubs/')) chmodSync(join(root, path), 0o755);
    }
    const profile = loadProfile(
      join(import.meta.dirname, '../../hardening/cis-level1-server-amazon-linux-2023.yaml'),
    );
    const { file } = await ensureContent({ content: profile.content, cacheDir, progress });
    const content = readFileSync(file, 'utf8');
    meaning = meaningOf(profile, readBenchmark(content), { role: 'base', now: clock.now() });
    writeFileSync(dataStream, content.replaceAll(/<xccdf-1\.2:platform idref="[^"]*"\/>/g, ''));
    await renderHardening(inputs, changesOf(meaning.rows));
  });

  test('finds much to do on such a machine, and nothing any more once it is done', async () => {
    expect((await read()).length).toBeGreaterThan(70);
    before = audit();
    expect(apply()).toMatch(/^hardening: \d\d changes$/m);
    expect(await read()).toEqual([]);
  });
  test('asks for packages that are missing and takes away those nobody asked for', () => {
    expect(readFileSync(join(root, 'var/lib/rpm/list'), 'utf8')).toBe('bash\nlibselinux\nsudo\naide\n');
  });
  test("passes the benchmark's own checks, but for what only a real machine has", () => {
    const after = audit();
    const open = [...after].flatMap(([rule, result]) => (result === 'pass' ? [] : rule)).sort();
    expect(open.filter((rule) => !/^package_.*_(removed|installed)$/.test(rule))).toEqual([
      // The stacks of authselect, which the content's own fixes see to.
      'accounts_password_pam_minclass',
      'accounts_password_pam_minlen',
      'accounts_password_pam_retry',
      'accounts_passwords_pam_faillock_deny',
      'accounts_passwords_pam_faillock_unlock_time',
      // Mounts and services of a running system.
      'partition_for_dev_shm',
      'partition_for_tmp',
      'service_crond_enabled',
    ]);
    const mended = [...after].filter(([rule, result]) => result === 'pass' && before.get(rule) === 'fail');
    expect(mended.length).toBeGreaterThan(60);
  });
  test('applied once more changes no file', () => {
    const once = manifestOf(root);
    expect(apply()).toBe('hardening: 0 changes\n');
    expect(manifestOf(root)).toEqual(once);
  });
  test('answers two thirds of the selected rules; the fixes of the content are left the rest', () => {
    const answered = new Set(meaning.rows.flatMap(({ rules }) => rules));
    expect(answered.size / meaning.selected.size).toBeGreaterThan(2 / 3);
    expect(answered.size + meaning.tailoring.remainder.length).toBe(meaning.selected.size);
  });
});

test('the catalogue for Amazon Linux 2023 was applied', () => {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) console.log('skipped: a scratch root with files of other owners needs root');
  expect(isRoot || process.env.CI === undefined).toBe(true);
});
