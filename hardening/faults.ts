/**
 * What a schema cannot say about a profile, its overlays and its catalogue: names must exist in the content, waivers
 * must be in force and about something, nothing may contradict itself. Decides where each complaint belongs; throws
 * them all at once, with file, line and column.
 */
import { parseYaml } from '../pipeline/config/load.ts';
import { Refused } from '../pipeline/errors.ts';
import type { Benchmark } from './benchmark.ts';
import { catalogueSchema, type RowFault } from './catalogue.ts';
import { type Departures, overlaySchema, type Profile, profileSchema } from './profile.ts';

const inProfile = (profile: Profile, path: PropertyKey[], message: string): RowFault => ({
  file: profile.file,
  path,
  message,
});

/** Throws the faults of the first file that has any, each with its line. */
export function refuse(profile: Profile, faults: readonly RowFault[]): void {
  const { catalogueRead, overlaysRead } = profile;
  const files = [
    { ...profile, schema: profileSchema },
    ...catalogueRead.map((it) => ({ ...it, schema: catalogueSchema })),
    ...overlaysRead.map((it) => ({ ...it, schema: overlaySchema })),
  ];
  for (const { file, text, schema } of files) {
    const here = faults.filter((fault) => fault.file === file);
    if (here.length > 0) parseYaml(text, file, schema, () => here);
  }
}

/** Rules, values and choices that the content does not have, and what contradicts itself, wherever it is written. */
export function nameFaults(profile: Profile, content: Benchmark): RowFault[] {
  const places: { file: string; at: PropertyKey[]; part: Omit<Departures, 'rows'> }[] = [
    { file: profile.file, at: [], part: profile },
    ...Object.entries(profile.roles).map(([name, part]) => ({
      file: profile.file,
      at: ['roles', name],
      part,
    })),
    ...profile.overlaysRead.map((part) => ({ file: part.file, at: [], part })),
  ];
  const found = content.profiles.has(profile.profile)
    ? []
    : [inProfile(profile, ['profile'], noProfile(profile, content))];
  for (const { file, at, part } of places) {
    const fault = (path: PropertyKey[], message: string) =>
      found.push({ file, path: [...at, ...path], message });
    const deselected = new Set(part.deselect.flatMap(({ rules }) => rules));
    for (const list of ['select', 'deselect'] as const) {
      part[list].forEach(({ rules }, index) => {
        rules.forEach((rule, ruleIndex) => {
          const path = [list, index, 'rules', ruleIndex];
          if (!content.rules.has(rule)) fault(path, `${stream(profile)} has no rule '${rule}'`);
          else if (list === 'select' && deselected.has(rule))
            fault(path, `'${rule}' is deselected here as well`);
        });
      });
    }
    part.values.forEach(({ name, choice }, index) => {
      const choices = content.values.get(name);
      const path = ['values', index, choices ? 'choice' : 'name'];
      if (!choices) fault(path, `${stream(profile)} has no value '${name}'`);
      else if (choice !== undefined && !choices.has(choice)) {
        fault(path, `'${name}' offers ${[...choices.keys()].filter((it) => it !== '').join(', ')}`);
      }
    });
  }
  return found;
}

export function waiverFaults(profile: Profile, selected: ReadonlySet<string>, now: number): RowFault[] {
  const today = new Date(now).toISOString().slice(0, 10);
  return profile.waivers.flatMap(({ rule, owner, expires }, index) => {
    const found: RowFault[] = [];
    const fault = (key: string, message: string) =>
      found.push(inProfile(profile, ['waivers', index, key], message));
    if (!selected.has(rule))
      fault('rule', `${stream(profile)} has no selected rule '${rule}': there is nothing to waive`);
    if (expires < today)
      fault('expires', `expired on ${expires}; ${owner} must renew it or let the rule be remediated`);
    return found;
  });
}

/** An overlay must change something about this profile, and two must not answer one question. */
export function overlayFaults(profile: Profile, selected: ReadonlySet<string>): RowFault[] {
  const choices = new Map<string, string>();
  return profile.overlaysRead.flatMap(({ name, choice: question, rows, select, deselect }, index) => {
    const found: RowFault[] = [];
    const fault = (message: string) => found.push(inProfile(profile, ['overlays', index], message));
    const rules = [...rows, ...select, ...deselect].flatMap((it) => it.rules);
    if (!rules.some((rule) => selected.has(rule)) && select.length === 0) {
      fault(`no rule of ${profile.profile} is answered by the overlay ${name}`);
    }
    const other = question && choices.get(question);
    if (other) fault(`${name} and ${other} are two answers to one question (${question})`);
    if (question) choices.set(question, name);
    return found;
  });
}

const noProfile = (profile: Profile, content: Benchmark) =>
  `${stream(profile)} has no profile '${profile.profile}' (there is ${[...content.profiles.keys()].join(', ')})`;

const stream = (profile: Profile) => profile.content.data_stream;

/**
 * That the content has a profile which was asked for elsewhere than in the profile file.
 * @param where what asked for it, as a person finds it
 * @throws Refused('invalid') naming `where` and the profiles there are
 */
export function requireProfile({ profiles }: Benchmark, name: string, where: string): void {
  if (profiles.has(name)) return;
  throw new Refused(
    'invalid',
    `${where}: the content has no profile '${name}'`,
    `Name one of ${[...profiles.keys()].join(', ')}; or none, for that of the file.`,
  );
}
