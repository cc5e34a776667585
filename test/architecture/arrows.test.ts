/** The import arrows of ARCHITECTURE.md, as a test: cli → release → stages → rooms → ports. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Import {
  from: string;
  /** A path inside the checkout, or a package's name. */
  to: string;
}

const sources = globSync('{pipeline,packer,hardening,scans}/**/*.ts', { cwd: root }).sort();

const imports: Import[] = sources.flatMap((from) => {
  const text = readFileSync(join(root, from), 'utf8');
  const pattern = /^(?:import|export)\b[^;]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm;
  return [...text.matchAll(pattern)].map((match) => {
    const target = (match[1] ?? match[2] ?? match[3])!;
    return { from, to: target.startsWith('.') ? normalize(join(dirname(from), target)) : target };
  });
});

/** Every import from `from` to `to`, except those an arrow allows. */
function violations(from: RegExp, to: RegExp, allowed: (arrow: Import) => boolean = () => false): string[] {
  return imports
    .filter((arrow) => from.test(arrow.from) && to.test(arrow.to) && !allowed(arrow))
    .map((arrow) => `${arrow.from} imports ${arrow.to}`);
}

const rooms =
  /^(pipeline\/(cloud|config|doctor|evidence|fleet|journal|policy|report|rollout|simulator)|packer|hardening|scans)\//;

test('the scan of the sources sees imports at all', () => {
  expect(sources.length).toBeGreaterThan(50);
  expect(imports.length).toBeGreaterThan(200);
});

test('only the AWS adapter imports an AWS SDK; the simulator reads its wire schemas and nothing else', () => {
  expect(
    violations(/./, /^@(aws-sdk|smithy)\//, ({ from }) =>
      /^pipeline\/(cloud\/aws|simulator\/wire)\//.test(from),
    ),
  ).toEqual([]);
});

test('rooms import neither stages nor the release nor the command line', () => {
  expect(violations(rooms, /^pipeline\/(stages|cli)\/|^pipeline\/(cli|release|opening|demo)\.ts$/)).toEqual(
    [],
  );
});

test('stages do not import each other, except bake from rollout', () => {
  expect(
    violations(
      /^pipeline\/stages\//,
      /^pipeline\/stages\//,
      ({ from, to }) =>
        /\/(context|hardening)\.ts$/.test(to) || (from.endsWith('/bake.ts') && to.endsWith('/rollout.ts')),
    ),
  ).toEqual([]);
});

test('stages import neither the release nor the command line', () => {
  expect(
    violations(/^pipeline\/stages\//, /^pipeline\/cli\/|^pipeline\/(cli|release|opening|demo)\.ts$/),
  ).toEqual([]);
});

test('the engine knows the cloud only through its port', () => {
  expect(violations(/^pipeline\/(rollout|stages|fleet)\//, /^pipeline\/(cloud\/aws|simulator)\//)).toEqual(
    [],
  );
});

test('only the composition root makes a real clock', () => {
  const users = sources.filter(
    (file) =>
      /\bwallClock\b/.test(readFileSync(join(root, file), 'utf8')) &&
      !file.startsWith('pipeline/cli/') &&
      file !== 'pipeline/clock.ts',
  );
  expect(users).toEqual([]);
});

test('rooms do not read the time or set timers themselves', () => {
  const offenders = sources.filter(
    (file) =>
      (rooms.test(file) || file.startsWith('pipeline/stages/')) &&
      /\bDate\.now\(|\bnew Date\(\)|\bsetTimeout\(|\bsetInterval\(|node:timers/.test(
        readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ''),
      ),
  );
  expect(offenders).toEqual([]);
});

test('decisions, the judge and the waves planner are pure: no await, no SDK, no file, no process', () => {
  const decisions = sources.filter((file) => file.startsWith('pipeline/rollout/decision/'));
  for (const file of [...decisions, 'scans/judge.ts', 'pipeline/fleet/waves.ts']) {
    const text = readFileSync(join(root, file), 'utf8');
    expect(text, file).not.toMatch(/\bawait\b|\basync\b|from 'node:(fs|child_process|net|http)|\bprocess\./);
  }
});

test('a decision knows the nouns of a rollout and nothing of how it is carried out', () => {
  const outside = /^pipeline\/rollout\/(?!decision\/|(state|spec|tags)\.ts$)/;
  expect(violations(/^pipeline\/rollout\/decision\//, outside)).toEqual([]);
});
