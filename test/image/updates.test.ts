/**
 * A real system that misses real security updates, made from Debian without its security suite, and the same system
 * with them. Needs root, mmdebstrap and a Debian mirror; what exactly is missing changes with the archive.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archiveFor, reachConfiguration, sourcesList } from '../../packer/debian-archive.ts';
import { wallClock } from '../../pipeline/clock.ts';
import type { Verdict } from '../../pipeline/image.ts';
import { checkUpdates, readUpdates } from '../../scans/checks.ts';
import { checks, judge } from '../../scans/judge.ts';
import { readPolicies } from '../../scans/request.ts';
import type { UpdatesReport } from '../../scans/updates.ts';
import { type CheckContext, verdictOf } from '../../scans/verdict.ts';
import { checkVulnerabilities } from '../../scans/vulnerabilities/check.ts';

const release = 'bookworm';
const packages = 'linux-image-cloud-amd64,openssl,nginx-light';
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'drover-test-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** A root with nothing but the package state of a system made from `suites`. */
async function systemOf(name: string, suites: string[]): Promise<string> {
  const root = join(directory, name);
  await mkdir(join(root, 'var/lib/dpkg'), { recursive: true });
  const sources = sourcesList(await archiveFor(suites));
  await writeFile(join(directory, 'reach.conf'), await reachConfiguration());
  const options = ['--mode=root', '--variant=minbase', `--include=${packages}`];
  const kept = `--customize-hook=copy-out /var/lib/dpkg/status ${join(root, 'var/lib/dpkg')}`;
  const apt = `--aptopt=${join(directory, 'reach.conf')}`;
  await execa('mmdebstrap', ['--quiet', ...options, apt, kept, release, '/dev/null', '-'], {
    input: sources,
  });
  return root;
}

async function scanOf(name: string, root: string) {
  const outputDir = join(directory, name, 'scan');
  const context: CheckContext = { imageId: name, releaseDir: directory, outputDir, clock: wallClock };
  const report = await readUpdates(context, { root, codename: release, directory: join(outputDir, 'apt') });
  const updates = await verdictOf(context, 'updates', () => checkUpdates(context, report));
  await writeFile(join(outputDir, 'sbom.cdx.json'), '{}');
  const vulnerabilities = await verdictOf(context, 'vulnerabilities', () =>
    checkVulnerabilities(context, { scanners: [], kevPath: null, previousDir: null }),
  );
  return { report, updates, vulnerabilities };
}

/** What the shipped policies say of the subjects that were really looked at here. */
async function failing(image: string, verdicts: Verdict[]): Promise<string[]> {
  const policies = await readPolicies('scans/policies.yaml');
  const at = new Date(wallClock.now()).toISOString();
  const { results } = judge({ imageId: image, verdicts, policies, at });
  const others = checks.filter((check) => !verdicts.some((verdict) => verdict.check === check));
  return results
    .filter(({ outcome, expression }) => outcome === 'failed' && !others.some((c) => expression.includes(c)))
    .map(({ id }) => id);
}

describe.runIf(process.getuid?.() === 0)('a system made without the security suite', () => {
  let report: UpdatesReport;
  test('misses updates, and the policy does not let it pass', { timeout: 900_000 }, async () => {
    const found = await scanOf('dirty', await systemOf('dirty', [release]));
    report = found.report;
    expect(report.security.length).toBeGreaterThan(3);
    expect(found.updates.status).toBe('failed');
    expect(found.vulnerabilities.facts.findings).toBeGreaterThan(report.security.length);
    expect(await failing('dirty', [found.updates, found.vulnerabilities])).toEqual([
      'security-updates',
      // There are findings and no catalogue that says whether they are exploited.
      'known-exploited',
    ]);
  });
  test('misses a kernel that is named, not only the package that brings it', () => {
    const kernel = report.security.find(({ package: name }) => name === 'linux-image-cloud-amd64');
    expect(kernel).toMatchObject({
      source: 'linux',
      brings: expect.stringMatching(/^linux-image-\d.+-cloud-amd64$/),
    });
    expect(kernel?.cves).toContainEqual(expect.stringMatching(/^CVE-\d{4}-\d+$/));
  });
  test('passes once it has them', { timeout: 900_000 }, async () => {
    const suites = [release, `${release}-updates`, `${release}-security`];
    const found = await scanOf('updated', await systemOf('updated', suites));
    expect(found.report.security).toEqual([]);
    expect(await failing('updated', [found.updates, found.vulnerabilities])).toEqual([]);
    const digests = Object.keys(found.report.digests).length;
    expect(digests).toBe(found.report.packages - found.report.unknown.length);
  });
});

test('the tests of real systems ran', () => {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) console.log('skipped the real systems: making one needs root');
  expect(isRoot || process.env.CI === undefined).toBe(true);
});
