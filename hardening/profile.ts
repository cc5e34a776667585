/**
 * A hardening profile: which benchmark content, which of its profiles, and every departure from it with a reason.
 * This file decides what is asked of an image and writes it down as an XCCDF 1.2 tailoring file (NIST IR 7275r4,
 * section 6.5). It never audits and never changes an image: the content's checks and fixes do that.
 */
import { z } from 'zod';
import { parseYaml, readText } from '../pipeline/config/load.ts';
import { Refused } from '../pipeline/errors.ts';

const ruleName = z.string().regex(/^[A-Za-z0-9_.-]+$/, "a rule's name without its XCCDF prefix");
const reason = z.string().min(10, 'say why, so that an auditor understands it');
const day = z.string().regex(/^\d{4}-\d\d-\d\d$/, "write a date as '2027-03-31'");

const choice = z.strictObject({ rules: z.array(ruleName).min(1), reason });
const setting = z
  .strictObject({
    name: ruleName,
    choice: z.string().optional().meta({ description: "one of the content's named choices" }),
    value: z.string().optional().meta({ description: 'a literal value' }),
    reason,
  })
  .refine((it) => (it.choice === undefined) !== (it.value === undefined), 'give either `choice` or `value`');
const waiver = z.strictObject({
  rule: ruleName,
  owner: z.string().min(2),
  reason,
  expires: day,
  compensation: z.string().min(10, 'say what protects the image instead'),
});
const departures = {
  select: z.array(choice).default([]),
  deselect: z.array(choice).default([]),
  values: z.array(setting).default([]),
};

const profileSchema = z.strictObject({
  version: z.literal(1),
  id: z.string().regex(/^[a-z0-9_]+$/, 'small letters, digits and _'),
  title: z.string().min(1),
  content: z.strictObject({
    distribution: z.enum(['debian-12', 'amazon-linux-2023']),
    package: z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/, 'a Debian package name'),
    minimum_version: z.string().regex(/^[0-9][A-Za-z0-9.+~-]*$/, "a version such as '0.1.82'"),
    data_stream: z.string().regex(/^[\w.-]+\.xml$/, 'a file name such as ssg-debian12-ds.xml'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional()
      .meta({ description: 'pins the data stream' }),
  }),
  profile: ruleName,
  ...departures,
  roles: z
    .record(z.string(), z.strictObject(departures))
    .default({ base: { select: [], deselect: [], values: [] } }),
  waivers: z.array(waiver).default([]),
});

type ProfileData = z.output<typeof profileSchema>;
export type ContentRequest = ProfileData['content'];
/** An accepted deviation. `rule` is the full XCCDF id; `expires` is a day (UTC) and the last one it covers. */
export type Waiver = z.output<typeof waiver>;
/** `file` and `text` stay with the data so that a later complaint can name line and column. */
export interface Profile extends ProfileData {
  file: string;
  text: string;
}

export interface Tailoring {
  /** The XCCDF tailoring document. */
  xml: string;
  /** Full XCCDF id of the profile to audit with: every selected rule, waived ones included. */
  profileId: string;
  /** The same without the waived rules: what the build remediates. */
  remediationProfileId: string;
  /** Full XCCDF id of the content's profile that both extend. */
  baseProfileId: string;
  waivers: Waiver[];
}

/** Reads and validates a profile file. @throws Refused('invalid') with file, line and column, all problems at once */
export function loadProfile(file: string): Profile {
  const text = readText(file, 'Name an existing profile in image.hardening of drover.yaml.');
  return { ...parseYaml(text, file, profileSchema), file, text };
}

const prefix = (kind: 'rule' | 'value' | 'profile') => `xccdf_org.ssgproject.content_${kind}_`;

/**
 * Compiles the profile for one role against the data stream it will be used with.
 * @param dataStream text of the source data stream
 * @param now milliseconds since the epoch: a waiver past its day is an error
 * @throws Refused('invalid') naming line and column of every unknown rule, value, choice, profile or role,
 *   and of every expired waiver
 */
