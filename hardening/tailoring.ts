/**
 * A profile for one role, against the content it will be used with: which rules are audited and with which values,
 * written down as an XCCDF 1.2 tailoring file (NIST IR 7275r4, section 6.5), and which rows of the catalogue make it
 * so. It never audits and never changes an image.
 */
import { Refused } from '../pipeline/errors.ts';
import { type Benchmark, prefix } from './benchmark.ts';
import { type AppliedRow, chooseAsItComes, chooseRows, type RowSource } from './catalogue.ts';
import { nameFaults, overlayFaults, refuse, waiverFaults } from './faults.ts';
import type { Departures, Profile, Waiver } from './profile.ts';

export interface Tailoring {
  /** The XCCDF tailoring document. */
  xml: string;
  /** Full XCCDF id of the profile to audit with: every selected rule, waived ones included. */
  profileId: string;
  /** What the content's own fixes remediate on a base somebody else made: neither waived nor answered by a row. */
  remediationProfileId: string;
  /** The same on a base disk of ours: nor held by the distribution as it comes. */
  remainderProfileId: string;
  /** The rules of the remainder. */
  remainder: string[];
  /** Full XCCDF id of the content's profile that all of them extend. */
  baseProfileId: string;
  waivers: Waiver[];
  /** What the catalogue, the overlays and the role put into the image. */
  rows: AppliedRow[];
}

/** Everything a profile means for a role; `selected` and `rows` name rules without their XCCDF prefix. */
export interface Meaning {
  selected: ReadonlySet<string>;
  /** Every value of the content, as the profile and its departures choose it. */
  values: ReadonlyMap<string, string>;
  rows: AppliedRow[];
  /** Selected rules that the distribution is said to hold as it comes. */
  asItComes: ReadonlySet<string>;
  tailoring: Tailoring;
}

/**
 * What the profile means for one role, against the content it will be used with.
 * @param now milliseconds since the epoch: a waiver past its day is an error
 * @throws Refused('invalid') naming file, line and column of every unknown rule, value, choice, profile or role, of
 *   every waiver that is expired or of a rule nobody selects, and of everything that contradicts itself
 */
export function meaningOf(
  profile: Profile,
  content: Benchmark,
  { role, now }: { role: string; now: number },
): Meaning {
  const base = content.profiles.get(profile.profile);
  refuse(profile, nameFaults(profile, content));
  if (!base) throw new TypeError('a profile nobody knows was not refused');
  const extra = Object.hasOwn(profile.roles, role) ? profile.roles[role] : undefined;
  if (!extra) {
    throw new Refused(
      'invalid',
      `${profile.file}: no role '${role}' (there is ${Object.keys(profile.roles).join(', ')})`,
      'Add it under `roles`, or correct image.role in drover.yaml.',
    );
  }

  // A later word wins: the profile's over an overlay's, the role's over both.
  const parts = [...profile.overlaysRead, profile, extra];
  const selections = new Map<string, Selection>();
  for (const { select, deselect } of parts) {
    for (const [selected, choices] of [
      [false, deselect],
      [true, select],
    ] as const) {
      for (const { rules, reason } of choices)
        for (const rule of rules) selections.set(rule, { selected, reason });
    }
  }
  const selected = new Set(base.selected);
  for (const [rule, { selected: wanted }] of selections) {
    if (wanted) selected.add(rule);
    else selected.delete(rule);
  }
  const settings = new Map(parts.flatMap(({ values }) => values).map((it) => [it.name, it]));
  const lookUp = (name: string): string | undefined => {
    const setting = settings.get(name);
    const choices = content.values.get(name);
    return (
      setting?.value ?? choices?.get(setting?.choice ?? base.choices.get(name) ?? '') ?? choices?.get('')
    );
  };
  const waived = new Set(profile.waivers.map(({ rule }) => rule));
  const context = {
    distribution: profile.content.distribution,
    isKnown: (rule: string) => content.rules.has(rule),
    isWanted: (rule: string) => selected.has(rule) && !waived.has(rule),
    lookUp,
  };
  const { rows, faults } = chooseRows(sourcesOf(profile, role, extra), context);
  const asItComes = chooseAsItComes(profile.catalogueRead, context);
  refuse(profile, [
    ...faults,
    ...asItComes.faults,
    ...waiverFaults(profile, selected, now),
    ...overlayFaults(profile, base.selected),
  ]);

  const answered = new Set([...rows.flatMap(({ rules }) => rules), ...waived, ...asItComes.rules]);
  const remainder = [...selected].filter((rule) => !answered.has(rule)).sort();
  const held = new Set([...asItComes.rules].filter((rule) => selected.has(rule)));
  const tailoring = {
    ...write(profile, { role, content, selections, settings, rows, held }),
    rows,
    remainder,
  };
  const values = new Map([...content.values.keys()].map((name) => [name, lookUp(name) ?? '']));
  return { selected, values, rows, asItComes: held, tailoring };
}

