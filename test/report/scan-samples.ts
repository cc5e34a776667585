/** What the scanners leave, in their shapes, with figures like those of a hardened Debian 12. */
import type { JsonObject } from '../../pipeline/json.ts';

const failing = [
  ['5.4.2.4', 'Ensure a password is set for the console', 'ensure_root_password_configured', 'medium'],
  ['1.1.2.2.1', 'Ensure /dev/shm is a separate partition', 'partition_for_dev_shm', 'low'],
  ['6.2.1.2.1', 'Ensure systemd-journal-remote is configured', 'systemd_journal_upload_url', 'medium'],
  [
    '7.1.11',
    'Ensure world-writable files and directories are secured',
    'dir_perms_world_writable_sticky_bits',
    'high',
  ],
  [
    '5.3.3.1.1',
    'Lock accounts after failed password attempts',
    'accounts_passwords_pam_faillock_deny',
    'medium',
  ],
  [
    '3.3.11',
    'Ensure IPv6 router advertisements are not accepted',
    'sysctl_net_ipv6_conf_all_accept_ra',
    'medium',
  ],
  ['1.3.1.4', 'Ensure all AppArmor profiles are enforcing', 'all_apparmor_profiles_enforced', 'medium'],
  [
    '2.3.2.1',
    'Ensure systemd-timesyncd is configured with an authorized time server',
    'service_timesyncd_configured',
    'high',
  ],
  ['4.3.10', 'Ensure nftables rules are permanent', 'set_nftables_table', 'medium'],
] as const;

const perChapter: Record<string, number> = { '1': 62, '2': 41, '3': 47, '4': 13, '5': 94, '6': 44, '7': 26 };

export function complianceReport(imageId: string, at: string): JsonObject {
  const rule = (
    id: string,
    title: string,
    severity: string,
    section: string,
    result: string,
    waiver: JsonObject | null,
  ) => ({
    id: `xccdf_org.ssgproject.content_rule_${id}`,
    title,
    severity,
    sections: [section],
    result,
    judged: section.startsWith('3') ? 'booted' : 'offline',
    offline: section.startsWith('3') ? 'unknown' : null,
    waiver,
  });
  const waiver = {
    owner: 'platform@example.org',
    reason: 'No collector exists in this network',
    expires: '2027-03-31',
    expired: false,
  };
  const rules = failing.map(([section, title, id, severity], n) =>
    rule(id, title, severity, section, 'fail', n < 3 ? waiver : null),
  );
  for (const [chapter, total] of Object.entries(perChapter)) {
    const failed = rules.filter((r) => r.sections[0]!.startsWith(chapter)).length;
    for (let n = 1; n <= total - failed; n++) {
      rules.push(
        rule(
          `passing_${chapter}_${n}`,
          `Passing rule ${chapter}.${n}`,
          'medium',
          `${chapter}.${n}`,
          'pass',
          null,
        ),
      );
    }
  }
  const pass = rules.filter((r) => r.result === 'pass').length;
  return {
    schema: 'drover/compliance@1',
    imageId,
    at,
    scanner: 'OpenSCAP 1.3.7',
    content: { package: 'ssg-debian', version: '0.1.82-1', sha256: 'a'.repeat(64) },
    profile: 'xccdf_org.ssgproject.content_profile_cis_level1_server',
    tailoringSha256: 'b'.repeat(64),
    counts: {
      pass,
      fail: failing.length,
      error: 0,
      unknown: 0,
      notapplicable: 38,
      notchecked: 22,
      informational: 0,
      fixed: 0,
    },
    judged: { offline: rules.length - 47, booted: 47 },
    score: pass / rules.length,
    scoreNetOfWaivers: pass / (rules.length - 3),
    waived: 3,
    unexplained: 0,
    rules,
  };
}

export function updatesReport(): JsonObject {
  return { schema: 'drover/updates@1', feeds: [], packages: 311, security: [], other: [], unknown: [] };
}

export function sbom(): JsonObject {
  const licences = [{ license: { name: 'GPL-2.0' } }];
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: 'urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79',
    components: Array.from({ length: 311 }, (_, n) => ({
      name: `package-${n}`,
      version: '1',
      ...(n % 4 ? { licenses: licences } : {}),
    })),
  };
}

export function vulnerabilitiesReport(): JsonObject {
  return {
    schema: 'drover/vulnerabilities@1',
    at: '2026-11-22T06:50:00.000Z',
    scanners: [{ scanner: 'grype 0.94.0', database: '2026-11-21T04:12:38Z' }],
    kev: { version: '2026.11.20', released: '2026-11-20T15:00:00.000Z' },
    findings: [
      {
        id: 'CVE-2026-1000',
        package: 'libexample1',
        installed: '1.0-1',
        fixed: null,
        severity: 'high',
        exploited: true,
        firstSeen: '2026-11-08T06:50:00.000Z',
      },
      {
        id: 'CVE-2026-2000',
        package: 'example',
        installed: '2.0-1',
        fixed: '2.0-2',
        severity: 'low',
        exploited: false,
        firstSeen: '2026-11-22T06:50:00.000Z',
      },
    ],
  };
}

export function changesReport(): JsonObject {
  return {
    schema: 'drover/changes@1',
    since: 'r-20261115-063407-p2cx',
    packages: {
      added: [{ package: 'nftables', version: '1.0.6-2' }],
      removed: [],
      upgraded: [
        { package: 'libssl3', from: '3.0.20-1~deb12u2', to: '3.0.22-1~deb12u2', cves: ['CVE-2026-35189'] },
      ],
    },
    cvesFixed: ['CVE-2026-35189'],
    findings: { gone: [], appeared: ['CVE-2026-2000 example'] },
    rules: [{ id: 'xccdf_org.ssgproject.content_rule_set_nftables_table', from: 'pass', to: 'fail' }],
  };
}
