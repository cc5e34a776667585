/**
 * One shape for a vulnerable package, whoever found it, and what several finders together say about it. Decides which
 * of two answers counts; never whether a finding is acceptable, which is the policies' business. Pure.
 */
import type { Kev } from './kev.ts';

/** Worst first. 'unknown': nobody has rated it, which is not 'negligible'. */
export const severities = ['critical', 'high', 'medium', 'low', 'negligible', 'unknown'] as const;
export type Severity = (typeof severities)[number];

/** One finder's word about one vulnerability in one package. */
export interface Sighting {
  /** The CVE where there is one, else the finder's own id (GHSA-…, ALAS-…). */
  id: string;
  package: string;
  source: string | null;
  installed: string;
  /** The version that fixes it; null when the finder knows of none. */
  fixed: string | null;
  severity: Severity;
  /** Who rated it, e.g. 'debian', 'nvd'; null where nobody did. */
  severitySource: string | null;
  /** CVSS base score, 0 to 10, and its vector (https://www.first.org/cvss/). */
  cvss: { score: number; vector: string } | null;
  /** Probability of exploitation within 30 days, 0 to 1 (https://www.first.org/epss/). */
  epss: number | null;
  /** Its entry in the finder's own copy of the catalogue of known exploited vulnerabilities. */
  kev: Kev | null;
  purl: string | null;
  /** Whose word it is, e.g. 'bookworm-security', 'grype 0.111.0'. */
  feed: string;
}

export interface Vulnerability extends Omit<Sighting, 'feed'> {
  /** Somebody has its entry in the catalogue: the user's own counts before a finder's copy. */
  exploited: boolean;
  /** Everybody who saw it. */
  feeds: string[];
  /** When a scan of this line of images first saw it in this package, RFC 3339. */
  firstSeen: string;
}

/** What makes two sightings the same finding, and a finding the same as last week's. */
export const keyOf = ({ id, package: name }: Pick<Sighting, 'id' | 'package'>): string => `${id} ${name}`;

/**
 * One finding per vulnerability and package, worst first. The earlier of two sightings wins, field by field, so the
 * distribution's own word is given first; only the severity is the worst that anybody said.
 * @param firstSeen by `keyOf`, from earlier scans; what is not in it was first seen `at`
 */
export function merge(
  sightings: readonly Sighting[],
  known: { kev: ReadonlyMap<string, Kev>; firstSeen: ReadonlyMap<string, string>; at: string },
): Vulnerability[] {
  const merged = new Map<string, Vulnerability>();
  for (const { feed, ...sighting } of sightings) {
    const key = keyOf(sighting);
    const before = merged.get(key);
    if (!before) {
      const kev = known.kev.get(sighting.id) ?? sighting.kev;
      merged.set(key, {
        ...sighting,
        kev,
        exploited: kev !== null,
        feeds: [feed],
        firstSeen: known.firstSeen.get(key) ?? known.at,
      });
      continue;
    }
    const kev = before.kev ?? sighting.kev;
    const isWorse = severities.indexOf(sighting.severity) < severities.indexOf(before.severity);
    merged.set(key, {
      ...before,
      source: before.source ?? sighting.source,
      fixed: before.fixed ?? sighting.fixed,
      ...(isWorse && { severity: sighting.severity, severitySource: sighting.severitySource }),
      cvss: before.cvss ?? sighting.cvss,
      epss: before.epss ?? sighting.epss,
      purl: before.purl ?? sighting.purl,
      kev,
      exploited: kev !== null,
      feeds: [...new Set([...before.feeds, feed])],
    });
  }
  return [...merged.values()].sort(
    (a, b) =>
      Number(b.exploited) - Number(a.exploited) ||
      severities.indexOf(a.severity) - severities.indexOf(b.severity) ||
      (keyOf(a) < keyOf(b) ? -1 : 1),
  );
}

/** A finder's word for a severity in whatever case; what it has no word for is unknown. */
export function severityOf(word: string | undefined): Severity {
  const lower = word?.toLowerCase() ?? '';
  if (lower === 'important') return 'high';
  if (lower === 'moderate') return 'medium';
  if (lower === 'untriaged' || lower === 'none') return 'unknown';
  if (lower === 'informational' || lower === 'unimportant') return 'negligible';
  return severities.find((severity) => severity === lower) ?? 'unknown';
}
