/**
 * CISA's catalogue of known exploited vulnerabilities, as a file the user provides. Decides what a usable catalogue
 * is; an unusable one is an error, because without it nobody can say that nothing is exploited.
 * https://www.cisa.gov/known-exploited-vulnerabilities-catalog
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { parseDocument } from './report-shape.ts';

export interface Kev {
  /** YYYY-MM-DD; null where a scanner's copy of the catalogue leaves it out. */
  dateAdded: string | null;
  dueDate: string | null;
  ransomware: boolean;
}

/** An entry as the catalogue writes it; Grype copies it. */
interface KevEntry {
  dateAdded?: string | undefined;
  dueDate?: string | undefined;
  knownRansomwareCampaignUse?: string | undefined;
}

export const kevOf = ({ dateAdded, dueDate, knownRansomwareCampaignUse }: KevEntry): Kev => ({
  dateAdded: dateAdded ?? null,
  dueDate: dueDate ?? null,
  ransomware: knownRansomwareCampaignUse?.toLowerCase() === 'known',
});

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

/** @throws Error when the file cannot be read, or is no catalogue */
export const readKev = async (path: string): Promise<KevCatalogue> => parseKev(await readFile(path, 'utf8'));

/** @throws Error naming what is wrong: not JSON, not the catalogue's schema, or cut off */
export function parseKev(text: string): KevCatalogue {
  const { catalogVersion, dateReleased, count, vulnerabilities } = parseDocument(
    'a KEV catalogue',
    text,
    shape,
  );
  if (count !== vulnerabilities.length) {
    throw new Error(`the KEV catalogue says it has ${count} entries and holds ${vulnerabilities.length}`);
  }
  return {
    version: catalogVersion,
    released: dateReleased,
    entries: new Map(vulnerabilities.map((entry) => [entry.cveID, kevOf(entry)])),
  };
}
