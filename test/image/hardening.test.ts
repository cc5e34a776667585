/**
 * One real image, from the base disk to its second boot: built, audited, broken by hand and made right again, booted
 * and rebooted. It has what the roles `web` and `kubernetes-node` add, so that one build shows both.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { auditRoot } from '../../hardening/audit.ts';
import { readBenchmark } from '../../hardening/benchmark.ts';
import type { Profile } from '../../hardening/profile.ts';
import { type Meaning, meaningOf } from '../../hardening/tailoring.ts';
import { writeInputs } from '../../packer/build.ts';
import { packerRoom } from '../../packer/packer.ts';
import { faultsOfBoot, observeBoot } from '../../scans/boot-test.ts';
import { askAsRoot, auditBooted } from '../../scans/compliance/booted.ts';
import { quote } from '../../scans/compliance/oscap.ts';
import { askQuestions, judgeAnswers } from '../../scans/compliance/own.ts';
import { type RuleResult, readAudit } from '../../scans/compliance/results.ts';
import { type Seed, scanUser } from '../../scans/seed.ts';
import type { Vm } from '../../scans/vm.ts';
import { closureOfDisk } from './closure.ts';
import { damages } from './damage.ts';
import { auditRunning, boot, carriesPods, full, openRules, said, seedFor, takesTime } from './machine.ts';
import {
  auditDisk,
  buildDisk,
  clock,
  manifestOf,
  openWorkbench,
  type Workbench,
  withRoot,
} from './workbench.ts';

// Packer, a file system and an emulated machine on two busy cores; whatever hangs still fails.
vi.setConfig({ testTimeout: 1_800_000, hookTimeout: 1_800_000 });

let bench: Workbench;
let meaning: Meaning;
let tailoring: { path: string; profileId: string };
let disk: string;
let before: Map<string, RuleResult>;
let built: Map<string, RuleResult>;

/** A role that is both of the profile's others at once. */
function combined({ roles }: Profile): Profile['roles'] {
  const [web, node] = [roles.web!, roles['kubernetes-node']!];
  return {
    both: {
      select: [...web.select, ...node.select],
      deselect: [...web.deselect, ...node.deselect],
      values: [...web.values, ...node.values],
      rows: [...web.rows, ...node.rows],
    },
  };
}

beforeAll(async () => {
  bench = await openWorkbench();
  const profile = { ...bench.profile, roles: combined(bench.profile) };
  meaning = meaningOf(profile, readBenchmark(bench.dataStream), { role: 'both', now: clock.now() });
  tailoring = { path: join(bench.directory, 'tailoring.xml'), profileId: meaning.tailoring.profileId };
  writeFileSync(tailoring.path, meaning.tailoring.xml);
});
afterAll(() => bench?.remove());

describe('the image as it is built', () => {
  test('is made from the base disk, which fails much of the benchmark', async () => {
    before = await auditDisk(bench, bench.base.path, tailoring);
    expect(count(before, 'fail')).toBeGreaterThan(50);
    disk = await buildDisk(bench, meaning);
    built = await auditDisk(bench, disk, tailoring);
    expect(count(built, 'pass')).toBeGreaterThan(count(before, 'pass'));
  });
  test('has every fact of the catalogue', async () => {
    expect(await withRoot(bench, disk, 'ro', (root) => auditRoot(root, meaning.rows))).toEqual([]);
  });
  test('has an answer to every selected rule, and no row that changes nothing', async () => {
    expect(await closureOfDisk(bench, meaning, { before, after: built })).toEqual({
      unanswered: [],
      untrue: [],
      idle: [],
    });
    expect(meaning.tailoring.remainder).toEqual([]);
  });
});

describe('the catalogue', () => {
  test('is broken here in one fact of every kind it uses', () => {
    expect(damages.map(({ kind }) => kind).sort()).toEqual(
      [...new Set(meaning.rows.map(({ kind }) => kind))].sort(),
    );
  });
  test('and the benchmark see every fact that is broken by hand', async () => {
    await withRoot(bench, disk, 'rw', (root) => {
      for (const { done } of damages) done(root);
    });
    const found = await withRoot(bench, disk, 'ro', (root) => auditRoot(root, meaning.rows));
    expect(found.map(({ kind, name }) => `${kind} ${name}`).sort()).toEqual(
      damages.map(({ kind, fact }) => `${kind} ${fact}`).sort(),
    );
    const damaged = await auditDisk(bench, disk, tailoring);
    const rules = damages.flatMap(({ rule }) => rule ?? []);
    expect(rules.map((rule) => [rule, built.get(rule), damaged.get(rule)])).toEqual(
      rules.map((rule) => [rule, 'pass', 'fail']),
    );
  });
  test('makes it right again, after which the benchmark finds what it found before', async () => {
    await provision('update.sh', 'catalogue.sh');
    expect(await withRoot(bench, disk, 'ro', (root) => auditRoot(root, meaning.rows))).toEqual([]);
    expect([...(await auditDisk(bench, disk, tailoring))].sort()).toEqual([...built].sort());
  });
  test('applied once more changes no file', async () => {
    const manifest = () => withRoot(bench, disk, 'ro', manifestOf);
    const once = new Set(await manifest());
    await provision('catalogue.sh');
    const twice = await manifest();
    expect(once.size).toBeGreaterThan(10_000);
    expect(twice.filter((line) => !once.has(line))).toEqual([]);
    expect(twice.length).toBe(once.size);
  });
});

