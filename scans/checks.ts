/**
 * What each scanner found, as a finding with reasons, facts and artifacts. Decides what a check
 * calls passed on its own terms (complete, nothing missing, nothing left); whether that is good enough for a
 * fleet is the policies' business.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { timestamp } from '../pipeline/clock.ts';
import type { ImageRecord } from '../pipeline/image.ts';
import { sha256 } from '../pipeline/json.ts';
import type { Feed } from './apt.ts';
import { type BootObservation, faultsOfBoot } from './boot-test.ts';
import type { PackageChanges } from './changes.ts';
import type { Content } from './compliance/content.ts';
import { mergeReport } from './compliance/report.ts';
import type { RawAudit } from './compliance/results.ts';
import { type Budget, type Contents, type ContentsReport, excessOf } from './contents.ts';
import { parseOsRelease } from './dpkg.ts';
import type { Inventory } from './inventory.ts';
import { findLeftovers } from './leftovers.ts';
import type { Outcome } from './outcome.ts';
import type { ScanRequest } from './request.ts';
import { renderSbom } from './sbom.ts';
import { findMissingUpdates, type UpdatesReport } from './updates.ts';
import { type CheckContext, type Finding, writeArtifact, writeJsonArtifact } from './verdict.ts';

/**
 * Passed means audited: every rule was asked where it can be answered. The score is for the policies to judge.
 * @param offline null where there is no disk to mount: the running system was asked about every rule
 */
export async function checkCompliance(
  context: CheckContext,
  { image, content: identity, tailoring, waivers, clock }: ScanRequest,
  content: Outcome<Content>,
  offline: Outcome<RawAudit> | null,
  booted: Outcome<RawAudit>,
): Promise<Finding> {
  if ('reason' in content) throw new Error(`the benchmark cannot be read: ${content.reason}`);
  if (offline && 'reason' in offline) throw new Error(`audit of the disk: ${offline.reason}`);
  if ('reason' in booted) throw new Error(`audit of the running system: ${booted.reason}`);
  const { version, sha256: contentSha256, package: contentPackage } = identity;
  const report = mergeReport({
    imageId: image.id,
    at: timestamp(clock.now()),
    scanner: `OpenSCAP ${booted.value.answer.scannerVersion}`,
    content: content.value,
    contentIdentity: { package: contentPackage, version, sha256: contentSha256 },
    profile: tailoring.profileId,
    tailoringSha256: sha256(await readFile(tailoring.path)),
    offline: offline?.value.answer.results ?? null,
    booted: booted.value.answer.results,
    own: booted.value.own,
    waivers,
  });
  const { counts, judged, score, scoreNetOfWaivers, waived, unexplained } = report;
  const expired = report.rules.filter(({ waiver }) => waiver?.expired);
  return {
    status: 'passed',
    reasons: [
      `${counts.pass} of ${counts.pass + counts.fail} rules that pass or fail pass: score ${score ?? 'none'}`,
      `${judged.booted} rules were judged on the running system, ${judged.offline} on the disk` +
        (judged.own > 0 ? `, ${judged.own} by Drover's own checks` : ''),
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
      judgedOwn: judged.own,
      offlineSeconds: offline?.value.seconds ?? null,
      bootedSeconds: booted.value.seconds,
      scanner: report.scanner,
      content: `${contentPackage} ${version}`,
    },
    artifacts: [
      await writeJsonArtifact(context, 'compliance.json', report),
      ...(offline
        ? [await writeArtifact(context, 'xccdf-offline.xml.gz', gzipSync(offline.value.resultsXml))]
        : []),
      await writeArtifact(context, 'xccdf-booted.xml.gz', gzipSync(booted.value.resultsXml)),
    ],
  };
}

/** @param directory scratch space @throws Error when the distribution's indexes cannot be read to the last */
export async function readUpdates(
  { signal }: CheckContext,
  options: { root: string; codename: string; directory: string },
): Promise<UpdatesReport> {
  const { root, codename, directory } = options;
  await mkdir(directory, { recursive: true });
  const report = await findMissingUpdates({
    status: await readFile(join(root, 'var/lib/dpkg/status'), 'utf8'),
    codename,
    directory,
    signal,
  });
  if (!securityFeed(report)) throw new Error(`the index of ${codename}-security was not read`);
  return report;
}

/** Where security updates are published; null where nobody says when that was read last (dnf). */
const securityFeed = ({ feeds }: UpdatesReport): Feed | null =>
  feeds.find(({ suite }) => suite.endsWith('-security')) ?? null;

