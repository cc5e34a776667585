import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type BootObservation, faultsOfBoot, parseCloudInit, unitNames } from '../../scans/boot-test.ts';
import { findLeftovers } from '../../scans/leftovers.ts';
import { lastLine } from '../../scans/text.ts';

describe('the boot test', () => {
  const good: BootObservation = {
    sshAfterMs: 60_000,
    userId: 1000,
    kernel: '6.1.0-56-cloud-amd64',
    systemState: 'running',
    cloudInit: { status: 'done', detail: 'DataSourceNoCloud' },
    failedUnits: [],
    journal: {},
  };
  test('finds no fault in a good boot', () => {
    expect(faultsOfBoot(good)).toEqual([]);
  });
  const error = { status: 'error', detail: 'locale' };
  test.each<[string, Partial<BootObservation>, string]>([
    ['a degraded system', { systemState: 'degraded' }, 'systemd says the system is degraded'],
    ['a system that says nothing', { systemState: '' }, 'systemd says the system is unknown'],
    ['a failed unit', { failedUnits: ['aidecheck.service'] }, 'the unit aidecheck.service failed'],
    ['a login as root', { userId: 0 }, 'the key did not let in a user other than root'],
    ['no answer about the user', { userId: Number.NaN }, 'the key did not let in a user other than root'],
    ['cloud-init that failed', { cloudInit: error }, 'cloud-init ended with error: locale'],
  ])('faults %s', (_title, change, fault) => {
    expect(faultsOfBoot({ ...good, ...change })).toEqual([fault]);
  });
  test("reads cloud-init's status with its detail", () => {
    const text =
      "status: error\nboot_status_code: enabled-by-generator\ndetail:\n('locale', Unexpected error)";
    expect(parseCloudInit(text)).toEqual({ status: 'error', detail: "('locale', Unexpected error)" });
  });
  test('takes an answer that is none for unknown', () => {
    expect(parseCloudInit('sudo: a password is required')).toEqual({ status: 'unknown', detail: '' });
  });
  test('reads unit names from a listing, and none from a complaint', () => {
    expect(
      unitNames('cloud-config.service loaded failed failed Apply\ndev-x\\x2d1.swap loaded failed failed y'),
    ).toEqual(['cloud-config.service', 'dev-x\\x2d1.swap']);
    expect(unitNames('Failed to connect to bus: No such file or directory')).toEqual([]);
  });
});

test("a console's last line is shown without its control characters", () => {
  expect(lastLine('\u001b[0;32m  OK  \u001b[0m Started ssh.\r\n\u001b[K\r\n')).toBe('OK   Started ssh.');
  expect(lastLine('')).toBe('');
});

describe('leftovers', () => {
  let root: string;
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'drover-test-'));
    write(
      'etc/passwd',
      'root:x:0:0::/root:/bin/bash\nservice:x:99:99::/nowhere/:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n',
    );
    write('root/.ssh/known_hosts', 'host ssh-ed25519 AAAA');
    write('root/.ssh/id_rsa.pub', 'ssh-rsa AAAA');
    write('etc/shadow', 'root:*:20000:0:99999:7:::\ndaemon:!:20000::::::\n');
    write('etc/machine-id', '');
    write('etc/ssh/sshd_config', '');
    write('etc/sudoers.d/README', '# NOPASSWD is described here\n');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  test('are none in a clean image', async () => {
    expect(await findLeftovers(root)).toEqual([]);
  });
  test('are none in an image whose machine-id waits for its first boot', async () => {
    write('etc/machine-id', 'uninitialized\n');
    mkdirSync(join(root, 'var/lib/dbus'), { recursive: true });
    symlinkSync('/etc/machine-id', join(root, 'var/lib/dbus/machine-id'));
    expect(await findLeftovers(root)).toEqual([]);
  });
  test.each([
    ['etc/ssh/ssh_host_ed25519_key', 'key', 'SSH host key'],
    ['root/.ssh/authorized_keys', 'ssh-ed25519 AAAA packer', 'SSH key'],
    ['home/admin/.ssh/id_rsa', 'key', 'SSH key'],
    ['home/admin/.ssh/deploy.pem', 'key', 'SSH key'],
    ['etc/ssh/authorized_keys.d/packer', 'ssh-ed25519 AAAA packer', 'SSH key'],
    ['root/.bash_history', 'ls', 'shell history'],
    ['root/.psql_history', 'select', 'shell history'],
    ['nowhere/.bash_history', 'ls', 'shell history'],
    ['.aws/credentials', '[default]', 'credentials of a service'],
    ['etc/apt/auth.conf.d/mirror.conf', 'machine', 'credentials of a service'],
    ['var/lib/systemd/credential.secret', 'key', 'private key every instance would share'],
    ['root/.aws/credentials', '[default]', 'credentials of a service'],
    ['home/admin/.docker/config.json', '{}', 'credentials of a service'],
    ['root/.netrc', 'machine', 'credentials of a service'],
    ['etc/ssl/private/ssl-cert-snakeoil.key', 'key', 'private key every instance would share'],
    ['etc/machine-id', '0123456789abcdef0123456789abcdef', 'machine identity'],
    ['etc/sudoers.d/90-cloud-init-users', 'packer ALL=(ALL) NOPASSWD:ALL', 'sudo without a password'],
    ['var/lib/cloud/instances/i-1/sem', 'x', 'cloud-init state of another instance'],
    ['var/lib/systemd/random-seed', 'x', 'random seed every instance would share'],
    ['etc/passwd', 'packer:x:1000:1000::/home/packer:/bin/bash', "account 'packer'"],
    ['etc/shadow', 'root:$y$j9T$abc:20000::::::', "password of 'root'"],
    ['etc/shadow', 'guest::20000::::::', "account 'guest' needs no password"],
    ['tmp/script.sh', 'x', 'temporary file'],
  ])('are found in %s (%s)', async (path, text, what) => {
    write(path, text);
    expect((await findLeftovers(root)).map((leftover) => leftover.what)).toEqual([what]);
  });
  test('are not taken for absent when a place cannot be read', async () => {
    rmSync(join(root, 'etc/passwd'));
    mkdirSync(join(root, 'etc/passwd'));
    await expect(findLeftovers(root)).rejects.toThrow('EISDIR');
  });
});