describe('the image, booted', () => {
  let written: string;
  let seed: Seed;
  test('complies with every rule, or says why one does not apply, or is waived; and it works', async () => {
    const path = join(bench.directory, 'disk.qcow2');
    execFileSync('qemu-img', ['convert', '-O', 'qcow2', disk, path]);
    seed = await seedFor(bench, tailoring.path);
    written = await boot(bench, { name: 'first', diskPath: path, seed }, async (vm) => {
      expect(faultsOfBoot(await observeBoot(vm))).toEqual([]);
      const report = await auditRunning(vm, bench, { meaning, built });
      expect(openRules(report)).toEqual([]);
      expect(report.unexplained).toBe(0);
      expect(report.waived).toBe(meaning.tailoring.waivers.length);
      await works(vm);
    });
  });
  test('still works after a reboot, and what is broken while it runs is seen', async () => {
    await boot(bench, { name: 'second', diskPath: written, seed }, async (vm) => {
      expect(faultsOfBoot(await observeBoot(vm))).toEqual([]);
      await works(vm);
      const damage = 'sysctl -w fs.suid_dumpable=1; mount -o remount,exec /tmp; systemctl stop nftables';
      await said(vm, `sudo sh -c ${quote(damage)}`);
      const rules = ['sysctl_fs_suid_dumpable', 'mount_option_tmp_noexec', 'service_nftables_enabled'].map(
        full,
      );
      const { results } = readAudit(await auditBooted(vm, { profileId: tailoring.profileId, rules }));
      expect(rules.map((rule) => results.get(rule))).toEqual(['fail', 'fail', 'fail']);
      const own = judgeAnswers(await askQuestions((command) => askAsRoot(vm, command)));
      expect(own.get(full('nftables_ensure_default_deny_policy'))?.result).toBe('fail');
    });
  });
});

const count = (results: ReadonlyMap<string, RuleResult>, wanted: RuleResult) =>
  [...results.values()].filter((result) => result === wanted).length;

/** Runs provisioners on the disk as the build does. */
async function provision(...scripts: string[]): Promise<void> {
  const inputs = join(bench.directory, 'inputs');
  if (!existsSync(inputs)) {
    const { suites } = bench.base;
    await writeInputs(inputs, '/run/drover', { tailoring: meaning.tailoring, suites, signal: undefined });
  }
  for (const script of scripts) {
    const argv = [disk, inputs, join(packerRoom, 'provisioners', script)];
    execFileSync(join(packerRoom, 'chroot/run.sh'), argv, { stdio: ['ignore', 'ignore', 'inherit'] });
  }
}

/** What the image is for, after all the hardening. */
async function works(vm: Vm): Promise<void> {
  const get = "exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3";
  expect(await said(vm, `bash -c ${quote(get)}`)).toMatch(/^HTTP\/1\.1 200 OK/);

  const ssh =
    'ssh -i /run/user/$(id -u)/probe -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null';
  await said(vm, 'ssh-keygen -q -t ed25519 -N "" -f /run/user/$(id -u)/probe');
  await said(vm, 'cat /run/user/$(id -u)/probe.pub >> ~/.ssh/authorized_keys');
  const root = 'mkdir -p -m 700 /root/.ssh && cat > /root/.ssh/authorized_keys';
  await said(vm, `sudo sh -c ${quote(root)} < /run/user/$(id -u)/probe.pub`);
  expect((await vm.run(`${ssh} ${scanUser}@127.0.0.1 true`)).exitCode, 'the key lets its user in').toBe(0);
  expect(await said(vm, `${ssh} root@127.0.0.1 true`)).toMatch(/root@127\.0\.0\.1: Permission denied/);
  expect(await said(vm, `${ssh} -i /nonexistent -o IdentitiesOnly=yes nobody@127.0.0.1 true`)).toMatch(
    /Permission denied \(publickey\)/,
  );
  await said(vm, 'sudo rm -r /root/.ssh');

  const ruleset = await said(vm, 'sudo nft list chain inet filter input');
  for (const port of ['22', '80', '443']) expect(ruleset).toContain(`tcp dport ${port} accept`);
  await carriesPods(vm);

  expect(await said(vm, 'cat /proc/cmdline')).toContain('apparmor=1 security=apparmor');
  expect(await said(vm, 'systemctl is-active chrony.service systemd-timesyncd.service')).toMatch(
    /^active\ninactive/,
  );
  await takesTime(vm);
  await said(vm, 'logger -t drover-image-test written && sudo journalctl --sync');
  expect(await said(vm, 'sudo journalctl -D /var/log/journal -t drover-image-test -o cat -n 1')).toBe(
    'written',
  );
  expect(
    (await vm.run('sudo apt-get check && sudo dpkg --audit && sudo apt-get -s install less')).exitCode,
  ).toBe(0);
}
