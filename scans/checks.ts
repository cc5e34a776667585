/**
 * The five checks: what each scanner found, as a finding with reasons, facts and artifacts. Decides what a check
 * calls passed on its own terms (complete, nothing missing, nothing left); whether that is good enough for a
 * fleet is the policies' business.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { timestamp } from '../pipeline/clock.ts';
import type { ImageRecord } from '../pipeline/image.ts';
import { sha256 } from '../pipeline/json.ts';
import { faultsOfBoot, observeBoot } from './boot-test.ts';
import type { Content } from './compliance/content.ts';
import { mergeReport } from './compliance/report.ts';
import type { RawAudit } from './compliance/results.ts';
import { parseDpkgStatus, parseOsRelease } from './dpkg.ts';
import { findLeftovers } from './leftovers.ts';
import type { Outcome } from './outcome.ts';
import { licencesOf, renderSbom } from './sbom.ts';
import type { ScanOptions } from './scan.ts';
import { findMissingUpdates } from './updates.ts';
import { type CheckContext, type Finding, writeArtifact, writeJsonArtifact } from './verdict.ts';
import type { Vm } from './vm.ts';

/** Passed means audited: every rule was asked where it can be answered. The score is for the policies to judge. */
export async function checkCompliance(
  context: CheckContext,
  { image, content: identity, tailoring, waivers, clock }: ScanOptions,
  content: Outcome<Content>,
  offline: Outcome<RawAudit>,
  booted: Outcome<RawAudit>,
): Promise<Finding> {
  if ('reason' in content) throw new Error(`the benchmark cannot be read: ${content.reason}`);
  if ('reason' in offline) throw new Error(`audit of the disk: ${offline.reason}`);
  if ('reason' in booted) throw new Error(`audit of the running system: ${booted.reason}`);
  const { version, sha256: contentSha256, package: contentPackage } = identity;
  const report = mergeReport({
    imageId: image.id,
    at: timestamp(clock.now()),
    scanner: `OpenSCAP ${offline.value.answer.scannerVersion}`,
    content: content.value,
    contentIdentity: { package: contentPackage, version, sha256: contentSha256 },
    profile: tailoring.profileId,
    tailoringSha256: sha256(await readFile(tailoring.path)),
    offline: offline.value.answer.results,
    booted: booted.value.answer.results,
    waivers,
  });
  const { counts, judged, score, scoreNetOfWaivers, waived, unexplained } = report;
  const expired = report.rules.filter(({ waiver }) => waiver?.expired);
  return {
    status: 'passed',
    reasons: [
      `${counts.pass} of ${counts.pass + counts.fail} rules that pass or fail pass: score ${score ?? 'none'}`,
      `${judged.booted} rules were judged on the running system, ${judged.offline} on the disk`,
      ...(waived > 0 ? [`${waived} failures are waived`] : []),
      ...(unexplained > 0 ? [`${unexplained} rules have no answer`] : []),
      ...expired.map(
        ({ id, waiver }) => `the waiver of ${waiver?.owner} for ${id} expired on ${waiver?.expires}`,
      ),
    ],
    facts: {
      score,
      scoreNetOfWaivers,
      ...counts,
      waived,
      unexplained,
      expiredWaivers: expired.length,
      judgedOffline: judged.offline,
      judgedBooted: judged.booted,
      offlineSeconds: offline.value.seconds,
      bootedSeconds: booted.value.seconds,
      scanner: report.scanner,
      content: `${contentPackage} ${version}`,
    },
    artifacts: [
      await writeJsonArtifact(context, 'compliance.json', report),
      await writeArtifact(context, 'xccdf-offline.xml.gz', gzipSync(offline.value.resultsXml)),
      await writeArtifact(context, 'xccdf-booted.xml.gz', gzipSync(booted.value.resultsXml)),
    ],
  };
}