/** Selected rules that ask for a partition which no row makes and whose lack nobody waived: no fix can make one. */
export function unmadePartitions({ selected, rows, tailoring }: Meaning): string[] {
  const answered = new Set([
    ...rows.flatMap(({ rules }) => rules),
    ...tailoring.waivers.map(({ rule }) => rule.slice(prefix('rule').length)),
  ]);
  return [...selected].filter((rule) => rule.startsWith('partition_for_') && !answered.has(rule));
}

type Setting = Departures['values'][number];
interface Selection {
  selected: boolean;
  reason: string;
}

function write(
  profile: Profile,
  input: {
    role: string;
    content: Benchmark;
    selections: ReadonlyMap<string, Selection>;
    settings: ReadonlyMap<string, Setting>;
    rows: AppliedRow[];
    /** Rules the distribution holds as it comes. */
    held: ReadonlySet<string>;
  },
): Omit<Tailoring, 'rows' | 'remainder'> {
  const { role, content, selections, settings, rows, held } = input;
  const baseProfileId = prefix('profile') + profile.profile;
  const profileId = `xccdf_io.drover_profile_${profile.id}_${role.replaceAll(/[^A-Za-z0-9_]/g, '_')}`;
  const [remediationProfileId, remainderProfileId] = [`${profileId}_remediation`, `${profileId}_remainder`];
  const tailored = (id: string, title: string, chosen: ReadonlyMap<string, Selection>) => [
    `  <Profile id="${id}" extends="${baseProfileId}">`,
    `    <title override="true">${xmlText(title)}</title>`,
    ...[...chosen].map(
      ([rule, { selected, reason }]) =>
        `    <select idref="${prefix('rule')}${rule}" selected="${selected}"><remark>${xmlText(reason)}</remark></select>`,
    ),
    ...[...settings.values()].map((it) =>
      it.value === undefined
        ? `    <refine-value idref="${prefix('value')}${it.name}" selector="${xmlText(it.choice ?? '')}"/>`
        : `    <set-value idref="${prefix('value')}${it.name}">${xmlText(it.value)}</set-value>`,
    ),
    '  </Profile>',
  ];
  // A profile selects a rule once: a map keeps the last word about each.
  const remediated = new Map(selections);
  for (const { id, from, rules } of rows) {
    for (const rule of rules)
      remediated.set(rule, { selected: false, reason: `answered by the row ${id} (${from})` });
  }
  for (const { rule, owner, expires, reason } of profile.waivers) {
    remediated.set(rule, { selected: false, reason: `waived by ${owner} until ${expires}: ${reason}` });
  }
  const remaining = new Map(remediated);
  for (const rule of held) {
    if (!remaining.has(rule) || remaining.get(rule)!.selected)
      remaining.set(rule, { selected: false, reason: 'held by the distribution as it comes' });
  }
  const xml = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<Tailoring xmlns="http://checklists.nist.gov/xccdf/1.2" id="xccdf_io.drover_tailoring_${profile.id}">`,
    `  <benchmark href="${xmlText(profile.content.data_stream)}"/>`,
    // The time is the content's, so that equal inputs give equal bytes.
    `  <version time="${content.timestamp}">${profile.version}</version>`,
    ...tailored(profileId, profile.title, selections),
    ...tailored(remediationProfileId, `${profile.title}: what the content's own fixes remediate`, remediated),
    ...tailored(remainderProfileId, `${profile.title}: the same, on a base disk of Drover's`, remaining),
    '</Tailoring>',
    '',
  ].join('\n');
  const waivers = profile.waivers.map((it) => ({ ...it, rule: prefix('rule') + it.rule }));
  return { xml, profileId, remediationProfileId, remainderProfileId, baseProfileId, waivers };
}

const xmlText = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** Catalogue, overlays, role: in this order, so that a contradiction is found where the later word stands. */
function sourcesOf(profile: Profile, role: string, extra: Departures): RowSource[] {
  const { catalogueRead, overlaysRead, file } = profile;
  return [
    ...catalogueRead.map((it) => ({ from: 'catalogue', file: it.file, path: ['rows'], rows: it.rows })),
    ...overlaysRead.map((it) => ({
      from: `overlay ${it.name}`,
      file: it.file,
      path: ['rows'],
      rows: it.rows,
    })),
    { from: `role ${role}`, file, path: ['roles', role, 'rows'], rows: extra.rows },
  ];
}
