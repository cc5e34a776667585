import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../pipeline/clock.ts';
import { Failed, Refused } from '../../pipeline/errors.ts';
import type { Distribution, Verdict } from '../../pipeline/image.ts';
import { sha256 } from '../../pipeline/json.ts';
import { silent } from '../../pipeline/report/progress.ts';
import { type InstanceScanOptions, scanInstance } from '../../scans/instance/scan.ts';
import { checks } from '../../scans/judge.ts';
import { parseRpmList, reportOfAdvisories } from '../../scans/rpm.ts';
import { renderSbom } from '../../scans/sbom.ts';
import { imageRecord } from '../image-record.ts';

const clock: Clock = { now: () => Date.UTC(2026, 10, 22), sleep: async () => {} };
const fixtures = fileURLToPath(new URL('./fixtures/', import.meta.url));

/** rpm's list in the form inspect.sh asks for; written after rpm(8) and dnf(8), not recorded. */
const rpms = [
  [
    'bash',
    '(none)',
    '5.2.15-1.amzn2023.0.2',
    'x86_64',
    'bash-5.2.15-1.amzn2023.0.2.src.rpm',
    'GPLv3+',
    'Amazon Linux',
  ],
  [
    'openssl-libs',
    '1',
    '3.0.8-1.amzn2023.0.10',
    'x86_64',
    'openssl-3.0.8-1.amzn2023.0.10.src.rpm',
    'ASL 2.0',
    'Amazon Linux',
  ],
  ['gpg-pubkey', '(none)', 'd832c631-6515c85e', '(none)', '(none)', 'pubkey', '(none)'],
]
  .map((fields) => `${[...fields, '(none)', 'About it'].join('\t')}\n`)
  .join('');
const known = 'i ALAS2023-2023-070 Medium/Sec.    bash-5.2.15-1.amzn2023.0.2.x86_64\n';
const missing = 'ALAS2023-2024-581 Important/Sec. openssl-libs-1:3.0.8-1.amzn2023.0.11.x86_64\n';

const imageOf = (distribution: Distribution) =>
  imageRecord({ id: 'ami-0123456789abcdef0', distribution, builder: 'amazon-ebs' });

