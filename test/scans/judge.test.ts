import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Verdict } from '../../pipeline/image.ts';
import { parsePolicies } from '../../pipeline/policy/policy.ts';
import { checks, judge } from '../../scans/judge.ts';

const policies = parsePolicies(readFileSync('scans/policies.yaml', 'utf8'), 'scans/policies.yaml', checks);
const at = '2026-01-01T00:00:00.000Z';

const verdict = (check: string, status: Verdict['status'], facts: Verdict['facts']): Verdict => ({
  imageId: 'image-1',
  check,
  status,
  reasons: ['because'],
  facts,
  artifacts: [],
  at,
});
const good = [
  verdict('compliance', 'passed', { unexplained: 0, scoreNetOfWaivers: 1 }),
  verdict('updates', 'passed', { missingSecurity: 0, feedAgeHours: 2 }),
  verdict('sbom', 'passed', { components: 300 }),
  verdict('vulnerabilities', 'passed', {
    exploited: 0,
    oldestFixableCriticalDays: 0,
    oldestFixableHighDays: 0,
    oldestFixableUnratedDays: 0,
  }),
  verdict('contents', 'passed', {
    packages: 240,
    packageBudget: 240,
    usedMib: 900,
    usedMibBudget: 900,
    unexpectedSetuid: 0,
  }),
  verdict('boot', 'passed', { failedUnits: 0 }),
  verdict('leftovers', 'passed', { found: 0 }),
];
const without = (check: string) => good.filter((entry) => entry.check !== check);
const rule = (verdicts: Verdict[], overrides: Parameters<typeof judge>[0]['overrides'] = []) =>
  judge({ imageId: 'image-1', verdicts, policies, overrides, at });
const lowScore = [
  ...without('compliance'),
  verdict('compliance', 'passed', { unexplained: 0, scoreNetOfWaivers: 0.9 }),
];

describe('the judge', () => {
  test('passes an image that satisfies every policy', () => {
    const { verdict } = rule(good);
    expect(verdict.status).toBe('passed');
    expect(verdict.reasons).toEqual(['14 of 14 policies hold']);
  });
  test.each(checks)('fails an image whose %s verdict is absent', (check) => {
    expect(rule(without(check)).verdict.status).toBe('failed');
  });
  test.each(checks)('fails an image whose %s scanner could not run', (check) => {
    expect(rule([...without(check), verdict(check, 'failed', {})]).verdict.status).toBe('failed');
  });
  test('does not look at verdicts about another image', () => {
    expect(judge({ imageId: 'image-2', verdicts: good, policies, at }).verdict.status).toBe('failed');
  });
  test('lists every reason of a failure', () => {
    const { verdict } = rule([]);
    expect(verdict.reasons).toHaveLength(13);
    expect(verdict.facts).toMatchObject({ failed: 13, advised: 1 });
  });
  test('reports an advisory failure and passes all the same', () => {
    const stale = [
      ...without('updates'),
      verdict('updates', 'passed', { missingSecurity: 0, feedAgeHours: 30 }),
    ];
    const { verdict: answer, results } = rule(stale);
    expect(answer.status).toBe('passed');
    expect(answer.reasons.join()).toContain('the security feed is 30 hours old');
    expect(results.find(({ id }) => id === 'fresh-feed')?.outcome).toBe('advised');
  });
  test('lets a named person override a soft-mandatory failure with a reason', () => {
    expect(rule(lowScore).verdict.status).toBe('failed');
    const override = { check: 'compliance-score', actor: 'ada', reason: 'fix is in the next build' };
    const { verdict: answer, results } = rule(lowScore, [override]);
    expect(answer.status).toBe('passed');
    expect(answer.reasons.join()).toContain('accepted by ada: fix is in the next build');
    expect(results.find(({ id }) => id === 'compliance-score')?.override).toEqual(override);
  });
  test('does not take an override without a reason', () => {
    expect(rule(lowScore, [{ check: 'compliance-score', actor: 'ada', reason: ' ' }]).verdict.status).toBe(
      'failed',
    );
  });
  test('does not let anybody override a hard-mandatory failure', () => {
    const { verdict: answer } = rule(without('boot'), [{ check: 'boots', actor: 'ada', reason: 'hurry' }]);
    expect(answer.status).toBe('failed');
    expect(answer.reasons.join()).toContain('cannot be overridden');
  });
  test('fails when there is no policy', () => {
    expect(judge({ imageId: 'image-1', verdicts: good, policies: [], at }).verdict).toMatchObject({
      status: 'failed',
      reasons: ['there is no policy to judge by'],
    });
  });
});
