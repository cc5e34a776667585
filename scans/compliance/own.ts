/**
 * Drover's own checks, for rules the benchmark has no automatic check for ("notchecked"). Decides what a system is
 * asked for them and what its answers mean; where the benchmark has a check of its own, that one counts and these
 * are not heard. Pure but for asking.
 */
import { rulePrefix } from './content.ts';

/** Name → what root runs to answer it. Answers are this command's standard output; none when it fails. */
export const questions: Record<string, string> = {
  ruleset: 'nft list ruleset',
  'boot-ruleset': 'cat /etc/nftables.conf',
  'password-stack': 'cat /etc/pam.d/common-password',
};
/** By name; a question nobody answered is absent. */
export type Answers = ReadonlyMap<string, string>;

export interface OwnResult {
  result: 'pass' | 'fail';
  /** What was found, as one sentence. */
  remark: string;
}

type Check = (answers: Answers) => OwnResult | null;

const hooks = ['input', 'forward', 'output'];

/** The statements of the base chain at `hook`; nft writes a chain's first and last brace at the end of a line each. */
function baseChain(ruleset: string, hook: string): string | undefined {
  const chains = [...ruleset.matchAll(/^\s*chain \S+ \{\n(.*?)^\s*\}$/gms)].map(([, body]) => body);
  return chains.find((chain) => new RegExp(`type filter hook ${hook} priority `).test(chain!));
}

const lacking = (what: string, missing: readonly string[], all: string): OwnResult =>
  missing.length === 0
    ? { result: 'pass', remark: all }
    : { result: 'fail', remark: `${what}: ${missing.join(', ')}` };

/** A check of one answer; without the answer there is no result. */
const of =
  (question: string, judge: (answer: string) => OwnResult): Check =>
  (answers) => {
    const answer = answers.get(question);
    return answer === undefined ? null : judge(answer);
  };

/** CIS Debian Linux 12 Benchmark 1.1.0, sections 4.3 and 5.3.2.3; rule name → check. */
const checks: Record<string, Check> = {
  set_nftables_table: of('ruleset', (ruleset) =>
    lacking(
      'nft list ruleset shows no',
      /^table \S+ \S+ \{/m.test(ruleset) ? [] : ['table'],
      'the kernel has a table',
    ),
  ),
  set_nftables_base_chain: of('ruleset', (ruleset) =>
    lacking(
      'no base chain hooks in at',
      hooks.filter((hook) => !baseChain(ruleset, hook)),
      'base chains hook in at input, forward and output',
    ),
  ),
  set_nftables_loopback_traffic: of('ruleset', (ruleset) => {
    const input = baseChain(ruleset, 'input') ?? '';
    const wanted = {
      'accepting what arrives on the loopback interface': /iif(name)? "?lo"? accept/,
      'dropping 127.0.0.0/8 from elsewhere': /ip saddr 127\.0\.0\.0\/8 .*drop/,
      'dropping ::1 from elsewhere': /ip6 saddr ::1 .*drop/,
    };
    return lacking(
      'the input chain has no rule',
      Object.entries(wanted).flatMap(([name, pattern]) => (pattern.test(input) ? [] : [name])),
      'loopback addresses are accepted on the loopback interface only',
    );
  }),
  nftables_ensure_default_deny_policy: of('ruleset', (ruleset) =>
    lacking(
      'the policy is not drop at',
      hooks.filter((hook) => !/policy drop;/.test(baseChain(ruleset, hook) ?? '')),
      'the policy of input, forward and output is drop',
    ),
  ),
  nftables_rules_permanent: of('boot-ruleset', (file) =>
    lacking(
      '/etc/nftables.conf has no base chain at',
      hooks.filter((hook) => !baseChain(file, hook)),
      '/etc/nftables.conf holds the base chains that are loaded at boot',
    ),
  ),
  accounts_password_pam_pwquality_enabled: of('password-stack', (stack) =>
    lacking(
      '/etc/pam.d/common-password does not require',
      /^\s*password\s+(required|requisite)\s+pam_pwquality\.so\b/m.test(stack) ? [] : ['pam_pwquality'],
      '/etc/pam.d/common-password requires pam_pwquality',
    ),
  ),
};

/** XCCDF rule id → result, for the rules whose questions were answered. */
export function judgeAnswers(answers: Answers): Map<string, OwnResult> {
  const found = new Map<string, OwnResult>();
  for (const [name, check] of Object.entries(checks)) {
    const result = check(answers);
    if (result) found.set(rulePrefix + name, result);
  }
  return found;
}

/** @param ask runs a command as root; its standard output, or null when it failed */
export async function askQuestions(ask: (command: string) => Promise<string | null>): Promise<Answers> {
  const answers = new Map<string, string>();
  for (const [name, command] of Object.entries(questions)) {
    const answer = await ask(command);
    if (answer !== null) answers.set(name, answer);
  }
  return answers;
}
