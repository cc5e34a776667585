/**
 * Grype's JSON report (`grype sbom:FILE -o json`), with a database of schema 6, of which it says when it was built.
 * https://github.com/anchore/grype#output-formats
 */
import { z } from 'zod';
import { type Sighting, severityOf } from './finding.ts';
import { kevOf } from './kev.ts';
import { list, parseDocument, type ScannerReport } from './report-shape.ts';

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
    cve: z.string(),
    dateAdded: z.string().optional(),
    dueDate: z.string().optional(),
    knownRansomwareCampaignUse: z.string().optional(),
  }),
);
const epss = list(z.object({ cve: z.string(), epss: z.number().min(0).max(1) }));

const shape = z.object({
  descriptor: z.object({
    name: z.literal('grype'),
    version: z.string().min(1),
    db: z.object({
      status: z.object({ built: z.string() }),
      /** Whose records the database has. */
      providers: z.record(z.string(), z.unknown()),
    }),
  }),
  distro: z.object({ name: z.string(), version: z.string() }),
  // Always there, even when nothing was found, or looked up.
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

/** Where the provider of a distribution's records has another name than Grype has for it (grype/distro/type.go). */
const providers: Readonly<Record<string, string>> = { amazonlinux: 'amazon' };

/** @throws Error for anything that is not such a report, and for one about a distribution that Grype knows nothing of */
export function parseGrype(text: string): ScannerReport {
  const { descriptor, distro, matches } = parseDocument('a report of Grype', text, shape);
  const provider = providers[distro.name] ?? distro.name;
  if (!Object.hasOwn(descriptor.db.providers, provider)) {
    const about = distro.name === '' ? 'recognized no distribution' : `has no advisories for ${distro.name}`;
    throw new Error(`Grype ${about}: that it matched nothing says nothing`);
  }
  const scanner = `grype ${descriptor.version}`;
  const sightings = matches.flatMap(({ vulnerability, relatedVulnerabilities, artifact }) => {
    // Debian's records are about a CVE each. An advisory, like Amazon's, is about any number: they stand beside it, each
    // with the scores that it has not, and it carries what is known of exploitation of them all.
    const cves = vulnerability.id.startsWith('CVE-')
      ? [vulnerability.id]
      : relatedVulnerabilities.map(({ id }) => id).filter((id) => id.startsWith('CVE-'));
    return (cves.length > 0 ? cves : [vulnerability.id]).map((id): Sighting => {
      const described = [vulnerability, ...relatedVulnerabilities.filter((related) => related.id === id)];
      const exploitation = described.flatMap((entry) => entry.knownExploited).find(({ cve }) => cve === id);
      const [score] = described.flatMap((entry) => entry.cvss).toSorted(newestFirst);
      return {
        id,
        package: artifact.name,
        source: artifact.upstreams[0]?.name ?? null,
        installed: artifact.version,
        fixed: vulnerability.fix?.versions[0] ?? null,
        severity: severityOf(vulnerability.severity),
        severitySource: vulnerability.namespace?.split(':')[0] ?? null,
        cvss: score ? { score: score.metrics.baseScore, vector: score.vector } : null,
        epss: described.flatMap((entry) => entry.epss).find(({ cve }) => cve === id)?.epss ?? null,
        kev: exploitation ? kevOf(exploitation) : null,
        purl: artifact.purl ?? null,
        feed: scanner,
      };
    });
  });
  return { scanner, database: descriptor.db.status.built, sightings };
}

const newestFirst = (a: { version: string }, b: { version: string }): number =>
  Number(b.version) - Number(a.version);
