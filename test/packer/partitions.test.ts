/** Where a disk's partitions are, and who refuses them. Disks that are made and booted: test/image. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { partitionsOf } from '../../hardening/kinds/mount.ts';
import type { Tailoring } from '../../hardening/tailoring.ts';
import { buildAmazonImage } from '../../packer/build-amazon.ts';
import { layOut } from '../../packer/layout.ts';

const partitions = partitionsOf([
  ['/var', 'LABEL=var ext4 rw,nodev,x-drover.size=8G'],
  ['/home', 'LABEL=home ext4 rw,nodev,x-drover.size=1G'],
]);

test('the root is the last partition, so that it can grow, and the one the machine boots from', () => {
  const directory = mkdtempSync(join(tmpdir(), 'drover-layout-'));
  const disk = join(directory, 'disk.raw');
  const { bytes, table, fileSystems } = layOut(partitions);
  writeFileSync(disk, '');
  truncateSync(disk, bytes);
  try {
    execFileSync('sfdisk', ['--quiet', disk], { input: table });
    const read = JSON.parse(execFileSync('sfdisk', ['--json', disk], { encoding: 'utf8' }));
    const found: { name: string; start: number; size: number; attrs?: string }[] =
      read.partitiontable.partitions;
    expect(found.map(({ name, attrs }) => [name, attrs])).toEqual([
      ['/home', undefined],
      ['/var', undefined],
      ['/', 'LegacyBIOSBootable'],
    ]);
    expect(found.map(({ start, size }) => [start * 512, size * 512])).toEqual(
      fileSystems.map((it) => [it.offset, it.bytes]),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('partitions take nothing from the root', () => {
  const sizeOf = (layout: ReturnType<typeof layOut>) =>
    layout.fileSystems.find(({ mountPoint }) => mountPoint === '/')?.bytes;
  expect(sizeOf(layOut(partitions))).toBe(sizeOf(layOut([])));
});

test('an AMI with partitions is refused before anything is made, with what asks for them and what to do', async () => {
  const row = {
    id: 'partition-var',
    kind: 'mount',
    from: 'overlay disk-partitions',
    rules: ['partition_for_var', 'mount_option_var_nodev'],
    controls: [],
    desired: { '/var': 'LABEL=var ext4 rw,nodev,x-drover.size=8G' },
  };
  const tailoring = { rows: [row] } as unknown as Tailoring;
  const build = buildAmazonImage({ tailoring, packerBinary: '/nonexistent' } as never);
  await expect(build).rejects.toMatchObject({
    message: expect.stringMatching(/partitions for \/var \(overlay disk-partitions\)/),
    remedy: expect.stringContaining('waive partition_for_var;'),
  });
});
