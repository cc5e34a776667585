/**
 * CISA's catalogue of known exploited vulnerabilities, as a file the user provides. Decides what a usable catalogue
 * is; an unusable one is an error, because without it nobody can say that nothing is exploited.
 * https://www.cisa.gov/known-exploited-vulnerabilities-catalog
 */
import { z } from 'zod';
import { firstProblem } from './report-shape.ts';

export interface Kev {
  /** YYYY-MM-DD. */
  dateAdded: string;
  dueDate: string;
  ransomware: boolean;
}

export interface KevCatalogue {
  version: string;
  /** RFC 3339. */
  released: string;
  entries: Map<string, Kev>;
}

const shape = z.object({
  catalogVersion: z.string().min(1),
  dateReleased: z.string().min(1),
  count: z.number().int(),
  vulnerabilities: z
    .array(
      z.object({
        cveID: z.string().regex(/^CVE-\d{4}-\d{4,19}$/),
        dateAdded: z.string(),
        dueDate: z.string(),
        knownRansomwareCampaignUse: z.string().optional(),
      }),
    )
    .min(1),
});

/** @throws Error naming what is wrong: not JSON, not the catalogue's schema, or cut off */
export function parseKev(text: string): KevCatalogue {
  const parsed = shape.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`not a KEV catalogue: ${firstProblem(parsed.error)}`);
  const { catalogVersion, dateReleased, count, vulnerabilities } = parsed.data;
  if (count !== vulnerabilities.length) {
    throw new Error(`the KEV catalogue says it has ${count} entries and holds ${vulnerabilities.length}`);
  }
  return {
    version: catalogVersion,
    released: dateReleased,
    entries: new Map(
      vulnerabilities.map(({ cveID, dateAdded, dueDate, knownRansomwareCampaignUse }) => [
        cveID,
        { dateAdded, dueDate, ransomware: knownRansomwareCampaignUse?.toLowerCase() === 'known' },
      ]),
    ),
  };
}
