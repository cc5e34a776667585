import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseDurationMs } from '../../pipeline/config/duration.ts';
import { jsonSchemaText } from '../../pipeline/config/json-schema.ts';
import { loadConfig, parseConfig } from '../../pipeline/config/load.ts';
import { Refused } from '../../pipeline/errors.ts';
import { planWaves } from '../../pipeline/fleet/waves.ts';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const shipped = readFileSync(`${checkout}drover.yaml`, 'utf8');

const cloudLine = shipped.split('\n').indexOf('cloud: simulator') + 1;

/** The shipped configuration with one piece of text replaced; the piece must be there. */
function changed(before: string, after: string): string {
  expect(shipped).toContain(before);
  return shipped.replace(before, after);
}

function complaint(text: string): string {
  try {
    parseConfig(text, 'drover.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(Refused);
    expect((error as Refused).kind).toBe('invalid');
    return (error as Refused).message;
  }
  throw new Error('the configuration was accepted');
}

describe('a configuration that cannot be meant', () => {
  test.each([
    [
      'an unknown key',
      changed('cloud: simulator', 'cloud: simulator\nclud: aws'),
      new RegExp(`drover\\.yaml:${cloudLine + 1}:1: clud: unknown key`),
    ],
    [
      'a wrong type',
      changed('passes: 2', 'passes: many'),
      /drover\.yaml:\d+:3: rollout\.passes: .*expected number/,
    ],
    ['a duration in words', changed('soak: 30s', 'soak: a while'), /bake\.soak: write a duration as '90s'/],
    [
      'an unknown cloud',
      changed('cloud: simulator', 'cloud: azure'),
      new RegExp(`drover\\.yaml:${cloudLine}:1: cloud: .*"simulator"\\|"aws"`),
    ],
    [
      'a group in two waves',
      changed('groups: [web-b, worker]', 'groups: [web-b, web-a]'),
      /'web-a' already stands in fleet\.production wave 'first'/,
    ],
    [
      'settings of a group no wave has',
      changed('worker: { surge: 1 }', 'worke: { surge: 1 }'),
      /rollout\.groups\.worke: no wave of the fleet names this group/,
    ],
    [
      'aws with a local image',
      changed('cloud: simulator', 'cloud: aws'),
      /image.*: cloud: aws needs builder: amazon-ebs/,
    ],
    [
      'an instance profile left out, without which nothing could reach what Packer launches',
      changed('  role: base', '  builder: amazon-ebs\n  amazon: { instance_type: t3.small }'),
      /image\.amazon\.instance_profile: missing \(.*AmazonSSMManagedInstanceCore/,
    ],
    [
      'a simulated group that Auto Scaling would not take',
      changed('web-a: { desired: 3 }', 'web-a: { desired: 3, max: 2 }'),
      /simulator\.groups\.web-a: desired 3 must lie between min 3 and max 2/,
    ],
    ['a missing section', shipped.replace(/fleet:[\s\S]*?\nbake:/, 'bake:'), /fleet: missing/],
    ['broken YAML', 'fleet: [', /drover\.yaml:1:9: not valid YAML/],
    ['an empty file', '', /drover\.yaml:1:1: /],
  ])('%s is refused with its place', (_title, text, pattern) => {
    expect(complaint(text)).toMatch(pattern);
  });

  const withGate = (gate: string) => changed('passes: 2', `passes: 2\n  gates: [${gate}]`);
  const query = 'type: prometheus, name: errors, query: up';

  test.each([
    ['{ type: http }', /gates\.0\.port: missing/],
    ['{ type: http, port: 80, path: health }', /gates\.0\.path: begins with \//],
    ['{ type: http, port: 80, status: 2xx }', /gates\.0\.status: write statuses as '200' or '200-299, 404'/],
    ['{ type: http, port: 80, status: 299-200 }', /gates\.0\.status: write statuses/],
    ['{ type: http, port: 80, matches: "(" }', /gates\.0\.matches: not a regular expression/],
    ['{ type: alarms, names: [] }', /gates\.0\.names: /],
    ['{ type: alarms, names: [a], insufficient_data: ignore }', /gates\.0\.insufficient_data: /],
    [`{ ${query}, url: "http://p:9090" }`, /gates\.0: needs `min`, `max` or both/],
    [`{ ${query}, url: "p:9090", max: 1 }`, /gates\.0\.url: write an http or https URL/],
    [`{ ${query}, url: "http://me:secret@p:9090", max: 1 }`, /without credentials/],
    [
      `{ ${query}, url: "http://p", max: 1, token: s3cret }`,
      /gates\.0\.token: a token never stands in this file/,
    ],
    [`{ ${query}, url: "http://p", max: 1, token_env: A, token_file: b }`, /one of `token_env` and/],
  ])('the gate %s is refused with its place', (gate, pattern) => {
    expect(complaint(withGate(gate))).toMatch(pattern);
  });

  test.each([
    ['drain: [{ type: http-hook, name: a, url: "ftp://x" }]', /drain\.0\.url: write an http or https URL/],
    [
      'drain: [{ type: http-hook, name: a, url: "http://x", token_env: A, token_file: b }]',
      /one of `token_env`/,
    ],
    ['handover: { hook: h }', /handover\.until: missing/],
    ['handover: { hook: h, until: { type: target-group } }', /handover\.until(\.type)?: /],
  ])('%s is refused with its place', (keys, pattern) => {
    expect(complaint(changed('passes: 2', `passes: 2\n  ${keys}`))).toMatch(pattern);
  });

  test.each([
    ['canary', /strategy: /],
    ['{ type: blue-green }', /strategy(\.type)?: /],
    ['{ type: canary, size: 0 }', /strategy\.size: a canary has at least one instance/],
    ['{ type: canary, size: 0% }', /strategy\.size: a canary has at least one instance/],
    ['{ type: canary, soak: long }', /strategy\.soak: write a duration/],
    ['{ type: instance-refresh, checkpoints: [50, 25] }', /strategy\.checkpoints: in ascending order/],
    ['{ type: rolling, size: 1 }', /strategy\.size: unknown key/],
  ])('the strategy %s is refused with its place', (strategy, pattern) => {
    expect(complaint(changed('passes: 2', `passes: 2\n  strategy: ${strategy}`))).toMatch(pattern);
  });

  test('every problem is reported at once', () => {
    const message = complaint(changed('passes: 2', 'passes: many').replace('soak: 30s', 'soak: long'));
    expect(message.split('\n')).toHaveLength(2);
  });

  test('a missing file names itself and the option that names another', () => {
    expect(() => loadConfig('/nowhere/drover.yaml')).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        message: expect.stringMatching(/^\/nowhere\/drover\.yaml: .*no such file/),
        remedy: expect.stringContaining('--config'),
      }),
    );
  });
});