// The fixture was recorded by inspect.sh on a hardened Debian VM, eight rules audited, and trimmed.
describe('the scan of an instance', () => {
  let directory: string;
  let archive: string;
  let path: string | undefined;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'drover-test-'));
    archive = join(directory, 'archive');
    cpSync(join(fixtures, 'instance'), archive, { recursive: true });
    mkdirSync(join(archive, 'state/journal'), { recursive: true });
    // tar and what it needs, and no apt: a test asks no mirror.
    path = process.env.PATH;
    mkdirSync(join(directory, 'bin'));
    for (const tool of ['tar', 'gzip', 'dpkg']) {
      symlinkSync((await execa('which', [tool])).stdout, join(directory, 'bin', tool));
    }
    process.env.PATH = join(directory, 'bin');
  });
  afterEach(() => {
    process.env.PATH = path;
    rmSync(directory, { recursive: true });
  });

  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(archive, file)), { recursive: true });
    writeFileSync(join(archive, file), text);
  };
  const pack: InstanceScanOptions['inspect'] = async ({ archivePath }) => {
    await execa('tar', ['-czf', archivePath, '-C', archive, '.']);
  };
  const scan = async (
    inspect: InstanceScanOptions['inspect'] = pack,
    change: Partial<InstanceScanOptions> = {},
    distribution: Distribution = 'debian-12',
  ) => {
    writeFileSync(join(directory, 'tailoring.xml'), '<nothing/>');
    const file = join(fixtures, 'data-stream.xml');
    const verdicts = await scanInstance({
      image: imageOf(distribution),
      content: { file, sha256: sha256(readFileSync(file)), version: '1', package: 'x' },
      tailoring: { path: join(directory, 'tailoring.xml'), profileId: 'p' },
      waivers: [],
      outputDir: join(directory, 'release/scan'),
      releaseDir: join(directory, 'release'),
      cacheDir: join(directory, 'cache'),
      policiesPath: 'scans/policies.yaml',
      budgetPath: 'scans/budget.yaml',
      scanners: [],
      kevPath: null,
      previous: null,
      clock,
      progress: silent,
      inspect,
      ...change,
    });
    expect(verdicts.map(({ check }) => check)).toEqual([...checks, 'policy']);
    return Object.fromEntries(verdicts.map((verdict) => [verdict.check, verdict])) as Record<
      (typeof checks)[number] | 'policy',
      Verdict
    >;
  };

  test('reads what the instance said as the same checks of any image', async () => {
    const { compliance, sbom, boot, leftovers } = await scan();
    expect([compliance, sbom, boot, leftovers].map(({ status }) => status)).toEqual(Array(4).fill('passed'));
    expect(compliance.facts).toMatchObject({
      pass: 7,
      fail: 1,
      unexplained: 0,
      judgedOffline: 0,
      judgedBooted: 8,
      scanner: 'OpenSCAP 1.3.7',
    });
    expect(sbom.facts.components).toBe(3);
    expect(boot.facts).toMatchObject({ systemState: 'running', cloudInit: 'done', failedUnits: 0 });
  });
  test('says in the verdict what a booted instance cannot tell of its image', async () => {
    const { leftovers } = await scan();
    expect(leftovers.reasons).toEqual([
      'no key, identity, account or history of the build is left',
      expect.stringMatching(/^not judged: SSH host keys, random seed and \/tmp/),
      expect.stringMatching(/^not judged: the account drover-scan/),
    ]);
    expect(leftovers.facts.notJudged).toBe(2);
  });
  test('fails the updates of a Debian image when the indexes cannot be read', async () => {
    const { updates, policy } = await scan();
    expect(updates.status).toBe('failed');
    expect(updates.reasons[0]).toMatch('the updates check could not be made');
    expect(policy.status).toBe('failed');
  });

  test.each<[string, InstanceScanOptions['inspect'], string]>([
    [
      'is cut off',
      async (work) => {
        await pack(work);
        const bytes = readFileSync(work.archivePath);
        writeFileSync(work.archivePath, bytes.subarray(0, bytes.length / 2));
      },
      'not whole',
    ],
    [
      'has no end',
      async (work) => {
        rmSync(join(archive, 'complete'));
        await pack(work);
      },
      'not whole',
    ],
    [
      'never came',
      () => Promise.reject(new Failed('gate', 'Packer failed', 'Read the log')),
      'Packer failed',
    ],
  ])('fails every check, with the reason, when the archive %s', async (_title, inspect, reason) => {
    const verdicts = Object.values(await scan(inspect));
    expect(verdicts.map(({ status }) => status)).toEqual(Array(8).fill('failed'));
    // These two follow from the others.
    const asked = verdicts.filter(({ check }) => check !== 'policy' && check !== 'vulnerabilities');
    for (const { reasons } of asked) expect(reasons[0]).toMatch(reason);
  });
  test.each<[keyof Awaited<ReturnType<typeof scan>>, string, () => void, string]>([
    [
      'compliance',
      'oscap could not read the packages',
      () => write('audit/oscap.log', 'W: dpkginfo: dpkginfo_init has failed.\n'),
      'dpkginfo_init has failed',
    ],
    [
      'compliance',
      'the scanner could not be installed',
      () => {
        rmSync(join(archive, 'audit/exit'));
        write('audit/install.log', 'E: Unable to locate package openscap-scanner\n');
      },
      'Unable to locate package openscap-scanner',
    ],
    ['compliance', 'oscap broke down', () => write('audit/exit', '139\n'), 'oscap ended with 139'],
    [
      'compliance',
      'the results are cut off',
      () =>
        write('audit/results.xml', readFileSync(join(archive, 'audit/results.xml'), 'utf8').slice(0, -900)),
      'incomplete',
    ],
    [
      'boot',
      'the units could not be asked for',
      () => write('state/failed.exit', '1\n'),
      'could not answer about failed',
    ],
    [
      'boot',
      'a unit failed',
      () => write('state/failed', 'x.service loaded failed failed X\n'),
      'the unit x.service failed',
    ],
    [
      'boot',
      'the system did not settle in time',
      () => write('state/system', ''),
      'systemd says the system is unknown',
    ],
    [
      'boot',
      'root itself came in',
      () => write('state/user-id', '\n'),
      'did not let in a user other than root',
    ],
    [
      'sbom',
      'there is no package state',
      () => write('root/var/lib/dpkg/status', ''),
      'no installed package',
    ],
    [
      'leftovers',
      'a key of the build is there',
      () => write('root/root/.ssh/authorized_keys', 'placeholder\n'),
      'SSH key',
    ],
    [
      'leftovers',
      'the accounts were not given',
      () => write('root/etc/passwd', ''),
      'did not give /etc/passwd',
    ],
    [
      'leftovers',
      'nobody looked to the end',
      () => write('state/unjudged', ''),
      'did not look for leftovers',
    ],
  ])('fails the check %s alone when %s', async (check, _title, spoil, reason) => {
    spoil();
    const verdicts = await scan();
    expect(verdicts[check].status).toBe('failed');
    expect(verdicts[check].reasons.join()).toMatch(reason);
    const others = (['compliance', 'sbom', 'boot', 'leftovers'] as const).filter((name) => name !== check);
    expect(others.map((name) => verdicts[name].status)).toEqual(Array(3).fill('passed'));
  });

  test("keeps Packer's log, above all when the instance gave no answer", async () => {
    const { boot } = await scan(async ({ logFile }) => {
      writeFileSync(logFile, 'Timeout waiting for SSH.');
      throw new Error('Packer failed');
    });
    expect(boot.artifacts.map(({ name }) => name)).toEqual(['inspect.txt.gz']);
  });
  test('ends with a refusal of the caller and with an abort, instead of verdicts', async () => {
    const refusal = new Refused('environment', 'Packer is too old', 'Install another');
    await expect(scan(() => Promise.reject(refusal))).rejects.toBe(refusal);
    const stop = new AbortController();
    const inspect = async () => {
      stop.abort(new Error('Ctrl-C'));
      throw new Error('killed');
    };
    await expect(scan(inspect, { signal: stop.signal })).rejects.toThrow('Ctrl-C');
  });

  test('names what upgrades since the release before fix, and hands the instance its packages', async () => {
    const before = join(directory, 'before');
    mkdirSync(before);
    const source = { name: 'drover:deb:source-version', value: '1:1.2.13.dfsg-0' };
    const zlib = { type: 'library', name: 'zlib1g', version: '1:1.2.13.dfsg-0', properties: [source] };
    writeFileSync(join(before, 'sbom.cdx.json'), JSON.stringify({ components: [zlib] }));
    mkdirSync(join(archive, 'changelogs'));
    writeFileSync(
      join(archive, 'changelogs/zlib1g.gz'),
      gzipSync(
        'zlib (1:1.2.13.dfsg-1) unstable; urgency=medium\n\n  * Fix CVE-2026-0001.\n\nzlib (1:1.2.13.dfsg-0) unstable; urgency=medium\n\n  * CVE-2025-1\n',
      ),
    );
    let handed = '';
    const { contents } = await scan(
      async (work) => {
        handed = readFileSync(join(work.inputs, 'previous'), 'utf8');
        expect(existsSync(join(work.inputs, 'changelogs.sh'))).toBe(true);
        await pack(work);
      },
      { previous: { release: 'r-0', directory: before } },
    );
    expect(handed).toBe('zlib1g 1:1.2.13.dfsg-0\n');
    expect(contents.reasons.at(-1)).toMatch(
      /^since r-0: 2 packages added, 1 package upgraded, 1 CVE fixed by upgrades, /,
    );
  });

  describe('of Amazon Linux', () => {
    beforeEach(() => {
      for (const [name, text] of Object.entries({
        rpm: rpms,
        'dnf-updates': '',
        'dnf-cves': '',
        'dnf-all': known,
      })) {
        write(`state/${name}`, text);
        write(`state/${name}.exit`, '0\n');
        write(`state/${name}.err`, '');
      }
    });
    const scanAmazonLinux = () => scan(pack, {}, 'amazon-linux-2023');

    test('passes when no advisory is open, and leaves the age of the feed unsaid', async () => {
      const { updates, sbom } = await scanAmazonLinux();
      expect(updates).toMatchObject({ status: 'passed', facts: { missingSecurity: 0, feedAgeHours: null } });
      expect(sbom).toMatchObject({ status: 'passed', facts: { components: 2, withLicences: 2 } });
    });
    test('fails with the package when an advisory is open', async () => {
      write('state/dnf-updates', missing);
      write('state/dnf-cves', missing.replace('ALAS2023-2024-581', 'CVE-2024-0727'));
      const { updates, vulnerabilities } = await scanAmazonLinux();
      expect(vulnerabilities).toMatchObject({
        status: 'passed',
        facts: { findings: 1, high: 1, fixableHigh: 1 },
        reasons: expect.arrayContaining([
          'CVE-2024-0727 in openssl-libs 1:3.0.8-1.amzn2023.0.10: high, fixed in 1:3.0.8-1.amzn2023.0.11',
        ]),
      });
      expect(updates).toMatchObject({
        status: 'failed',
        reasons: [
          'missing security update: openssl-libs 1:3.0.8-1.amzn2023.0.10, available 1:3.0.8-1.amzn2023.0.11',
        ],
      });
    });
    test('fails when a repository could not be read', async () => {
      write('state/dnf-updates.exit', '1\n');
      write('state/dnf-updates.err', 'Error: Failed to download metadata for repo amazonlinux\n');
      expect((await scanAmazonLinux()).updates).toMatchObject({
        status: 'failed',
        reasons: [expect.stringContaining('Failed to download metadata')],
      });
    });
  });
});