export function compileTailoring(
  profile: Profile,
  dataStream: string,
  { role, now }: { role: string; now: number },
): Tailoring {
  const content = readContent(dataStream);
  parseYaml(profile.text, profile.file, profileSchema, (data) => faults(data, content, now));
  const extra = Object.hasOwn(profile.roles, role) ? profile.roles[role] : undefined;
  if (!extra) {
    throw new Refused(
      'invalid',
      `${profile.file}: no role '${role}' (there is ${Object.keys(profile.roles).join(', ')})`,
      'Add it under `roles`, or correct image.role in drover.yaml.',
    );
  }
  const baseProfileId = prefix('profile') + profile.profile;
  const profileId = `xccdf_io.drover_profile_${profile.id}_${role.replaceAll(/[^A-Za-z0-9_]/g, '_')}`;
  const remediationProfileId = `${profileId}_remediation`;

  // A later word wins: the role's over the profile's.
  const selections = new Map<string, { selected: boolean; reason: string }>();
  for (const { select, deselect } of [profile, extra]) {
    for (const [selected, choices] of [
      [false, deselect],
      [true, select],
    ] as const) {
      for (const { rules, reason } of choices)
        for (const rule of rules) selections.set(rule, { selected, reason });
    }
  }
  const values = new Map([...profile.values, ...extra.values].map((it) => [it.name, it]));
  const tailored = (id: string, title: string, waived: readonly Waiver[]) => [
    `  <Profile id="${id}" extends="${baseProfileId}">`,
    `    <title override="true">${xmlText(title)}</title>`,
    ...[...selections].map(([rule, { selected, reason }]) => selection(rule, selected, reason)),
    ...waived.map((it) =>
      selection(it.rule, false, `waived by ${it.owner} until ${it.expires}: ${it.reason}`),
    ),
    ...[...values.values()].map((it) =>
      it.value === undefined
        ? `    <refine-value idref="${prefix('value')}${it.name}" selector="${xmlText(it.choice ?? '')}"/>`
        : `    <set-value idref="${prefix('value')}${it.name}">${xmlText(it.value)}</set-value>`,
    ),
    '  </Profile>',
  ];
  const xml = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<Tailoring xmlns="http://checklists.nist.gov/xccdf/1.2" id="xccdf_io.drover_tailoring_${profile.id}">`,
    `  <benchmark href="${xmlText(profile.content.data_stream)}"/>`,
    // The time is the content's, so that equal inputs give equal bytes.
    `  <version time="${content.timestamp}">${profile.version}</version>`,
    ...tailored(profileId, profile.title, []),
    ...tailored(remediationProfileId, `${profile.title}: what the build remediates`, profile.waivers),
    '</Tailoring>',
    '',
  ].join('\n');
  const waivers = profile.waivers.map((it) => ({ ...it, rule: prefix('rule') + it.rule }));
  return { xml, profileId, remediationProfileId, baseProfileId, waivers };
}

const selection = (rule: string, selected: boolean, why: string) =>
  `    <select idref="${prefix('rule')}${rule}" selected="${selected}"><remark>${xmlText(why)}</remark></select>`;

const xmlText = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

interface Content {
  rules: Set<string>;
  profiles: Set<string>;
  /** Value name → its named choices. */
  values: Map<string, Set<string>>;
  timestamp: string;
}

/**
 * The names a data stream defines. A scan for opening tags instead of an XML parse: the stream is 15 MB of
 * machine-written XML, and only ids are wanted.
 */
function readContent(dataStream: string): Content {
  const named = (element: string, kind: 'rule' | 'profile') =>
    new Set(
      [
        ...dataStream.matchAll(
          new RegExp(`<(?:[\\w.-]+:)?${element} [^>]*\\bid="${prefix(kind)}([^"]+)"`, 'g'),
        ),
      ].map(([, name]) => name!),
    );
  const values = new Map<string, Set<string>>();
  const valueElement = new RegExp(
    `<((?:[\\w.-]+:)?)Value [^>]*\\bid="${prefix('value')}([^"]+)"[^>]*>(.*?)</\\1Value>`,
    'gs',
  );
  for (const [, , name, body] of dataStream.matchAll(valueElement)) {
    values.set(
      name!,
      new Set([...body!.matchAll(/<[^>]*\bselector="([^"]+)"/g)].map(([, selector]) => selector!)),
    );
  }
  const timestamp =
    /<ds:data-stream [^>]*\btimestamp="([^"]+)"/.exec(dataStream)?.[1] ?? '1970-01-01T00:00:00';
  return { rules: named('Rule', 'rule'), profiles: named('Profile', 'profile'), values, timestamp };
}

interface Fault {
  path: PropertyKey[];
  message: string;
}

/** What a schema cannot say: names must exist in the content, waivers must be in force and audited. */
function faults(profile: ProfileData, content: Content, now: number): Fault[] {
  const found: Fault[] = [];
  const stream = profile.content.data_stream;
  if (!content.profiles.has(profile.profile)) {
    found.push({ path: ['profile'], message: `${stream} has no profile '${profile.profile}'` });
  }
  const places: [PropertyKey[], Pick<ProfileData, 'select' | 'deselect' | 'values'>][] = [
    [[], profile],
    ...Object.entries(profile.roles).map(
      ([name, role]) => [['roles', name], role] as [PropertyKey[], typeof role],
    ),
  ];
  for (const [at, part] of places) {
    for (const list of ['select', 'deselect'] as const) {
      part[list].forEach(({ rules }, index) => {
        rules.forEach((rule, ruleIndex) => {
          if (content.rules.has(rule)) return;
          const path = [...at, list, index, 'rules', ruleIndex];
          found.push({ path, message: `${stream} has no rule '${rule}'` });
        });
      });
    }
    part.values.forEach(({ name, choice }, index) => {
      const choices = content.values.get(name);
      const path = [...at, 'values', index, choices ? 'choice' : 'name'];
      if (!choices) found.push({ path, message: `${stream} has no value '${name}'` });
      else if (choice !== undefined && !choices.has(choice)) {
        found.push({ path, message: `'${name}' offers ${[...choices].join(', ')}` });
      }
    });
  }
  const today = new Date(now).toISOString().slice(0, 10);
  profile.waivers.forEach(({ rule, owner, expires }, index) => {
    if (!content.rules.has(rule)) {
      found.push({ path: ['waivers', index, 'rule'], message: `${stream} has no rule '${rule}'` });
    }
    if (expires < today) {
      const message = `expired on ${expires}; ${owner} must renew it or let the rule be remediated`;
      found.push({ path: ['waivers', index, 'expires'], message });
    }
  });
  return found;
}
