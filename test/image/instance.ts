/**
 * The scan of an AMI, with a machine of ours in the place of the instance: Packer hands it scans/instance/inspect.sh
 * over SSH, runs it there as root and fetches its archive, and the checks read that.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspectMachine } from '../../packer/inspect.ts';
import type { Verdict } from '../../pipeline/image.ts';
import { scannerDiskName } from '../../scans/compliance/booted.ts';
import { quote } from '../../scans/compliance/oscap.ts';
import { scanInstance } from '../../scans/instance/scan.ts';
import { scannerCommand } from '../../scans/scanner-disk.ts';
import { type Seed, scanUser } from '../../scans/seed.ts';
import type { Vm } from '../../scans/vm.ts';
import { imageRecord } from '../image-record.ts';
import { full, said } from './machine.ts';
import { cacheDir, clock, progress, type Workbench } from './workbench.ts';

/**
 * Leaves the machine as it was, but for what it has logged.
 * @param rules the few that are audited: all of them would take a quarter of an hour
 * @returns the verdicts by check
 */
export async function scanRunning(
  vm: Vm,
  bench: Workbench,
  { seed, role, rules }: { seed: Seed; role: string; rules: readonly string[] },
): Promise<Record<string, Verdict>> {
  const releaseDir = join(bench.directory, 'instance');
  const before = join(releaseDir, 'before');
  mkdirSync(before, { recursive: true });
  // As Debian 12 was released with it: its changelog, which the image has, reaches back to that.
  const source = { name: 'drover:deb:source-version', value: '3.0.9-1' };
  const openssl = { type: 'library', name: 'openssl', version: '3.0.9-1', properties: [source] };
  writeFileSync(join(before, 'sbom.cdx.json'), JSON.stringify({ components: [openssl] }));
  await offerScanner(vm);
  const verdicts = await scanInstance({
    image: imageRecord({
      id: 'ami-0123456789abcdef0',
      distribution: bench.profile.content.distribution,
      role,
      builder: 'amazon-ebs',
    }),
    content: bench.content,
    tailoring: tailoringOf(rules, join(releaseDir, 'tailoring.xml')),
    waivers: [],
    outputDir: join(releaseDir, 'scan'),
    releaseDir,
    cacheDir,
    policiesPath: 'scans/policies.yaml',
    budgetPath: 'scans/budget.yaml',
    scanners: [],
    kevPath: null,
    previous: { release: 'r-0', directory: before },
    clock,
    progress,
    inspect: ({ inputs, archivePath, logFile, progress: step }) =>
      inspectMachine({
        machine: {
          source: 'null.machine',
          host: '127.0.0.1',
          port: vm.sshPort,
          user: scanUser,
          keyPath: seed.keyPath,
        },
        inputs,
        archivePath,
        logFile,
        progress: step,
      }),
  });
  await said(
    vm,
    `sudo sh -c ${quote(`umount ${scanner}; rm -r ${scanner} ${program} /run/drover /tmp/drover`)}`,
  );
  return Object.fromEntries(verdicts.map((verdict) => [verdict.check, verdict]));
}

const scanner = '/run/scanner';
const program = '/usr/local/bin/oscap';

/** An instance installs the scanner from its archive; ours reaches none, and finds it installed. */
async function offerScanner(vm: Vm): Promise<void> {
  const script = [
    `mkdir ${scanner}`,
    `mount -o ro,noload -t ext4 /dev/disk/by-id/virtio-${scannerDiskName} ${scanner}`,
    `cat >${program} <<'end'`,
    '#!/bin/sh',
    `export OSCAP_SCHEMA_PATH=${scanner}/usr/share/openscap/schemas OSCAP_CPE_PATH=${scanner}/usr/share/openscap/cpe`,
    `exec ${scannerCommand(scanner, 'usr/bin/oscap').join(' ')} "$@"`,
    'end',
    `chmod 755 ${program}`,
  ].join('\n');
  await said(vm, `sudo sh -c ${quote(script)}`);
}

function tailoringOf(rules: readonly string[], path: string): { path: string; profileId: string } {
  const profileId = 'xccdf_io.drover_profile_few';
  const xml = [
    '<Tailoring xmlns="http://checklists.nist.gov/xccdf/1.2" id="xccdf_io.drover_tailoring_few">',
    '  <version time="2026-01-01T00:00:00">1</version>',
    `  <Profile id="${profileId}">`,
    '    <title>A few rules</title>',
    ...rules.map((rule) => `    <select idref="${full(rule)}" selected="true"/>`),
    '  </Profile>',
    '</Tailoring>',
    '',
  ].join('\n');
  writeFileSync(path, xml);
  return { path, profileId };
}
