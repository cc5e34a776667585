/**
 * Reads what the scans left, as far as the report shows it: compliance, missing updates, bill of materials,
 * vulnerabilities, changes, policy results. Documents are known by what they say they are, not by file name. What is absent or unreadable is said
 * so in the report; it never passes for a clean result. Pure.
 */
import { z } from 'zod';

const waiver = z.object({ owner: z.string(), reason: z.string(), expires: z.string(), expired: z.boolean() });

/** scans/compliance/report.ts writes these; only what is shown is read. */
const complianceShape = z.object({
  schema: z.literal('drover/compliance@1'),
  scanner: z.string(),
  content: z.object({ package: z.string(), version: z.string(), sha256: z.string() }),
  profile: z.string(),
  counts: z.record(z.string(), z.number()),
  judged: z.object({ offline: z.number(), booted: z.number(), own: z.number().default(0) }),
  score: z.number().nullable(),
  scoreNetOfWaivers: z.number().nullable(),
  waived: z.number(),
  unexplained: z.number(),
  rules: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      severity: z.string(),
      sections: z.array(z.string()),
      result: z.string(),
      judged: z.string(),
      waiver: waiver.nullable(),
    }),
  ),
});
export type ComplianceFindings = z.output<typeof complianceShape>;
export type ComplianceRule = ComplianceFindings['rules'][number];

const missingUpdate = z.object({
  package: z.string(),
  installed: z.string(),
  available: z.string(),
  suite: z.string(),
});

/** scans/updates.ts. */
const updatesShape = z.object({
  schema: z.literal('drover/updates@1'),
  packages: z.number(),
  security: z.array(missingUpdate),
  other: z.array(missingUpdate),
  unknown: z.array(z.string()),
});
export type UpdatesFindings = z.output<typeof updatesShape>;

/** CycloneDX JSON, https://cyclonedx.org/docs/1.6/json/. */
const sbomShape = z.object({
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.string(),
  serialNumber: z.string().optional(),
  components: z
    .array(
      z.object({
        type: z.string().optional(),
        name: z.string(),
        version: z.string().optional(),
        licenses: z.array(z.unknown()).optional(),
      }),
    )
    .default([]),
});
export type SbomFindings = z.output<typeof sbomShape>;

/** scans/vulnerabilities/check.ts. */
const vulnerabilitiesShape = z.object({
  schema: z.literal('drover/vulnerabilities@1'),
  scanners: z.array(z.object({ scanner: z.string() })),
  kev: z.object({ version: z.string() }).nullable(),
  findings: z.array(
    z.object({
      id: z.string(),
      package: z.string(),
      installed: z.string(),
      fixed: z.string().nullable(),
      severity: z.string(),
      exploited: z.boolean(),
      firstSeen: z.string(),
    }),
  ),
});
export type VulnerabilitiesFindings = z.output<typeof vulnerabilitiesShape>;

const namedPackage = z.object({ package: z.string(), version: z.string() });

/** scans/changes.ts. */
const changesShape = z.object({
  schema: z.literal('drover/changes@1'),
  since: z.string(),
  packages: z.object({
    added: z.array(namedPackage),
    removed: z.array(namedPackage),
    upgraded: z.array(
      z.object({
        package: z.string(),
        from: z.string(),
        to: z.string(),
        cves: z.array(z.string()).nullable(),
      }),
    ),
  }),
  cvesFixed: z.array(z.string()),
  findings: z.object({ gone: z.array(z.string()), appeared: z.array(z.string()) }),
  rules: z.array(z.object({ id: z.string(), from: z.string(), to: z.string() })),
});
export type ChangesFindings = z.output<typeof changesShape>;

/** The judge's results (scans/judge.ts), in a document whose schema names policies. */
const policiesShape = z.object({
  schema: z.string().regex(/^drover\/polic/),
  results: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      level: z.string(),
      outcome: z.string(),
      reason: z.string(),
    }),
  ),
});
export type PolicyFindings = z.output<typeof policiesShape>;

export interface Findings {
  compliance: ComplianceFindings | null;
  updates: UpdatesFindings | null;
  sbom: SbomFindings | null;
  vulnerabilities: VulnerabilitiesFindings | null;
  changes: ChangesFindings | null;
  policies: PolicyFindings | null;
  /** Documents that say what they are and are not. */
  problems: string[];
}

/** `documents`: texts of the release's JSON artifacts by path. */
export function readFindings(documents: ReadonlyMap<string, string>): Findings {
  const findings: Findings = {
    compliance: null,
    updates: null,
    sbom: null,
    vulnerabilities: null,
    changes: null,
    policies: null,
    problems: [],
  };
  for (const [path, text] of [...documents].sort(([one], [other]) => (one < other ? -1 : 1))) {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      findings.problems.push(`${path} is not JSON`);
      continue;
    }
    const kind = kindOf(value);
    if (kind === null) continue;
    const parsed = shapes[kind].safeParse(value);
    if (parsed.success) Object.assign(findings, { [kind]: parsed.data });
    else findings.problems.push(`${path} cannot be read as ${kind}: ${describe(parsed.error)}`);
  }
  return findings;
}

const shapes = {
  compliance: complianceShape,
  updates: updatesShape,
  sbom: sbomShape,
  vulnerabilities: vulnerabilitiesShape,
  changes: changesShape,
  policies: policiesShape,
};

function kindOf(value: unknown): keyof typeof shapes | null {
  if (typeof value !== 'object' || value === null) return null;
  const { schema, bomFormat } = value as { schema?: unknown; bomFormat?: unknown };
  if (bomFormat === 'CycloneDX') return 'sbom';
  const kind =
    typeof schema === 'string'
      ? (/^drover\/(compliance|updates|vulnerabilities|changes|polic)/.exec(schema)?.[1] ?? null)
      : null;
  return kind === 'polic' ? 'policies' : (kind as Exclude<keyof typeof shapes, 'sbom' | 'policies'> | null);
}

function describe(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue ? `${issue.path.join('.')}: ${issue.message}` : 'unreadable';
}
