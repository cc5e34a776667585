/**
 * Trivy's JSON report (`trivy sbom --format json`), schema version 2.
 * https://trivy.dev/docs/latest/configuration/reporting/
 */
import { z } from 'zod';
import { type Sighting, severityOf } from './finding.ts';
import { list, parseReport, type ScannerReport } from './report-shape.ts';

const cvss = z.object({ V3Score: z.number().optional(), V3Vector: z.string().optional() });

const shape = z.object({
  SchemaVersion: z.literal(2),
  ArtifactName: z.string(),
  Trivy: z.object({ Version: z.string() }).optional(),
  Results: list(
    z.object({
      Target: z.string(),
      Vulnerabilities: list(
        z.object({
          VulnerabilityID: z.string().min(1),
          PkgName: z.string().min(1),
          PkgIdentifier: z.object({ PURL: z.string().optional() }).optional(),
          SrcName: z.string().optional(),
          InstalledVersion: z.string(),
          FixedVersion: z.string().optional(),
          Severity: z.string(),
          SeveritySource: z.string().optional(),
          CVSS: z.record(z.string(), cvss).optional(),
        }),
      ),
    }),
  ),
});

/** @throws Error for anything that is not such a report */
export function parseTrivy(text: string): ScannerReport {
  const report = parseReport('Trivy', text, shape);
  const scanner = `trivy ${report.Trivy?.Version ?? '(version not in the report)'}`;
  const sightings = report.Results.flatMap(({ Vulnerabilities }) =>
    Vulnerabilities.map((found): Sighting => {
      const { VulnerabilityID: id, CVSS = {}, SeveritySource: rater } = found;
      return {
        id,
        package: found.PkgName,
        source: found.SrcName ?? null,
        installed: found.InstalledVersion,
        fixed: found.FixedVersion || null,
        severity: severityOf(found.Severity),
        severitySource: rater ?? null,
        cvss:
          scoreOf(CVSS[rater ?? '']) ??
          scoreOf(CVSS.nvd) ??
          Object.values(CVSS).map(scoreOf).find(Boolean) ??
          null,
        epss: null,
        exploited: false,
        purl: found.PkgIdentifier?.PURL ?? null,
        feed: scanner,
      };
    }),
  );
  return { scanner, database: null, sightings };
}

const scoreOf = (entry: z.output<typeof cvss> | undefined): Sighting['cvss'] =>
  entry?.V3Score === undefined ? null : { score: entry.V3Score, vector: entry.V3Vector ?? '' };
