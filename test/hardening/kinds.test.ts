import { chmodSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { difference } from '../../hardening/kinds/kind.ts';
import { type KindName, kindNames, kinds } from '../../hardening/kinds/kinds.ts';
import { partitionsOf } from '../../hardening/kinds/mount.ts';
import { loadProfile } from '../../hardening/profile.ts';

function rootWith(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'root-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const read = async (kind: KindName, root: string, desired: Record<string, string>) =>
  Object.fromEntries(await kinds[kind].read(root, new Map(Object.entries(desired))));

/** Facts of each kind that speaks through files alone. */
const samples: Partial<Record<KindName, Record<string, string>>> = {
  sysctl: { 'net.ipv4.ip_forward': '0', 'kernel.randomize_va_space': '2' },
  'kernel-module': { cramfs: 'disabled', br_netfilter: 'loaded' },
  sshd: { PermitRootLogin: 'no', Ciphers: 'aes256-gcm@openssh.com,aes256-ctr' },
  pam: { 'common-auth': 'auth [success=2 default=ignore] pam_unix.so\nauth requisite pam_deny.so' },
  'login-defs': { PASS_MAX_DAYS: '365', ENV_PATH: 'PATH=/usr/bin:/bin' },
  useradd: { INACTIVE: '45' },
  faillock: { deny: '4' },
  pwquality: { minlen: '14', enforce_for_root: '' },
  journald: { Storage: 'persistent' },
  coredump: { Storage: 'none' },
  sudo: { use_pty: '', logfile: '"/var/log/sudo.log"' },
  access: { cron: 'root', at: 'root operator' },
  text: { '/etc/motd': 'Authorized users only.\n' },
  firewall: { 'tcp 22': 'open', 'tcp 30000-32767': 'open', 'udp 53': 'closed', forward: 'open' },
};

describe('every kind that speaks through files', () => {
  test.each(Object.entries(samples))('%s reads back what it writes', async (name, facts) => {
    const kind = kinds[name as KindName];
    const desired = new Map(Object.entries(facts));
    const files = kind.change(desired).flatMap((it) => (it.do === 'file' ? [[it.path, it.text]] : []));
    const root = rootWith(Object.fromEntries(files));
    expect(difference(desired, await kind.read(root, desired))).toEqual([]);
  });
  test('is one of these, or is carried out by apply.sh from a list', () => {
    const listed = ['package', 'service', 'mode', 'mount', 'group', 'login-shell'];
    expect(kindNames.toSorted()).toEqual([...Object.keys(samples), ...listed].sort());
  });
  test.each(Object.entries(samples))(
    '%s finds everything missing in an empty system',
    async (name, facts) => {
      const desired = new Map(Object.entries(facts).filter(([, value]) => value !== 'closed'));
      const actual = await kinds[name as KindName].read(rootWith({}), desired);
      expect(difference(desired, actual)).toEqual([...desired.keys()].sort());
    },
  );
});

describe('reading as the program itself would', () => {
  test('sysctl: the last file by name holds, and /etc hides what a package brings under that name', async () => {
    const root = rootWith({
      'etc/sysctl.d/90-drover.conf': 'net.ipv4.ip_forward = 0\n',
      'usr/lib/sysctl.d/95-router.conf': 'net/ipv4/ip_forward=1\n',
      'usr/lib/sysctl.d/50-default.conf': 'kernel.sysrq = 438\n',
      'etc/sysctl.d/50-default.conf': 'kernel.sysrq = 0\n',
    });
    expect(await read('sysctl', root, { 'net.ipv4.ip_forward': '0', 'kernel.sysrq': '0' })).toEqual({
      'net.ipv4.ip_forward': '1',
      'kernel.sysrq': '0',
    });
  });
  test('sshd: the first value holds, a Match block is about some connections only', async () => {
    const root = rootWith({
      'etc/ssh/sshd_config':
        'permitrootlogin no\nInclude /etc/ssh/sshd_config.d/*.conf\nMaxSessions 10\nMatch User git\n  Banner none\n',
      'etc/ssh/sshd_config.d/50-cloud-init.conf': 'PermitRootLogin yes\nMaxSessions 99\n',
    });
    expect(await read('sshd', root, { PermitRootLogin: 'no', MaxSessions: '10', Banner: 'none' })).toEqual({
      PermitRootLogin: 'no',
      MaxSessions: '99',
    });
  });
  test('kernel modules: a blacklisted one still loads when it is asked for by name', async () => {
    const root = rootWith({
      'etc/modprobe.d/x.conf': 'blacklist hfs\nblacklist cramfs\ninstall cramfs /bin/false\n',
    });
    expect(await read('kernel-module', root, { hfs: 'disabled', cramfs: 'disabled' })).toEqual({
      cramfs: 'disabled',
    });
  });
  test('sudo: a later file may take an option back', async () => {
    const root = rootWith({
      'etc/sudoers': 'Defaults use_pty\nDefaults timestamp_timeout=15\n@includedir /etc/sudoers.d\n',
      'etc/sudoers.d/99-us': 'Defaults !use_pty\nDefaults timestamp_timeout=0\n',
    });
    expect(await read('sudo', root, { use_pty: '', timestamp_timeout: '15' })).toEqual({
      timestamp_timeout: '0',
    });
  });
  test('journald: a drop-in has the last word over the main file', async () => {
    const root = rootWith({
      'etc/systemd/journald.conf': '[Journal]\nStorage=persistent\n#Compress=yes\n',
      'usr/lib/systemd/journald.conf.d/10-x.conf': '[Journal]\nStorage=volatile\n',
    });
    expect(await read('journald', root, { Storage: 'persistent', Compress: 'yes' })).toEqual({
      Storage: 'volatile',
    });
  });
  test('access: a list of those who may not makes the other one worthless', async () => {
    const root = rootWith({ 'etc/cron.allow': 'root\n', 'etc/cron.deny': 'eve\n' });
    expect(await read('access', root, { cron: 'root' })).toEqual({});
  });
  test('PAM: blanks and comments do not matter, the order of lines does', async () => {
    const root = rootWith({ 'etc/pam.d/su': '# su\nauth\tsufficient   pam_rootok.so\n' });
    expect(await read('pam', root, { su: '' })).toEqual({ su: 'auth sufficient pam_rootok.so' });
  });
  test('mounts: a line of another mount point says nothing', async () => {
    const root = rootWith({ 'etc/fstab': '# x\nLABEL=root / ext4 ro 0 1\ntmpfs  /tmp tmpfs nodev 0 0\n' });
    expect(await read('mount', root, { '/tmp': '', '/dev/shm': '' })).toEqual({
      '/tmp': 'tmpfs tmpfs nodev',
    });
  });
  test('packages: only what dpkg calls installed is installed', async () => {
    const stanza = (name: string, status: string) => `Package: ${name}\nStatus: ${status}\nVersion: 1\n`;
    const status = `${stanza('cron', 'install ok installed')}\n${stanza('ufw', 'deinstall ok config-files')}\n`;
    const root = rootWith({ 'var/lib/dpkg/status': status });
    expect(await read('package', root, { cron: '', ufw: '', nftables: '' })).toEqual({
      cron: 'installed',
      ufw: 'absent',
      nftables: 'absent',
    });
  });
  test("packages: rpm's index of names, on a system that cannot be written to", async () => {
    const root = rootWith({ 'var/lib/rpm/rpmdb.sqlite': '' });
    const path = join(root, 'var/lib/rpm/rpmdb.sqlite');
    const database = new DatabaseSync(path);
    database.exec("PRAGMA journal_mode = WAL; CREATE TABLE Name (key 'TEXT', hnum INTEGER, idx INTEGER)");
    database.exec("INSERT INTO Name VALUES ('sudo', 1, 0), ('kernel', 2, 0), ('kernel', 3, 0)");
    database.close();
    chmodSync(path, 0o444);
    expect(await read('package', root, { sudo: '', kernel: '', rsync: '' })).toEqual({
      sudo: 'installed',
      kernel: 'installed',
      rsync: 'absent',
    });
    expect(readdirSync(dirname(path))).toEqual(['rpmdb.sqlite']);
  });
  test('services: wanted by a target, masked, or neither', async () => {
    const root = rootWith({ 'etc/systemd/system/multi-user.target.wants/README': '' });
    const units = join(root, 'etc/systemd/system');
    symlinkSync('/lib/systemd/system/cron.service', join(units, 'multi-user.target.wants/cron.service'));
    symlinkSync('/dev/null', join(units, 'ctrl-alt-del.target.service'));
    expect(
      await read('service', root, { 'cron.service': '', 'ctrl-alt-del.target.service': '', 'x.service': '' }),
    ).toEqual({
      'cron.service': 'enabled',
      'ctrl-alt-del.target.service': 'masked',
      'x.service': 'disabled',
    });
  });
  test('modes: stricter is right, one bit more is not, and a pattern is about the plain files', async () => {
    const account = `me:x:${process.getuid!()}:${process.getgid!()}:\n`;
    const root = rootWith({
      'etc/passwd': account,
      'etc/group': `us:x:${process.getgid!()}:\n`,
      'var/log/one': '',
      'var/log/two': '',
      'var/log/apt/x': '',
    });
    chmodSync(join(root, 'var/log/one'), 0o600);
    chmodSync(join(root, 'var/log/two'), 0o640);
    expect(await read('mode', root, { '/var/log/*': '0640 me:us' })).toEqual({ '/var/log/*': '0640 me:us' });
    chmodSync(join(root, 'var/log/two'), 0o644);
    expect(await read('mode', root, { '/var/log/*': '0640 *:*' })).toEqual({
      '/var/log/*': '0644 me:us (var/log/two)',
    });
  });
  test('login shells: an account that does not exist has the one it should have', async () => {
    const root = rootWith({
      'etc/passwd': 'root:x:0:0:root:/root:/bin/bash\ndhcpcd:x:100:65534::/:/bin/false\n',
    });
    const nologin = '/usr/sbin/nologin';
    expect(await read('login-shell', root, { dhcpcd: nologin, nobody: nologin })).toEqual({
      dhcpcd: '/bin/false',
      nobody: nologin,
    });
  });
  test('groups: one with members is not empty', async () => {
    const root = rootWith({ 'etc/group': 'sugroup:x:101:\nwheel:x:102:eve\n' });
    expect(await read('group', root, { sugroup: 'empty', wheel: 'empty', no: 'empty' })).toEqual({
      sugroup: 'empty',
      wheel: 'eve',
    });
  });
});

describe("the project's own catalogue", () => {
  const { catalogueRead, overlaysRead } = loadProfile(
    join(import.meta.dirname, '../../hardening/cis-level1-server.yaml'),
  );
  const catalogued = catalogueRead.flatMap(({ rows }) => rows);
  const rows = [...catalogued, ...overlaysRead.flatMap((it) => it.rows)];
  test('has no two rows of one name', () => {
    const ids = rows.map(({ id }) => id);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });
  test('answers at least one rule with every row of the catalogue', () => {
    expect(catalogued.filter(({ rules }) => rules.length === 0)).toEqual([]);
  });
});

describe('a mount of a file system by its label', () => {
  const value = 'LABEL=var-log ext4 rw,nodev,x-drover.size=2G';
  const parse = (text: string) => kinds.mount.value.safeParse(text).success;
  test('is a partition, and says how large it is', () => {
    expect(parse(value)).toBe(true);
    expect(parse('LABEL=var-log ext4 rw,nodev')).toBe(false);
    expect(parse('LABEL=var-log xfs rw,x-drover.size=2G')).toBe(false);
    expect(parse('LABEL=a-label-of-17-signs ext4 rw,x-drover.size=2G')).toBe(false);
    expect(parse('tmpfs tmpfs rw,nodev')).toBe(true);
  });
  test('is checked at boot after the root file system; what lives in memory is not', () => {
    const lines = kinds.mount.change(
      new Map([
        ['/var/log', value],
        ['/tmp', 'tmpfs tmpfs rw'],
      ]),
    );
    expect(lines.map((it) => 'line' in it && it.line)).toEqual([
      'LABEL=var-log /var/log ext4 rw,nodev,x-drover.size=2G 0 2',
      'tmpfs /tmp tmpfs rw 0 0',
    ]);
  });
  test('comes before what is mounted within it', () => {
    const partitions = partitionsOf([
      ['/var/log', value],
      ['/tmp', 'tmpfs tmpfs rw'],
      ['/var', 'LABEL=var ext4 x-drover.size=512M,nodev'],
    ]);
    expect(partitions.map(({ mountPoint, label, bytes }) => [mountPoint, label, bytes])).toEqual([
      ['/var', 'var', 512 * 1024 ** 2],
      ['/var/log', 'var-log', 2 * 1024 ** 3],
    ]);
  });
});
