/**
 * The judge: verdicts of the scanners + policies + overrides → one verdict, check 'policy'. Pure. Decides
 * whether the image may go on; never how a finding is made. What it cannot answer, it answers with failed.
 */
import type { Verdict } from '../pipeline/image.ts';
import type { Facts } from '../pipeline/policy/expression.ts';
import { explain, type Level, type Policy } from '../pipeline/policy/policy.ts';

/** The checks every scan makes, in this order; they are the subjects policies speak of. */
export const checks = [
  'compliance',
  'updates',
  'sbom',
  'vulnerabilities',
  'contents',
  'boot',
  'leftovers',
] as const;
export type Check = (typeof checks)[number];

/** A named person accepts the failure of one soft-mandatory policy; `check` is the policy's id. */
export interface Override {
  check: string;
  actor: string;
  reason: string;
}

export interface PolicyResult {
  id: string;
  title: string;
  level: Level;
  expression: string;
  /** 'advised': an advisory policy that does not hold. */
  outcome: 'passed' | 'failed' | 'advised' | 'overridden';
  /** One sentence; for 'passed' the policy's title. */
  reason: string;
  override: Override | null;
}

export interface Judgement {
  verdict: Verdict;
  results: PolicyResult[];
}

/** `at` is RFC 3339. Verdicts about other images are not looked at; a missing one leaves its facts missing. */
export function judge(input: {
  imageId: string;
  verdicts: readonly Verdict[];
  policies: readonly Policy[];
  overrides?: readonly Override[];
  at: string;
}): Judgement {
  const { imageId, policies, overrides = [], at } = input;
  const verdicts = input.verdicts.filter((verdict) => verdict.imageId === imageId);
  const facts = factsOf(verdicts);
  const results = policies.map((policy) => resultOf(policy, facts, overrides));
  const stopping = results.filter((result) => result.outcome === 'failed');
  const count = (outcome: PolicyResult['outcome']) =>
    results.filter((result) => result.outcome === outcome).length;

  // No policy at all means nobody said what is good enough, which is not a yes.
  const passed = stopping.length === 0 && results.length > 0;
  const remarks = results.filter(({ outcome }) => outcome === 'overridden' || outcome === 'advised');
  const reasons = passed
    ? [`${count('passed')} of ${results.length} policies hold`, ...remarks.map((result) => result.reason)]
    : stopping.map((result) => result.reason);
  return {
    results,
    verdict: {
      imageId,
      check: 'policy',
      status: passed ? 'passed' : 'failed',
      reasons: reasons.length > 0 ? reasons : ['there is no policy to judge by'],
      facts: {
        policies: results.length,
        passed: count('passed'),
        failed: count('failed'),
        advised: count('advised'),
        overridden: count('overridden'),
      },
      artifacts: [],
      at,
    },
  };
}

/** Facts for policies: each check's own, and its status. Two verdicts of one check: the last one counts. */
export function factsOf(verdicts: readonly Verdict[]): Facts {
  return Object.fromEntries(
    verdicts.map((verdict) => [verdict.check, { ...verdict.facts, status: verdict.status }]),
  );
}

function resultOf(policy: Policy, facts: Facts, overrides: readonly Override[]): PolicyResult {
  const { id, title, level } = policy;
  const answer = policy.expression.evaluate(facts);
  const common = { id, title, level, expression: policy.expression.source, override: null };
  if (answer.holds) return { ...common, outcome: 'passed', reason: title };

  const reason = `${id}: ${explain(policy, facts)} (${answer.because})`;
  if (level === 'advisory') return { ...common, outcome: 'advised', reason };
  const override = overrides.find((candidate) => candidate.check === id);
  if (!override) return { ...common, outcome: 'failed', reason };
  if (level === 'hard-mandatory') {
    return {
      ...common,
      outcome: 'failed',
      reason: `${reason}; it is hard-mandatory and cannot be overridden`,
    };
  }
  if (override.actor.trim() === '' || override.reason.trim() === '') {
    return { ...common, outcome: 'failed', reason: `${reason}; the override lacks an actor or a reason` };
  }
  return {
    ...common,
    outcome: 'overridden',
    reason: `${reason}; accepted by ${override.actor}: ${override.reason}`,
    override,
  };
}