export async function checkUpdates(
  context: CheckContext,
  options: { root: string; codename: string; directory: string },
): Promise<Finding> {
  const { root, codename, directory } = options;
  await mkdir(directory, { recursive: true });
  const report = await findMissingUpdates({
    status: await readFile(join(root, 'var/lib/dpkg/status'), 'utf8'),
    codename,
    directory,
    signal: context.signal,
  });
  const feed = report.feeds.find(({ suite }) => suite === `${codename}-security`);
  if (!feed) throw new Error(`the index of ${codename}-security was not read`);
  const ageHours = (context.clock.now() - Date.parse(feed.date)) / 3_600_000;
  const missing = report.security.map(
    ({ package: name, installed, available }) => `${name} ${installed}, available ${available}`,
  );
  return {
    status: missing.length === 0 ? 'passed' : 'failed',
    reasons:
      missing.length === 0
        ? [`no missing security updates among ${report.packages} packages, by the feed of ${feed.date}`]
        : missing.map((entry) => `missing security update: ${entry}`),
    facts: {
      packages: report.packages,
      missingSecurity: report.security.length,
      missingOther: report.other.length,
      unknownPackages: report.unknown.length,
      feed: feed.suite,
      feedDate: feed.date,
      feedAgeHours: Math.round(ageHours * 10) / 10,
    },
    artifacts: [await writeJsonArtifact(context, 'updates.json', report)],
  };
}

export async function checkSbom(context: CheckContext, image: ImageRecord, root: string): Promise<Finding> {
  const packages = parseDpkgStatus(await readFile(join(root, 'var/lib/dpkg/status'), 'utf8'));
  const licences = await readLicences(root);
  const sbom = await renderSbom({
    image,
    osRelease: parseOsRelease(await readFile(join(root, 'usr/lib/os-release'), 'utf8')),
    packages,
    licences,
  });
  return {
    status: 'passed',
    reasons: [`${packages.length} packages listed in valid CycloneDX 1.6`],
    facts: {
      components: packages.length,
      withLicences: packages.filter(({ name }) => licences.has(name)).length,
      specification: 'CycloneDX 1.6',
    },
    artifacts: [await writeArtifact(context, 'sbom.cdx.json', sbom)],
  };
}

/** Debian puts every package's licence in /usr/share/doc/<package>/copyright (Debian Policy 12.5). */
async function readLicences(root: string): Promise<Map<string, string[]>> {
  const documentation = join(root, 'usr/share/doc');
  const names = await readdir(documentation).catch(() => []);
  const licences = new Map<string, string[]>();
  for (const name of names) {
    // Latin-1 reads any byte; the names of licences are ASCII. Images may leave documentation out.
    const text = await readFile(join(documentation, name, 'copyright'), 'latin1').catch(() => '');
    const found = licencesOf(text);
    if (found.length > 0) licences.set(name, found);
  }
  return licences;
}

export async function checkBoot(context: CheckContext, vm: Vm, accelerator: string): Promise<Finding> {
  const boot = await observeBoot(vm);
  const faults = faultsOfBoot(boot);
  const sshSeconds = Math.round(boot.sshAfterMs / 100) / 10;
  return {
    status: faults.length === 0 ? 'passed' : 'failed',
    reasons:
      faults.length === 0
        ? [
            `systemd is running with no failed unit, cloud-init is done, SSH let a key in after ${sshSeconds} s`,
          ]
        : faults,
    facts: {
      sshSeconds,
      systemState: boot.systemState,
      failedUnits: boot.failedUnits.length,
      cloudInit: boot.cloudInit.status,
      kernel: boot.kernel,
      accelerator,
    },
    artifacts: [await writeJsonArtifact(context, 'boot.json', { schema: 'drover/boot@1', ...boot })],
  };
}

export async function checkLeftovers(context: CheckContext, root: string): Promise<Finding> {
  const found = await findLeftovers(root);
  return {
    status: found.length === 0 ? 'passed' : 'failed',
    reasons:
      found.length === 0
        ? ['no key, identity, account or history of the build is left']
        : found.map(({ path, what }) => `${path}: ${what}`),
    facts: { found: found.length },
    artifacts: [await writeJsonArtifact(context, 'leftovers.json', { schema: 'drover/leftovers@1', found })],
  };
}
