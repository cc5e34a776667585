/**
 * drover.yaml → Config. Every complaint names file, line and column, what is wrong and what would be right;
 * nothing is defaulted silently except what the schema says, and nothing outside the file is consulted.
 */
import { readFileSync } from 'node:fs';
import { type Document, isMap, isNode, isPair, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { Refused, reasonOf } from '../errors.ts';
import { codenames } from '../image.ts';
import { type Config, configSchema } from './schema.ts';

type Path = readonly PropertyKey[];
interface Problem {
  path: Path;
  message: string;
}

/** Reads, validates and cross-checks a configuration file. @throws Refused('invalid'), all problems at once. */
export function loadConfig(file: string): Config {
  const remedy = 'Run in a checkout that has a drover.yaml, or name one with --config FILE.';
  return parseConfig(readText(file, remedy), file);
}

/** The text of a file the user named. @throws Refused('invalid') with the file, the reason and `remedy` */
export function readText(file: string, remedy: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Refused('invalid', `${file}: ${reasonOf(error)}`, remedy, { cause: error });
  }
}

export function parseConfig(text: string, file: string): Config {
  return parseYaml(text, file, configSchema, crossCheck);
}

/**
 * Validates any YAML file of the project against a zod schema, with positions.
 * @param check finds what a schema cannot say; it runs only on input of the right shape
 */
export function parseYaml<S extends z.ZodType>(
  text: string,
  file: string,
  schema: S,
  check: (value: z.output<S>) => Problem[] = () => [],
): z.output<S> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const refuse = (problems: string[]) =>
    new Refused('invalid', problems.join('\n'), `Correct ${file}; nothing was changed.`);

  if (document.errors.length > 0) {
    throw refuse(document.errors.map((error) => `${at(error.pos[0])}: not valid YAML: ${error.message}`));
  }
  const place = ({ path, message }: Problem) => {
    const { offset, shown } = locate(document, path);
    return `${at(offset)}: ${shown}${message}`;
  };
  const parsed = schema.safeParse(document.toJS(), { reportInput: true });
  if (!parsed.success) throw refuse(parsed.error.issues.flatMap(explain).map(place));
  const problems = check(parsed.data);
  if (problems.length > 0) throw refuse(problems.map(place));
  return parsed.data;
}

/** zod's issues in a user's words: an unknown key is placed at the key, a union at the branch that came nearest. */
function explain(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: 'unknown key' }));
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const messages = new Set(issue.errors.flat().map((inner) => inner.message));
    return [{ path: issue.path, message: [...messages].join(', or ') }];
  }
  if (issue.code === 'invalid_type' && issue.input === undefined) {
    return [{ path: issue.path, message: `missing (${issue.message})` }];
  }
  return [{ path: issue.path, message: issue.message }];
}

/** Where a path stands in the text; a key that is absent is placed at the nearest parent that exists. */
function locate(document: Document, path: Path): { offset: number; shown: string } {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && String(item.key) === String(step));
      if (!pair) break;
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else {
      node = (node as { get?: (key: unknown, keep: boolean) => unknown } | null)?.get?.(step, true);
      if (!isNode(node)) break;
      offset = node.range?.[0] ?? offset;
    }
  }
  return { offset, shown: path.length > 0 ? `${path.map(String).join('.')}: ` : '' };
}

/** Rules between keys. */
function crossCheck(config: Config): Problem[] {
  const problems: Problem[] = [];
  const seenAt = new Map<string, string>();
  for (const environment of ['staging', 'production'] as const) {
    config.fleet[environment].waves.forEach((wave, waveIndex) => {
      wave.groups.forEach((group, groupIndex) => {
        const path = ['fleet', environment, 'waves', waveIndex, 'groups', groupIndex];
        const before = seenAt.get(group);
        if (before) problems.push({ path, message: `group '${group}' already stands in ${before}` });
        else seenAt.set(group, `fleet.${environment} wave '${wave.name}'`);
      });
    });
  }
  for (const group of Object.keys(config.rollout.groups)) {
    if (!seenAt.has(group)) {
      problems.push({ path: ['rollout', 'groups', group], message: 'no wave of the fleet names this group' });
    }
  }
  for (const [group, { desired, min = desired, max = 2 * desired }] of Object.entries(
    config.simulator.groups,
  )) {
    if (min <= desired && desired <= max) continue;
    const message = `desired ${desired} must lie between min ${min} and max ${max} (left out: desired, and twice that)`;
    problems.push({ path: ['simulator', 'groups', group], message });
  }
  if (config.cloud === 'aws' && config.image.builder === 'local') {
    problems.push({ path: ['image', 'builder'], message: 'cloud: aws needs builder: amazon-ebs' });
  }
  if (config.image.builder === 'local' && !codenames[config.image.distribution]) {
    problems.push({
      path: ['image', 'distribution'],
      message: `${config.image.distribution} can only be built as amazon-ebs: Amazon publishes no local base`,
    });
  }
  if (config.image.builder === 'amazon-ebs' && !config.image.amazon) {
    problems.push({
      path: ['image'],
      message: 'builder: amazon-ebs needs `amazon: { instance_profile: … }`',
    });
  }
  return problems;
}