describe("dnf's advisories", () => {
  const inventory = parseRpmList(rpms);
  test('of nothing at all count as not read', () => {
    expect(() => reportOfAdvisories(inventory, '', '', '')).toThrow('no security advisory at all');
  });
  test('in another form than expected are an error', () => {
    expect(() => reportOfAdvisories(inventory, 'Last metadata expiration check: now\n', '', known)).toThrow(
      'makes no sense',
    );
  });
  test('about a package that is not installed are an error', () => {
    expect(() => reportOfAdvisories(parseRpmList(rpms.split('\n')[0]!), missing, '', known)).toThrow(
      'not installed',
    );
  });
  test('come from a list of packages, or there is no answer', () => {
    expect(() => parseRpmList('')).toThrow('no installed package');
    expect(() => parseRpmList('bash\n')).toThrow('incomplete line');
  });
});

test('an rpm is named by a purl, and its distribution as Trivy and as Grype know it', async () => {
  const image = imageOf('amazon-linux-2023');
  const bom = JSON.parse(
    await renderSbom({
      image,
      osRelease: { ID: 'amzn', VERSION_ID: '2023' },
      digests: {},
      ...parseRpmList(rpms),
    }),
  );
  const packages = bom.components.filter(({ type }: { type: string }) => type === 'library');
  expect(packages.map(({ purl }: { purl: string }) => purl)).toEqual([
    'pkg:rpm/amazon/bash@5.2.15-1.amzn2023.0.2?arch=x86_64&distro=amzn-2023&upstream=bash-5.2.15-1.amzn2023.0.2.src.rpm',
    'pkg:rpm/amazon/openssl-libs@3.0.8-1.amzn2023.0.10?arch=x86_64&distro=amzn-2023&epoch=1&upstream=openssl-3.0.8-1.amzn2023.0.10.src.rpm',
  ]);
  const system = bom.components.find(({ type }: { type: string }) => type === 'operating-system');
  expect(system).toMatchObject({ name: 'amazon', version: '2023', swid: { name: 'amzn', version: '2023' } });
});
