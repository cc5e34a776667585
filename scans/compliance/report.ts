/**
 * The compliance report: what the disk says and what the running system says, merged into one result per rule,
 * with waivers applied and the score. Pure. Decides which of two answers counts; never what a rule means.
 */
import { type Content, type Rule, rulePrefix } from './content.ts';
import type { OwnResult } from './own.ts';
import type { RuleResult } from './results.ts';

/** An accepted deviation from one rule, as the hardening profile carries it. */
export interface Waiver {
  /** The rule's name, with or without the XCCDF prefix. */
  rule: string;
  owner: string;
  reason: string;
  /** The last day it holds, YYYY-MM-DD (UTC). */
  expires: string;
  /** What protects the image instead. */
  compensation?: string | undefined;
}

export interface ReportedRule {
  id: string;
  title: string;
  severity: string;
  /** CIS section numbers. */
  sections: string[];
  result: RuleResult;
  /** offline: from the mounted disk. booted: from the running system. own: Drover's check, the content has none. */
  judged: 'offline' | 'booted' | 'own';
  /** Why the rule does not apply, or what Drover's own check found; null where the content's result says it all. */
  remark: string | null;
  /** What the disk alone had said, where the running system was asked; null otherwise. */
  offline: RuleResult | null;
  waiver: (Omit<Waiver, 'rule'> & { expired: boolean }) | null;
}

export interface ComplianceReport {
  schema: 'drover/compliance@1';
  imageId: string;
  /** RFC 3339. */
  at: string;
  /** e.g. 'OpenSCAP 1.3.7'. */
  scanner: string;
  content: { package: string; version: string; sha256: string };
  profile: string;
  /** Lower-case hex. */
  tailoringSha256: string;
  counts: Record<Exclude<RuleResult, 'notselected'>, number>;
  judged: { offline: number; booted: number; own: number };
  /** pass / (pass + fail); null when no rule passes or fails. */
  score: number | null;
  /** The same without the failures that a valid waiver covers. */
  scoreNetOfWaivers: number | null;
  waived: number;
  /** Rules without an answer (error, unknown, notchecked, not applicable for no stated reason) or a valid waiver. */
  unexplained: number;
  rules: ReportedRule[];
}

/**
 * The rules to ask the running system about: those whose check reaches live state, and those to which the disk
 * gave no answer. A rule that nobody can check automatically (notchecked) is not asked twice.
 */
export const rulesForBoot = (content: Content, offline: ReadonlyMap<string, RuleResult>): string[] =>
  [...offline]
    .filter(([id, result]) => {
      const live = (content.rules.get(id)?.liveProbes.length ?? 0) > 0;
      return live || result === 'unknown' || result === 'error';
    })
    .map(([id]) => id);

/**
 * @param offline the disk's answers; null where only the running system was asked, about every rule
 * @param booted the running system's answers, for at least the rules `rulesForBoot` names
 * @throws Error when a rule that needs the running system has no answer from it
 */
export function mergeReport(input: {
  imageId: string;
  at: string;
  scanner: string;
  content: Content;
  contentIdentity: ComplianceReport['content'];
  profile: string;
  tailoringSha256: string;
  offline: ReadonlyMap<string, RuleResult> | null;
  booted: ReadonlyMap<string, RuleResult>;
  /** Heard about rules the content does not check. */
  own: ReadonlyMap<string, OwnResult>;
  waivers: readonly Waiver[];
}): ComplianceReport {
  const { content, offline, booted, own, at } = input;
  const missing = rulesForBoot(content, offline ?? new Map()).filter((id) => !booted.has(id));
  if (missing.length > 0) {
    throw new Error(
      `the running system was not asked about ${missing.length} rules: ${missing.slice(0, 3).join(', ')}`,
    );
  }
  const rules = [...(offline ?? booted)].map(([id, result]): ReportedRule => {
    const { title, severity, sections, conditions }: Omit<Rule, 'id' | 'liveProbes'> = content.rules.get(
      id,
    ) ?? { title: id, severity: 'unknown', sections: [], conditions: [] };
    const live = booted.get(id);
    const said = live ?? result;
    const ours = said === 'notchecked' ? own.get(id) : undefined;
    const applies = conditions.length > 0 ? `applies only where: ${conditions.join('; ')}` : null;
    return {
      id,
      title,
      severity,
      sections,
      result: ours?.result ?? said,
      judged: ours ? 'own' : live ? 'booted' : 'offline',
      remark: ours?.remark ?? (said === 'notapplicable' ? applies : null),
      offline: offline && live ? result : null,
      waiver: waiverOf(id, input.waivers, at),
    };
  });
  rules.sort((one, two) => compareSections(one.sections[0], two.sections[0]) || (one.id < two.id ? -1 : 1));

  const count = (holds: (rule: ReportedRule) => boolean) => rules.filter(holds).length;
  const counted = (result: RuleResult) => count((rule) => rule.result === result);
  const isWaived = (rule: ReportedRule) => rule.waiver !== null && !rule.waiver.expired;
  const [pass, fail] = [counted('pass') + counted('fixed'), counted('fail')];
  const waived = count((rule) => rule.result === 'fail' && isWaived(rule));
  return {
    schema: 'drover/compliance@1',
    imageId: input.imageId,
    at,
    scanner: input.scanner,
    content: input.contentIdentity,
    profile: input.profile,
    tailoringSha256: input.tailoringSha256,
    counts: {
      pass: counted('pass'),
      fail,
      error: counted('error'),
      unknown: counted('unknown'),
      notapplicable: counted('notapplicable'),
      notchecked: counted('notchecked'),
      informational: counted('informational'),
      fixed: counted('fixed'),
    },
    judged: {
      offline: count((rule) => rule.judged === 'offline'),
      booted: count((rule) => rule.judged === 'booted'),
      own: count((rule) => rule.judged === 'own'),
    },
    score: ratio(pass, fail),
    scoreNetOfWaivers: ratio(pass, fail - waived),
    waived,
    unexplained: count((rule) => isUnexplained(rule) && !isWaived(rule)),
    rules,
  };
}

/** Four decimals, rounded down, so that 0.94999 never reads as 0.95. */
const ratio = (pass: number, fail: number): number | null =>
  pass + fail === 0 ? null : Math.floor((pass / (pass + fail)) * 10_000) / 10_000;

const isUnexplained = ({ result, remark }: ReportedRule): boolean =>
  ['error', 'unknown', 'notchecked'].includes(result) || (result === 'notapplicable' && remark === null);

function waiverOf(id: string, waivers: readonly Waiver[], at: string): ReportedRule['waiver'] {
  const waiver = waivers.find(({ rule }) => rule === id || `${rulePrefix}${rule}` === id);
  if (!waiver) return null;
  const { rule: _rule, ...acceptance } = waiver;
  return { ...acceptance, expired: at.slice(0, 10) > waiver.expires };
}

/** '2.9' before '2.10'; rules without a section last. */
export function compareSections(one: string | undefined, two: string | undefined): number {
  if (one === undefined || two === undefined) return Number(one === undefined) - Number(two === undefined);
  const [left, right] = [one.split('.').map(Number), two.split('.').map(Number)];
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const difference = (left[index] ?? -1) - (right[index] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}
