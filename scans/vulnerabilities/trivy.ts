/**
 * Trivy's JSON report (`trivy sbom --format json`), schema version 2.
 * https://trivy.dev/docs/latest/configuration/reporting/
 */
import { z } from 'zod';
import { type Sighting, severityOf } from './finding.ts';
import { list, parseDocument, type ScannerReport } from './report-shape.ts';

const cvss = z.object({
  V3Score: z.number().optional(),
  V3Vector: z.string().optional(),
  V40Score: z.number().optional(),
  V40Vector: z.string().optional(),
});

const shape = z.object({
  SchemaVersion: z.literal(2),
  ArtifactName: z.string(),
  /** Of newer versions only. */
  Trivy: z.object({ Version: z.string() }).optional(),
  // It leaves the list out when it recognized nothing, above all no distribution. What it looked at and found faultless
  // is listed.
  Results: list(
    z.object({
      Target: z.string(),
      Class: z.string(),
      /** Without `--list-all-pkgs=false`: what it looked at. The findings themselves name no source package. */
      Packages: list(z.object({ ID: z.string().optional(), SrcName: z.string().optional() })),
      Vulnerabilities: list(
        z.object({
          VulnerabilityID: z.string().min(1),
          PkgID: z.string().optional(),
          PkgName: z.string().min(1),
          PkgIdentifier: z.object({ PURL: z.string().optional() }).optional(),
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

/** @throws Error for anything that is not such a report, and for one of nothing */
export function parseTrivy(text: string): ScannerReport {
  const report = parseDocument('a report of Trivy', text, shape);
  if (report.Results.length === 0) {
    throw new Error('Trivy recognized nothing it could look at: its report has no Results');
  }
  const system = report.Results.find((result) => result.Class === 'os-pkgs');
  if (system && system.Packages.length === 0) {
    throw new Error('Trivy looked at no package of the system: its report lists none');
  }
  const scanner = `trivy ${report.Trivy?.Version ?? '(version not in the report)'}`;
  const sightings = report.Results.flatMap(({ Packages, Vulnerabilities }) => {
    const sources = new Map(Packages.map(({ ID, SrcName }) => [ID, SrcName]));
    return Vulnerabilities.map((found): Sighting => {
      const { VulnerabilityID: id, CVSS = {}, SeveritySource: rater } = found;
      return {
        id,
        package: found.PkgName,
        source: (found.PkgID && sources.get(found.PkgID)) ?? null,
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
        kev: null,
        purl: found.PkgIdentifier?.PURL ?? null,
        feed: scanner,
      };
    });
  });
  return { scanner, database: null, sightings };
}

/** The newest version of CVSS somebody rated by. */
function scoreOf(entry: z.output<typeof cvss> | undefined): Sighting['cvss'] {
  if (entry?.V40Score !== undefined) return { score: entry.V40Score, vector: entry.V40Vector ?? '' };
  if (entry?.V3Score !== undefined) return { score: entry.V3Score, vector: entry.V3Vector ?? '' };
  return null;
}
