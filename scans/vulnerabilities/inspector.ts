/**
 * Amazon Inspector's findings (`aws inspector2 list-findings`), those about packages. It reads no bill of materials: it
 * knows an image by the instances that run it (the filter ec2InstanceImageId), and lists as few findings of one it has
 * not scanned as of one without any. Which it is, `aws inspector2 list-coverage` says: one document may hold both answers.
 * https://docs.aws.amazon.com/inspector/v2/APIReference/API_Finding.html and API_ScanStatus.html beside it
 */
import { z } from 'zod';
import { type Sighting, severityOf } from './finding.ts';
import { list, parseDocument, type ScannerReport } from './report-shape.ts';

const cvss = z.object({ baseScore: z.number(), scoringVector: z.string(), version: z.string() });

const shape = z.object({
  /** There is another page; the AWS CLI, told to stop early, writes it with a capital. */
  nextToken: z.string().nullish(),
  NextToken: z.string().nullish(),
  /** Of list-coverage. */
  coveredResources: list(z.object({ scanStatus: z.object({ reason: z.string() }).optional() })),
  findings: z.array(
    z.object({
      type: z.string(),
      status: z.string(),
      severity: z.string(),
      epss: z.object({ score: z.number().min(0).max(1).optional() }).optional(),
      inspectorScoreDetails: z
        .object({ adjustedCvss: z.object({ scoreSource: z.string() }).optional() })
        .optional(),
      packageVulnerabilityDetails: z
        .object({
          vulnerabilityId: z.string().min(1),
          cvss: list(cvss),
          vulnerablePackages: z.array(
            z.object({
              name: z.string().min(1),
              version: z.string(),
              epoch: z.number().optional(),
              release: z.string().optional(),
              fixedInVersion: z.string().optional(),
            }),
          ),
        })
        .optional(),
    }),
  ),
});

/**
 * Findings that are closed or suppressed are left out.
 * @throws Error for anything that is not such an answer, for one that is only the beginning of it, and for one without
 *   findings that does not say that anything was scanned
 */
export function parseInspector(text: string): ScannerReport {
  const report = parseDocument('a report of Amazon Inspector', text, shape);
  const { findings, coveredResources, nextToken, NextToken } = report;
  if (nextToken || NextToken) {
    throw new Error('the report of Amazon Inspector is cut off: there is another page');
  }
  if (findings.length === 0 && !coveredResources.some((it) => it.scanStatus?.reason === 'SUCCESSFUL')) {
    const reasons = coveredResources.map((it) => it.scanStatus?.reason ?? 'no status').join(', ');
    throw new Error(
      `Amazon Inspector has no findings, and has scanned nothing that it says (${reasons || 'no coveredResources'}): add what list-coverage answers`,
    );
  }
  const sightings = findings.flatMap((finding) => {
    const { status, severity, epss, inspectorScoreDetails, packageVulnerabilityDetails: details } = finding;
    if (status !== 'ACTIVE' || !details) return [];
    const [score] = details.cvss.toSorted((a, b) => Number(b.version) - Number(a.version));
    return details.vulnerablePackages.map(
      (found): Sighting => ({
        id: details.vulnerabilityId,
        package: found.name,
        source: null,
        installed: versionOf(found),
        // "NotAvailable" stands for none.
        fixed: found.fixedInVersion && found.fixedInVersion !== 'NotAvailable' ? found.fixedInVersion : null,
        severity: severityOf(severity),
        // Inspector rates by the score it adopted, which need not be that of who reported the vulnerability.
        severitySource: inspectorScoreDetails?.adjustedCvss?.scoreSource.toLowerCase() ?? null,
        cvss: score ? { score: score.baseScore, vector: score.scoringVector } : null,
        epss: epss?.score ?? null,
        // exploitAvailable says that exploits are public, which is not that it is exploited.
        kev: null,
        purl: null,
        feed: 'inspector',
      }),
    );
  });
  return { scanner: 'inspector', database: null, sightings };
}

const versionOf = ({
  epoch,
  version,
  release,
}: {
  epoch?: number | undefined;
  version: string;
  release?: string | undefined;
}): string => `${epoch ? `${epoch}:` : ''}${version}${release ? `-${release}` : ''}`;
