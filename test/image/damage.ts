/** One fact of every kind, broken by hand as a person at a shell would, and the rule of the benchmark that notices. */
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KindName } from '../../hardening/kinds/kinds.ts';

export interface Damage {
  kind: KindName;
  /** The catalogue's name of the fact. */
  fact: string;
  /** Null where only a running system can be asked. */
  rule: string | null;
  /** @param root the mounted system */
  done(root: string): void;
}

/** Changes a file, and fails when there was nothing to change. */
function edit(root: string, path: string, before: string | RegExp, after: string): void {
  const text = readFileSync(join(root, path), 'utf8');
  const changed = text.replace(before, after);
  if (changed === text) throw new Error(`${path} has nothing like ${before}`);
  writeFileSync(join(root, path), changed);
}

const edited =
  (path: string, before: string | RegExp, after: string) =>
  (root: string): void =>
    edit(root, path, before, after);

export const damages: Damage[] = [
  {
    kind: 'package',
    fact: 'apparmor-utils',
    rule: 'package_apparmor-utils_installed',
    done: (root) =>
      void execFileSync('chroot', [root, 'dpkg', '--remove', 'apparmor-utils'], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      }),
  },
  {
    kind: 'sysctl',
    fact: 'fs.suid_dumpable',
    rule: null,
    done: edited('etc/sysctl.d/90-drover.conf', 'fs.suid_dumpable = 0', 'fs.suid_dumpable = 1'),
  },
  {
    kind: 'kernel-module',
    fact: 'cramfs',
    rule: 'kernel_module_cramfs_disabled',
    done: edited('etc/modprobe.d/drover.conf', 'install cramfs /bin/false\n', ''),
  },
  {
    kind: 'sshd',
    fact: 'PermitRootLogin',
    rule: 'sshd_disable_root_login',
    done: edited('etc/ssh/sshd_config', 'PermitRootLogin no', 'PermitRootLogin yes'),
  },
  {
    kind: 'pam',
    fact: 'common-auth',
    rule: 'no_empty_passwords_unix',
    done: edited('etc/pam.d/common-auth', 'pam_unix.so', 'pam_unix.so nullok'),
  },
  {
    kind: 'login-defs',
    fact: 'PASS_MAX_DAYS',
    rule: 'accounts_maximum_age_login_defs',
    done: edited('etc/login.defs', /^PASS_MAX_DAYS .*/m, 'PASS_MAX_DAYS 99999'),
  },
  {
    kind: 'useradd',
    fact: 'INACTIVE',
    rule: 'account_disable_post_pw_expiration',
    done: edited('etc/default/useradd', /^INACTIVE=.*/m, 'INACTIVE=-1'),
  },
  {
    kind: 'faillock',
    fact: 'deny',
    rule: 'accounts_passwords_pam_faillock_deny',
    done: edited('etc/security/faillock.conf', /^deny = .*/m, 'deny = 100'),
  },
  {
    kind: 'pwquality',
    fact: 'minlen',
    rule: 'accounts_password_pam_minlen',
    done: edited('etc/security/pwquality.conf', /^minlen = .*/m, 'minlen = 6'),
  },
  {
    kind: 'journald',
    fact: 'Compress',
    rule: 'journald_compress',
    done: edited('etc/systemd/journald.conf', 'Compress=yes', 'Compress=no'),
  },
  {
    kind: 'sudo',
    fact: 'logfile',
    rule: 'sudo_custom_logfile',
    done: edited('etc/sudoers.d/00-drover', /^Defaults logfile.*\n/m, ''),
  },
  {
    kind: 'access',
    fact: 'cron',
    rule: 'file_cron_allow_exists',
    done: (root) => unlinkSync(join(root, 'etc/cron.allow')),
  },
  {
    kind: 'text',
    fact: '/etc/motd',
    rule: 'banner_etc_motd_cis',
    done: (root) => writeFileSync(join(root, 'etc/motd'), 'Debian GNU/Linux \\r \\s\n'),
  },
  { kind: 'mount', fact: '/tmp', rule: null, done: edited('etc/fstab', ',noexec,size=50%', ',size=50%') },
  {
    kind: 'firewall',
    fact: 'tcp 22',
    rule: null,
    done: edited('etc/nftables.conf', 'tcp dport 22 accept', ''),
  },
  {
    kind: 'group',
    fact: 'sugroup',
    rule: 'ensure_pam_wheel_group_empty',
    done: edited('etc/group', /^sugroup:.*\n/m, ''),
  },
  {
    kind: 'service',
    fact: 'nftables.service',
    rule: null,
    done: (root) => rmSync(join(root, 'etc/systemd/system/sysinit.target.wants/nftables.service')),
  },
  {
    kind: 'mode',
    fact: '/etc/crontab',
    rule: 'file_permissions_crontab',
    done: (root) => chmodSync(join(root, 'etc/crontab'), 0o644),
  },
];
