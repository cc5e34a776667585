/** A machine of an image under test: booted, asked what it says, audited as the scan stage does, shut down in order. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Meaning } from '../../hardening/tailoring.ts';
import { probeAccelerator } from '../../packer/accelerator.ts';
import { timestamp } from '../../pipeline/clock.ts';
import { askAsRoot, auditBooted, scannerDiskName, seedFiles } from '../../scans/compliance/booted.ts';
import { parseContent } from '../../scans/compliance/content.ts';
import { quote } from '../../scans/compliance/oscap.ts';
import { askQuestions, judgeAnswers } from '../../scans/compliance/own.ts';
import { type ComplianceReport, mergeReport, rulesForBoot } from '../../scans/compliance/report.ts';
import { type RuleResult, readAudit } from '../../scans/compliance/results.ts';
import { type Seed, writeSeed } from '../../scans/seed.ts';
import { type Vm, withVm } from '../../scans/vm.ts';
import { connectTime, openTimeWire } from './time-wire.ts';
import { clock, type Workbench } from './workbench.ts';

/** The content's id of a rule. */
export const full = (rule: string) => `xccdf_org.ssgproject.content_rule_${rule}`;

/** What the machine is told at boot; of one seed all boots are of the same machine, which lets the same key in. */
export function seedFor(bench: Workbench, tailoringPath: string): Promise<Seed> {
  const directory = join(bench.directory, 'seed');
  mkdirSync(directory);
  return writeSeed({
    directory,
    instanceId: 'image-test',
    files: { [seedFiles.content]: bench.content.file, [seedFiles.tailoring]: tailoringPath },
  });
}

/** How far the clock at the other end of the time wire is ahead of this machine's. */
const aheadMs = 60_000;

/**
 * Boots a qcow2 disk without changing it, and shuts the machine down in good order.
 * @returns the disk with what the machine wrote
 */
export async function boot(
  bench: Workbench,
  { name, diskPath, seed }: { name: string; diskPath: string; seed: Seed },
  work: (vm: Vm) => Promise<void>,
): Promise<string> {
  const directory = join(bench.directory, name);
  mkdirSync(directory);
  const serialLogPath = join(directory, 'console.log');
  const accelerator = await probeAccelerator(bench.base.kernel);
  const disks = [{ name: scannerDiskName, path: bench.scanner.path }];
  const wire = await openTimeWire(() => clock.now() + aheadMs);
  const devices = wire.arguments;
  const options = { diskPath, directory, serialLogPath, seed, disks, devices, accelerator, clock };
  try {
    await withVm({ ...options, sshDeadlineMs: 1_200_000 }, async (vm) => {
      await work(vm);
      // A machine that goes down may hang up before it has answered; whether it did go, its console says.
      await vm.run('sudo -n systemctl --no-block poweroff').catch(() => {});
      for (let waited = 0; waited < 300; waited += 1) {
        if (/reboot: Power down/.test(readFileSync(serialLogPath, 'utf8'))) return;
        await clock.sleep(1_000);
      }
      throw new Error('the machine did not shut down within 300 s');
    });
  } finally {
    wire.close();
  }
  return join(directory, 'overlay.qcow2');
}

/**
 * The verdict of the scan stage, by its own parts.
 * @param built what the disk says, by rule name
 */
export async function auditRunning(
  vm: Vm,
  bench: Workbench,
  { meaning, built }: { meaning: Meaning; built: ReadonlyMap<string, RuleResult> },
): Promise<ComplianceReport> {
  const content = parseContent(bench.dataStream);
  const { profileId, waivers } = meaning.tailoring;
  const offline = new Map([...built].map(([rule, result]) => [full(rule), result]));
  const rules = rulesForBoot(content, offline);
  const { results, scannerVersion } = readAudit(await auditBooted(vm, { profileId, rules }));
  return mergeReport({
    imageId: 'image',
    at: timestamp(clock.now()),
    scanner: `OpenSCAP ${scannerVersion}`,
    content,
    contentIdentity: bench.content,
    profile: profileId,
    tailoringSha256: '',
    offline,
    booted: results,
    own: judgeAnswers(await askQuestions((command) => askAsRoot(vm, command))),
    waivers,
  });
}

/** Rules that are neither met nor waived, with what is said of them. */
export const openRules = ({ rules }: ComplianceReport) =>
  rules
    .filter((it) => !['pass', 'notapplicable'].includes(it.result) && !it.waiver)
    .map(({ id, result, remark }) => [id, result, remark]);

/** Everything a command says, however it ends; an exit code of 255 would pass for a failure of our own connection. */
export async function said(vm: Vm, command: string): Promise<string> {
  const { stdout, stderr } = await vm.run(`${command} || :`);
  return `${stdout}\n${stderr}`.trim();
}

/** The image's own chrony, as configured, takes its time from the cloud's address once that can be reached. */
export async function takesTime(vm: Vm): Promise<void> {
  await said(vm, `sudo sh -c ${quote(connectTime)}`);
  // At most 180 seconds; nothing is asked of the correction or the skew.
  await said(vm, 'chronyc -n waitsync 180 0 0 1');
  const tracking = await said(vm, 'chronyc -n tracking');
  expect(tracking).toMatch(/^Reference ID +: A9FEA97B \(169\.254\.169\.123\)$/m);
  expect(tracking).toMatch(/^Leap status +: Normal$/m);
  // After a step of the clock the kernel is told so with a later answer: one comes every 16 seconds.
  const synchronized = 'timedatectl show --property NTPSynchronized --value';
  await said(vm, `timeout 180 sh -c ${quote(`until ${synchronized} | grep -q yes; do sleep 2; done`)}`);
  expect(await said(vm, synchronized)).toBe('yes');
  // It went to the time it was told, which is not that of this machine.
  const ahead = Number(await said(vm, 'date +%s%3N')) - clock.now();
  expect(Math.abs(ahead - aheadMs), `the machine's clock is ${ahead} ms ahead`).toBeLessThan(aheadMs / 2);
}

/** What the role `kubernetes-node` is for: ports of the kubelet and of services, traffic between pods, their file systems. */
export async function carriesPods(vm: Vm): Promise<void> {
  const input = await said(vm, 'sudo nft list chain inet filter input');
  for (const port of ['tcp dport 10250', 'tcp dport 10256', 'tcp dport 30000-32767', 'udp dport 30000-32767'])
    expect(input).toContain(`${port} accept`);
  expect(await said(vm, 'sudo nft list chain inet filter forward')).toContain('accept');
  const routing = [
    'net.ipv4.ip_forward',
    'net.ipv6.conf.all.forwarding',
    'net.bridge.bridge-nf-call-iptables',
  ];
  expect(await said(vm, `sudo sysctl --values ${routing.join(' ')}`)).toBe('1\n1\n1');
  const modules = await said(vm, 'cut -d " " -f 1 /proc/modules');
  expect(modules.split('\n')).toEqual(expect.arrayContaining(['br_netfilter', 'overlay']));
  const layers = 'd=$(mktemp -d -p /var/lib) && mkdir $d/upper $d/work && cd $d';
  const overlay = `mount -t overlay overlay -o lowerdir=/etc,upperdir=$d/upper,workdir=$d/work /mnt`;
  const written = `${layers} && ${overlay} && echo over >/mnt/passwd; cat upper/passwd; umount /mnt; rm -r $d`;
  expect(await said(vm, `sudo sh -c ${quote(written)}`)).toBe('over');
}