test('the shipped configuration is valid, by the schema that validates and by the one editors use', () => {
  parseConfig(shipped, 'drover.yaml');
  const validate = new Ajv2020({ strict: false, formats: { uri: true } }).compile(
    JSON.parse(jsonSchemaText()),
  );
  expect(validate(parse(shipped)), JSON.stringify(validate.errors)).toBe(true);
  expect(validate({ ...parse(shipped), clud: 'aws' })).toBe(false);
});

test('the schema file for editors is what the code generates (`npm run schema`)', () => {
  expect(readFileSync(`${checkout}pipeline/config/drover.schema.json`, 'utf8')).toBe(jsonSchemaText());
});

test.each([
  ['90s', 90_000],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1500],
  ['', null],
  ['5 minutes', null],
])("the duration '%s' is %s ms", (text, expected) => {
  expect(parseDurationMs(text)).toBe(expected);
});

describe('settings of a wave', () => {
  const root = '/etc/drover';
  const config = parseConfig(shipped, 'drover.yaml');
  const soaks = (emergency: boolean, environment: 'staging' | 'production') =>
    planWaves({ config, root, emergency }, environment).flatMap((wave) =>
      wave.groups.map((group) => group.soakMs),
    );

  test("staging soaks for the bake's time, production for the rollout's", () => {
    expect(soaks(false, 'staging')).toEqual([30_000]);
    expect(soaks(false, 'production')).toEqual([10_000, 10_000, 10_000]);
  });

  test('an emergency soaks for less, in staging and in production', () => {
    expect(soaks(true, 'staging')).toEqual([10_000]);
    expect(soaks(true, 'production')).toEqual([5000, 5000, 5000]);
  });

  test('a canary is resolved per group, like every other setting', () => {
    const text = changed('{ surge: 1 }', '{ surge: 1, strategy: { type: canary, size: 25%, soak: 2m } }');
    const waves = planWaves(
      { config: parseConfig(text, 'drover.yaml'), root, emergency: false },
      'production',
    );
    const strategies = waves.flatMap((wave) => wave.groups.map(({ group, strategy }) => [group, strategy]));
    expect(Object.fromEntries(strategies)).toEqual({
      'web-a': { type: 'rolling' },
      'web-b': { type: 'rolling' },
      worker: { type: 'canary', size: { fraction: 0.25 }, soakMs: 120_000 },
    });
  });

  test("an emergency's surge wins over every other, a group's own included", () => {
    const surges = planWaves({ config, root, emergency: true }, 'production').flatMap((wave) =>
      wave.groups.map((g) => g.surge),
    );
    expect(surges).toEqual([{ fraction: 1 }, { fraction: 1 }, { fraction: 1 }]);
  });

  test("a group's own surge wins over the general one", () => {
    const surges = planWaves({ config, root, emergency: false }, 'production').flatMap((wave) =>
      wave.groups.map((g) => g.surge),
    );
    expect(surges).toEqual([{ fraction: 0.5 }, { fraction: 0.5 }, { instances: 1 }]);
  });
});
