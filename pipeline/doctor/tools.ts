/** The external programs Drover stands on: a table, nothing else. */
import type { Config } from '../config/schema.ts';

export interface Tool {
  name: string;
  /** One line for a person: why Drover wants it. */
  purpose: string;
  /** Prints the version on standard output or standard error. */
  version: readonly [string, ...string[]];
  /** The part of that text that is the version. */
  pattern: RegExp;
  /** Debian and Ubuntu package. Null: not packaged there; `source` says where it comes from. */
  package: string | null;
  source?: string;
  /** Which images need it. */
  neededFor: readonly Config['image']['builder'][];
}

export const tools: readonly Tool[] = [
  {
    name: 'packer',
    purpose: 'builds the machine image and runs the provisioners',
    version: ['packer', 'version'],
    pattern: /Packer v(\S+)/,
    package: 'packer',
    neededFor: ['local', 'amazon-ebs'],
  },
  {
    name: 'qemu-system-x86_64',
    purpose: 'boots the image: to provision it (with KVM) and to scan it',
    version: ['qemu-system-x86_64', '--version'],
    pattern: /version (\S+)/,
    package: 'qemu-system-x86',
    neededFor: ['local'],
  },
  {
    name: 'qemu-img',
    purpose: 'converts disks and makes throwaway overlays',
    version: ['qemu-img', '--version'],
    pattern: /version (\S+)/,
    package: 'qemu-utils',
    neededFor: ['local'],
  },
  {
    name: 'mmdebstrap',
    purpose: 'makes the base disk from Debian packages',
    version: ['mmdebstrap', '--version'],
    pattern: /mmdebstrap (\S+)/,
    package: 'mmdebstrap',
    neededFor: ['local'],
  },
  {
    name: 'oscap',
    purpose: 'OpenSCAP: audits the image against the CIS benchmark',
    version: ['oscap', '--version'],
    pattern: /oscap\) (\S+)/,
    package: 'openscap-scanner',
    neededFor: ['local', 'amazon-ebs'],
  },
  {
    name: 'extlinux',
    purpose: 'makes the base disk bootable',
    version: ['extlinux', '--version'],
    pattern: /extlinux (\S+)/,
    package: 'extlinux',
    neededFor: ['local'],
  },
  {
    name: 'sfdisk',
    purpose: 'partitions the base disk',
    version: ['sfdisk', '--version'],
    pattern: /util-linux (\S+)/,
    package: 'fdisk',
    neededFor: ['local'],
  },
  {
    name: 'mkfs.ext4',
    purpose: 'makes its file systems',
    version: ['mkfs.ext4', '-V'],
    pattern: /mke2fs (\S+)/,
    package: 'e2fsprogs',
    neededFor: ['local'],
  },
  {
    name: 'xorriso',
    purpose: 'writes the seed disk that gives a scanned machine its key',
    version: ['xorriso', '--version'],
    pattern: /xorriso version\s*:\s*(\S+)/,
    package: 'xorriso',
    neededFor: ['local'],
  },
  {
    name: 'unshare',
    purpose: 'keeps mounts and processes of a build to itself',
    version: ['unshare', '--version'],
    pattern: /util-linux (\S+)/,
    package: 'util-linux',
    neededFor: ['local'],
  },
  {
    name: 'ssh',
    purpose: 'talks to the booted image',
    version: ['ssh', '-V'],
    pattern: /OpenSSH_([^\s,]+)/,
    package: 'openssh-client',
    neededFor: ['local'],
  },
  {
    name: 'session-manager-plugin',
    purpose: 'lets Packer reach a build instance that has no public SSH',
    version: ['session-manager-plugin', '--version'],
    pattern: /(\S+)/,
    package: null,
    source: 'AWS Systems Manager User Guide, "Install the Session Manager plugin"',
    neededFor: ['amazon-ebs'],
  },
  {
    name: 'git',
    purpose: 'names the source commit in the lineage',
    version: ['git', '--version'],
    pattern: /version (\S+)/,
    package: 'git',
    neededFor: ['local', 'amazon-ebs'],
  },
];
