/**
 * Amazon Inspector's findings (`aws inspector2 list-findings`), those about packages.
 * https://docs.aws.amazon.com/inspector/v2/APIReference/API_Finding.html
 */
import { z } from 'zod';
import { type Sighting, severityOf } from './finding.ts';
import { list, parseReport, type ScannerReport } from './report-shape.ts';

const cvss = z.object({ baseScore: z.number(), scoringVector: z.string(), version: z.string() });

const shape = z.object({
  findings: z.array(
    z.object({
      type: z.string(),
      status: z.string(),
      severity: z.string(),
      epss: z.object({ score: z.number().min(0).max(1) }).optional(),
      packageVulnerabilityDetails: z
        .object({
          vulnerabilityId: z.string().min(1),
          source: z.string().optional(),
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

/** Findings that are closed or suppressed are left out. @throws Error for anything that is not such an answer */
export function parseInspector(text: string): ScannerReport {
  const { findings } = parseReport('Amazon Inspector', text, shape);
  const sightings = findings.flatMap(({ status, severity, epss, packageVulnerabilityDetails: details }) => {
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
        severitySource: details.source?.toLowerCase() ?? null,
        cvss: score ? { score: score.baseScore, vector: score.scoringVector } : null,
        epss: epss?.score ?? null,
        // exploitAvailable says that exploits are public, which is not that it is exploited.
        exploited: false,
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