export async function checkUpdates(context: CheckContext, report: UpdatesReport): Promise<Finding> {
  const feed = securityFeed(report);
  const ageHours = feed ? (context.clock.now() - Date.parse(feed.date)) / 3_600_000 : null;
  const missing = report.security.map(
    ({ package: name, installed, available }) => `${name} ${installed}, available ${available}`,
  );
  return {
    status: missing.length === 0 ? 'passed' : 'failed',
    reasons:
      missing.length === 0
        ? [
            `no missing security updates among ${report.packages} packages${feed ? `, by the feed of ${feed.date}` : ''}`,
          ]
        : missing.map((entry) => `missing security update: ${entry}`),
    facts: {
      packages: report.packages,
      missingSecurity: report.security.length,
      missingOther: report.other.length,
      unknownPackages: report.unknown.length,
      feed: feed?.suite ?? null,
      feedDate: feed?.date ?? null,
      feedAgeHours: ageHours === null ? null : Math.round(ageHours * 10) / 10,
    },
    artifacts: [await writeJsonArtifact(context, 'updates.json', report)],
  };
}

/** @param updates names the packages' digests where the archive still has them */
export async function checkSbom(
  context: CheckContext,
  image: ImageRecord,
  root: string,
  inventory: Inventory,
  updates: Outcome<UpdatesReport>,
): Promise<Finding> {
  const { packages, licences } = inventory;
  const digests = 'value' in updates ? updates.value.digests : {};
  const osRelease = parseOsRelease(await readFile(join(root, 'usr/lib/os-release'), 'utf8'));
  const sbom = await renderSbom({ image, osRelease, digests, ...inventory });
  return {
    status: 'passed',
    reasons: [`${packages.length} packages listed in valid CycloneDX 1.6`],
    facts: {
      components: packages.length,
      withLicences: packages.filter(({ name }) => licences.has(name)).length,
      withDigests: packages.filter(({ name }) => Object.hasOwn(digests, name)).length,
      specification: 'CycloneDX 1.6',
    },
    artifacts: [await writeArtifact(context, 'sbom.cdx.json', sbom)],
  };
}

/** @param changes since the release before, where there is one */
export async function checkContents(
  context: CheckContext,
  contents: Contents,
  budget: Budget,
  changes: PackageChanges | null,
): Promise<Finding> {
  const { usedMib, unexpectedSetuid, over } = excessOf(contents, budget);
  const report: ContentsReport = {
    schema: 'drover/contents@1',
    ...contents,
    budget,
    unexpectedSetuid,
    changes,
  };
  const excess = [
    ...over,
    ...unexpectedSetuid.map((path) => `${path} runs with its owner's rights and is not in the budget`),
  ];
  return {
    status: excess.length === 0 ? 'passed' : 'failed',
    reasons:
      excess.length === 0
        ? [
            `${contents.packages} packages (budget ${budget.packages}), ${usedMib} MiB in use (budget ${budget.used_mib}), ${contents.setuid.length} known set-ID files`,
          ]
        : excess,
    facts: {
      packages: contents.packages,
      packageBudget: budget.packages,
      usedMib,
      usedMibBudget: budget.used_mib,
      over: over.length,
      setuid: contents.setuid.length,
      unexpectedSetuid: unexpectedSetuid.length,
    },
    artifacts: [await writeJsonArtifact(context, 'contents.json', report)],
  };
}

/** @param facts what else to say about where it booted */
export async function checkBoot(
  context: CheckContext,
  boot: BootObservation,
  facts: Finding['facts'],
): Promise<Finding> {
  const faults = faultsOfBoot(boot);
  const sshSeconds = boot.sshAfterMs === null ? null : Math.round(boot.sshAfterMs / 100) / 10;
  const soon = sshSeconds === null ? '' : ` after ${sshSeconds} s`;
  return {
    status: faults.length === 0 ? 'passed' : 'failed',
    reasons:
      faults.length === 0
        ? [`systemd is running with no failed unit, cloud-init is done, SSH let a key in${soon}`]
        : faults,
    facts: {
      sshSeconds,
      systemState: boot.systemState,
      failedUnits: boot.failedUnits.length,
      cloudInit: boot.cloudInit.status,
      kernel: boot.kernel,
      ...facts,
    },
    artifacts: [await writeJsonArtifact(context, 'boot.json', { schema: 'drover/boot@1', ...boot })],
  };
}

/** @param untold what could not be looked at where the check was made, one sentence each */
export async function checkLeftovers(
  context: CheckContext,
  root: string,
  untold: readonly string[] = [],
): Promise<Finding> {
  const found = await findLeftovers(root);
  const caveats = untold.map((what) => `not judged: ${what}`);
  return {
    status: found.length === 0 ? 'passed' : 'failed',
    reasons:
      found.length === 0
        ? ['no key, identity, account or history of the build is left', ...caveats]
        : [...found.map(({ path, what }) => `${path}: ${what}`), ...caveats],
    facts: { found: found.length, notJudged: untold.length },
    artifacts: [
      await writeJsonArtifact(context, 'leftovers.json', {
        schema: 'drover/leftovers@1',
        found,
        notJudged: untold,
      }),
    ],
  };
}
