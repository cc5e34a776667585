/**
 * What the vulnerability scanners are asked about in conformance: bills of materials of a few packages, and true
 * advisories about them. Each program's own database is made of the advisories by its test.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseDpkgStatus } from '../../scans/dpkg.ts';
import type { Inventory } from '../../scans/inventory.ts';
import { parseRpmList } from '../../scans/rpm.ts';
import { renderSbom } from '../../scans/sbom.ts';
import type { ScannerReport } from '../../scans/vulnerabilities/report-shape.ts';
import { imageRecord } from '../image-record.ts';

interface Subject {
  osRelease: { ID: string; VERSION_ID: string };
  inventory: Inventory;
}

export interface Advisory {
  id: string;
  /** As advisories name it: Debian by its source packages, Amazon Linux by those it installs. */
  package: string;
  /** null: Debian will not fix it. */
  fixed: string | null;
  severity: 'Negligible' | 'Medium' | 'High';
  /** CVSS 3.1, and its base score, as the NVD has it. */
  cvss?: { score: number; vector: string };
  epss?: number;
  kev?: { dateAdded: string; dueDate: string; knownRansomwareCampaignUse: 'Known' | 'Unknown' };
}

/** Every way a version and that of its source package can differ in Debian: packages of Debian 12. */
export const installed = [
  // Native; a rebuild; an epoch; an epoch that the source package has not; another name and no revision of its own.
  ['adduser', '3.134', 'adduser', '3.134'],
  ['libacl1', '2.3.1-3+b1', 'acl', '2.3.1-3'],
  ['zlib1g', '1:1.2.13.dfsg-1', 'zlib', '1:1.2.13.dfsg-1'],
  ['dmsetup', '2:1.02.185-2', 'lvm2', '2.03.16-2'],
  ['linux-image-6.1.0-17-cloud-amd64', '6.1.69-1', 'linux-signed-amd64', '6.1.69+1'],
  ['libc6', '2.36-9+deb12u1', 'glibc', '2.36-9+deb12u1'],
] as const;

const status = installed
  .map(([name, version, source, sourceVersion]) =>
    [
      `Package: ${name}`,
      'Status: install ok installed',
      'Architecture: amd64',
      `Version: ${version}`,
      `Source: ${source} (${sourceVersion})\n`,
    ].join('\n'),
  )
  .join('\n');

export const debian: Subject = {
  osRelease: { ID: 'debian', VERSION_ID: '12' },
  inventory: { type: 'deb', packages: parseDpkgStatus(status), licences: new Map() },
};

export const amazonLinux: Subject = {
  osRelease: { ID: 'amzn', VERSION_ID: '2023' },
  inventory: parseRpmList(
    [
      ['bash', '(none)', '5.2.15-1.amzn2023.0.2', 'x86_64', 'bash-5.2.15-1.amzn2023.0.2.src.rpm'],
      ['openssl-libs', '1', '3.0.8-1.amzn2023.0.10', 'x86_64', 'openssl-3.0.8-1.amzn2023.0.10.src.rpm'],
    ]
      .map((fields) => `${[...fields, 'Licence', 'Amazon Linux', '(none)', 'About it'].join('\t')}\n`)
      .join(''),
  ),
};

export const sbomOf = ({ osRelease, inventory }: Subject): Promise<string> =>
  renderSbom({ image: imageRecord(), osRelease, digests: {}, ...inventory });

/** Made-up advisories, by package and the version that fixes it: where a version begins to be fixed. */
export const fixedIn = (...fixes: [string, string][]): Advisory[] =>
  fixes.map(([name, fixed], index) => ({
    id: `CVE-2026-${1000 + index}`,
    package: name,
    fixed,
    severity: 'High',
  }));

/** What is found of `installed` by advisories of source packages, just before and just after the version that is there. */
export const boundaries = {
  advisories: fixedIn(
    ['acl', '2.3.1-3'],
    ['acl', '2.3.1-4'],
    ['adduser', '3.134'],
    ['linux', '6.1.69-1'],
    ['linux', '6.1.76-1'],
    ['lvm2', '2.03.16-2'],
    ['lvm2', '2.03.16-3'],
    ['zlib', '1:1.2.13.dfsg-1'],
    ['zlib', '1:1.2.14-1'],
  ),
  found: [
    ['dmsetup', 'lvm2', '2:1.02.185-2', '2.03.16-3', 'high'],
    ['libacl1', 'acl', '2.3.1-3+b1', '2.3.1-4', 'high'],
    ['linux-image-6.1.0-17-cloud-amd64', 'linux', '6.1.69-1', '6.1.76-1', 'high'],
    ['zlib1g', 'zlib', '1:1.2.13.dfsg-1', '1:1.2.14-1', 'high'],
  ],
};

export const foundIn = ({ report }: { report: ScannerReport }) =>
  report.sightings.map((it) => [it.package, it.source, it.installed, it.fixed, it.severity]).sort();

/** In force in Debian 12 for what is `installed`. test/scans/fixtures/scanners/README.md says where they are from. */
export const advisories: Advisory[] = [
  {
    id: 'CVE-2023-4911',
    package: 'glibc',
    fixed: '2.36-9+deb12u3',
    severity: 'High',
    cvss: { score: 7.8, vector: 'CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H' },
    kev: { dateAdded: '2023-11-21', dueDate: '2023-12-12', knownRansomwareCampaignUse: 'Unknown' },
  },
  {
    id: 'CVE-2026-4438',
    package: 'glibc',
    fixed: '2.36-9+deb12u14',
    severity: 'Medium',
    cvss: { score: 5.4, vector: 'CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:U/C:L/I:L/A:N' },
    epss: 0.0007,
  },
  {
    id: 'CVE-2019-1010022',
    package: 'glibc',
    fixed: null,
    severity: 'Negligible',
    cvss: { score: 9.8, vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' },
  },
  {
    id: 'CVE-2024-1086',
    package: 'linux',
    fixed: '6.1.76-1',
    severity: 'High',
    cvss: { score: 7.8, vector: 'CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H' },
  },
];

/** The recorded report of that name; where DROVER_RECORD_SCANNERS is set, `printed` takes its place. */
export function recorded<T>(name: string, printed: T): T {
  const file = new URL(`../scans/fixtures/scanners/${name}`, import.meta.url);
  if (process.env.DROVER_RECORD_SCANNERS) writeFileSync(file, `${JSON.stringify(printed, null, 2)}\n`);
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}
