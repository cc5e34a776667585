import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Refused } from '../../pipeline/errors.ts';
import { compileExpression } from '../../pipeline/policy/expression.ts';
import { explain, parsePolicies, wrongExamples } from '../../pipeline/policy/policy.ts';
import { checks } from '../../scans/judge.ts';

const file = 'scans/policies.yaml';
const policies = parsePolicies(readFileSync(file, 'utf8'), file, checks);

describe.each(policies)('the policy $id', (policy) => {
  test.each(policy.examples.passing)('holds for its passing example %j', (facts) => {
    expect(policy.expression.evaluate(facts)).toEqual({ holds: true });
  });
  test.each(policy.examples.failing)('does not hold for its failing example %j', (facts) => {
    expect(policy.expression.evaluate(facts)).toMatchObject({ holds: false });
  });
  test('does not hold when nothing is known', () => {
    expect(policy.expression.evaluate({})).toMatchObject({ holds: false });
  });
});

describe('an expression', () => {
  const evaluate = (source: string, facts: Record<string, string | number | boolean | null>) =>
    compileExpression(source, ['updates']).evaluate({ updates: facts });

  test('compares whole and fractional numbers with each other', () => {
    expect(evaluate('updates.score >= 0.95', { score: 1 })).toEqual({ holds: true });
    expect(evaluate('updates.score < 1', { score: 0.5 })).toEqual({ holds: true });
  });
  test('does not hold when a fact is missing, whichever way it asks', () => {
    for (const source of ['updates.x == 0', 'updates.x != 0', '!(updates.x == 0)', 'updates.x < 1']) {
      expect(evaluate(source, {})).toMatchObject({
        holds: false,
        because: expect.stringContaining('No such key: x'),
      });
    }
  });
  test('takes a null fact for a missing one', () => {
    expect(evaluate('updates.x != 0', { x: null })).toMatchObject({ holds: false });
  });
  test('does not hold when types do not fit', () => {
    expect(evaluate('updates.x > 1', { x: 'many' })).toMatchObject({ holds: false });
  });
  test('does not hold when the answer is not a boolean', () => {
    expect(evaluate('updates.x', { x: 1 })).toMatchObject({ holds: false });
  });
});

test('a message names the facts, and says unknown where there is none', () => {
  const policy = policies.find(({ id }) => id === 'security-updates')!;
  expect(explain(policy, { updates: { status: 'failed' } })).toBe(
    'the updates check is failed; unknown security updates are missing',
  );
});

describe('a policy file', () => {
  const good = `version: 1
policies:
  - id: a
    title: A
    level: advisory
    expression: updates.x == 1
    message: m
    examples:
      passing: [{ updates: { x: 1 } }]
      failing: [{ updates: { x: 2 } }]
`;
  const fault = (text: string): string => {
    try {
      parsePolicies(text, 'p.yaml', checks);
    } catch (error) {
      expect(error).toBeInstanceOf(Refused);
      expect((error as Refused).kind).toBe('invalid');
      return (error as Refused).message;
    }
    throw new Error('the file was accepted');
  };

  test('that is well-formed is read', () => {
    expect(parsePolicies(good, 'p.yaml', checks)).toHaveLength(1);
  });
  test('is told which of its examples are not what they claim', () => {
    const [policy] = parsePolicies(good.replace('== 1', '== 2'), 'p.yaml', checks);
    expect(wrongExamples(policy!)).toEqual([
      'passing example 1 fails: updates.x == 2 is false',
      'failing example 1 passes',
    ]);
  });
  test.each([
    ['an expression with a syntax error', good.replace('== 1', '= 1'), 'p.yaml:6:5: policies.0.expression: '],
    [
      'a subject that does not exist',
      good.replace('updates.x ==', 'update.x =='),
      'Unknown variable: update',
    ],
    [
      'an expression that answers a number',
      good.replace('== 1', '+ 1 + 2').replace('updates.x', '1'),
      'not true or false',
    ],
    ['an unknown level', good.replace('advisory', 'optional'), 'p.yaml:5:5: policies.0.level: '],
    ['an unknown key', good.replace('title:', 'titel:'), 'p.yaml:4:5: policies.0.titel: unknown key'],
    ['a policy without a failing example', good.replace('[{ updates: { x: 2 } }]', '[]'), 'p.yaml:10:7: '],
    [
      'an example about nothing',
      good.replace('[{ updates: { x: 2 } }]', '[{ upd: { x: 2 } }]'),
      'no such subject',
    ],
    ['broken YAML', good.replace('version: 1', 'version: ['), 'not valid YAML'],
    ['an id used twice', good + good.slice(good.indexOf('  - id')), "'a' is taken"],
  ])('is refused for %s, with the place', (_title, text, expected) => {
    const message = fault(text);
    expect(message).toContain(expected);
    expect(message).toMatch(/^p\.yaml:\d+:\d+: /);
  });
});
