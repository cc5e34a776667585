/**
 * Grype's JSON report (`grype sbom:FILE -o json`).
 * https://github.com/anchore/grype#output-formats
 */
import { z } from 'zod';
import { type Sighting, severityOf } from './finding.ts';
import { kevOf } from './kev.ts';
import { list, parseDocument, type ScannerReport } from './report-shape.ts';

/** Older versions write the numbers of EPSS as text. */
const probability = z.coerce.number().min(0).max(1);
const cvss = list(
  z.object({
    version: z.string(),
    vector: z.string(),
    metrics: z.object({ baseScore: z.number() }),
  }),
);
/** Grype's copy of CISA's catalogue. */
const knownExploited = list(
  z.object({
    dateAdded: z.string().optional(),
    dueDate: z.string().optional(),
    knownRansomwareCampaignUse: z.string().optional(),
  }),
);
const epss = list(z.object({ cve: z.string().optional(), epss: probability }));

const shape = z.object({
  descriptor: z.object({
    name: z.literal('grype'),
    version: z.string().min(1),
    // Where the time of the database stands has moved between versions.
    db: z
      .object({ built: z.string().optional(), status: z.object({ built: z.string().optional() }).optional() })
      .optional(),
  }),
  // Always there, even when nothing was found.
  matches: z.array(
    z.object({
      vulnerability: z.object({
        id: z.string().min(1),
        namespace: z.string().optional(),
        severity: z.string().optional(),
        cvss,
        epss,
        knownExploited,
        fix: z.object({ versions: list(z.string()) }).optional(),
      }),
      relatedVulnerabilities: list(z.object({ id: z.string(), cvss, epss, knownExploited })),
      artifact: z.object({
        name: z.string().min(1),
        version: z.string(),
        purl: z.string().optional(),
        upstreams: list(z.object({ name: z.string() })),
      }),
    }),
  ),
});

/** @throws Error for anything that is not such a report */
export function parseGrype(text: string): ScannerReport {
  const { descriptor, matches } = parseDocument('a report of Grype', text, shape);
  const scanner = `grype ${descriptor.version}`;
  const sightings = matches.map(({ vulnerability, relatedVulnerabilities, artifact }): Sighting => {
    const cve = [vulnerability, ...relatedVulnerabilities].find(({ id }) => id.startsWith('CVE-'));
    // An advisory often carries no score of its own; that of the CVE it is about stands beside it.
    const described = [vulnerability, ...relatedVulnerabilities];
    const [exploitation] = described.flatMap((entry) => entry.knownExploited);
    const scores = described.flatMap((entry) => entry.cvss).toSorted(newestFirst);
    return {
      id: cve?.id ?? vulnerability.id,
      package: artifact.name,
      source: artifact.upstreams[0]?.name ?? null,
      installed: artifact.version,
      fixed: vulnerability.fix?.versions[0] ?? null,
      severity: severityOf(vulnerability.severity),
      severitySource: vulnerability.namespace?.split(':')[0] ?? null,
      cvss: scores[0] ? { score: scores[0].metrics.baseScore, vector: scores[0].vector } : null,
      epss: described.flatMap((entry) => entry.epss)[0]?.epss ?? null,
      kev: exploitation ? kevOf(exploitation) : null,
      purl: artifact.purl ?? null,
      feed: scanner,
    };
  });
  const built = descriptor.db?.status?.built ?? descriptor.db?.built;
  return { scanner, database: built ?? null, sightings };
}

const newestFirst = (a: { version: string }, b: { version: string }): number =>
  Number(b.version) - Number(a.version);
