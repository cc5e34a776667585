/**
 * One real image by CIS Level 2, of a Kubernetes node, whose role goes furthest from what Level 2 asks: its disk is parted
 * as the profile asks, it complies once booted, routes, and auditd writes.
 * What Level 1 has in common with it is shown by hardening.test.ts.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { auditRoot } from '../../hardening/audit.ts';
import { readBenchmark } from '../../hardening/benchmark.ts';
import { factsOf } from '../../hardening/catalogue.ts';
import { partitionsOf } from '../../hardening/kinds/mount.ts';
import { type Meaning, meaningOf } from '../../hardening/tailoring.ts';
import { faultsOfBoot, observeBoot } from '../../scans/boot-test.ts';
import type { RuleResult } from '../../scans/compliance/results.ts';
import type { Seed } from '../../scans/seed.ts';
import type { Vm } from '../../scans/vm.ts';
import { closureOfDisk } from './closure.ts';
import { scanRunning } from './instance.ts';
import { auditRunning, boot, carriesPods, openRules, said, seedFor, takesTime } from './machine.ts';
import { auditDisk, buildDisk, clock, openWorkbench, type Workbench, withRoot } from './workbench.ts';

vi.setConfig({ testTimeout: 1_800_000, hookTimeout: 1_800_000 });

const role = 'kubernetes-node';
let bench: Workbench;
let meaning: Meaning;
let tailoring: { path: string; profileId: string };
let disk: string;
let built: Map<string, RuleResult>;

beforeAll(async () => {
  bench = await openWorkbench('cis-level2-server.yaml');
  meaning = meaningOf(bench.profile, readBenchmark(bench.dataStream), { role, now: clock.now() });
  tailoring = { path: join(bench.directory, 'tailoring.xml'), profileId: meaning.tailoring.profileId };
  writeFileSync(tailoring.path, meaning.tailoring.xml);
});
afterAll(() => bench?.remove());

describe('an image of Level 2', () => {
  test('has every fact of the catalogue, on a disk with the partitions the profile asks for', async () => {
    disk = await buildDisk(bench, meaning);
    built = await auditDisk(bench, disk, tailoring);
    expect(await withRoot(bench, disk, 'ro', (root) => auditRoot(root, meaning.rows))).toEqual([]);
  });
  test('has an answer to every selected rule, and no row that changes nothing', async () => {
    const before = await auditDisk(bench, bench.base.path, tailoring);
    expect(await closureOfDisk(bench, meaning, { before, after: built })).toEqual({
      unanswered: [],
      untrue: [],
      idle: [],
    });
  });
  test('launched on a larger volume complies with every rule, or says why not; and it works', async () => {
    const raw = join(bench.directory, 'disk.qcow2');
    const larger = join(bench.directory, 'larger.qcow2');
    execFileSync('qemu-img', ['convert', '-O', 'qcow2', disk, raw]);
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', raw, '-F', 'qcow2', larger, '24G']);
    const seed = await seedFor(bench, tailoring.path);
    await boot(bench, { name: 'first', diskPath: larger, seed }, async (vm) => {
      expect(faultsOfBoot(await observeBoot(vm))).toEqual([]);
      await hasPartitions(vm);
      await writesRecords(vm);
      await carriesPods(vm);
      // Before the clock is set: by its age it tells the boot's own files from the image's.
      await passesAsInstance(vm, seed);
      await takesTime(vm);
      const report = await auditRunning(vm, bench, { meaning, built });
      expect(openRules(report)).toEqual([]);
      expect(report.unexplained).toBe(0);
      expect(report.waived).toBe(meaning.tailoring.waivers.length);
      expect((await vm.run('sudo apt-get check && sudo apt-get -s install less')).exitCode).toBe(0);
    });
  });
});

/** The scan of an AMI says the same of it: scripts, archive and checks. */
async function passesAsInstance(vm: Vm, seed: Seed): Promise<void> {
  const rules = ['sysctl_fs_suid_dumpable', 'mount_option_tmp_noexec', 'service_nftables_enabled'].concat(
    'package_apparmor_installed',
    'accounts_umask_root',
    // Not checked by the content, but by a question of ours.
    'nftables_ensure_default_deny_policy',
  );
  const verdicts = await scanRunning(vm, bench, { seed, role, rules });
  for (const { check, status, reasons } of Object.values(verdicts))
    expect([check, status], reasons.join('\n')).toEqual([check, 'passed']);
  expect(verdicts.compliance!.facts).toMatchObject({ pass: rules.length, fail: 0, unexplained: 0 });
  expect(verdicts.contents!.reasons.at(-1)).toMatch(
    /^since r-0: \d+ packages added, 1 package upgraded, \d+ CVEs fixed by upgrades, /,
  );
}

/** Each where it belongs and as large as asked; what the volume has more went to the root. */
async function hasPartitions(vm: Vm): Promise<void> {
  const mebibytes = async (point: string) =>
    Number(await said(vm, `findmnt --noheadings --bytes --output SIZE ${point}`)) / 1024 ** 2;
  const partitions = partitionsOf(factsOf(meaning.rows).get('mount') ?? []);
  expect(partitions.map(({ mountPoint }) => mountPoint)).toEqual([
    '/home',
    '/var',
    '/var/log',
    '/var/log/audit',
    '/var/tmp',
  ]);
  for (const { mountPoint, bytes } of partitions) {
    const size = await mebibytes(mountPoint);
    // A file system's own tables take a part of it.
    expect(size / (bytes / 1024 ** 2), `${mountPoint} has ${size} MiB`).toBeGreaterThan(0.85);
  }
  expect(await mebibytes('/')).toBeGreaterThan(6 * 1024);
}

/** What was done is on record, every rule of ours is in force, and nobody can change them. */
async function writesRecords(vm: Vm): Promise<void> {
  expect(await said(vm, 'cat /proc/cmdline')).toMatch(/ audit=1 audit_backlog_limit=8192( |$)/);
  expect(await said(vm, 'sudo auditctl -s')).toMatch(/^enabled 2$/m);
  expect(await said(vm, 'sudo journalctl -q -b -u auditd.service -p warning -o cat')).toBe('');
  const written = (await said(vm, 'sudo cat /etc/audit/rules.d/drover.rules')).split('\n');
  const inForce = (await said(vm, 'sudo auditctl -l')).split('\n');
  expect(inForce.length).toBe(written.filter((line) => /^-[aw] /.test(line)).length);
  expect(await said(vm, 'sudo auditctl -D')).toContain('Operation not permitted');

  // From the files, and not from its standard input, which is no terminal.
  const search = 'sudo ausearch --input-logs --key identity --file /etc/pam.conf --raw 2>/dev/null';
  expect(await said(vm, search)).toBe('');
  await said(vm, 'sudo chmod g-w /etc/pam.conf');
  expect(await said(vm, search)).toMatch(/^type=SYSCALL .* comm="chmod" .* key="identity"/m);
}
