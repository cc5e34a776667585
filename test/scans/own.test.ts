import { describe, expect, test } from 'vitest';
import { askQuestions, judgeAnswers, questions } from '../../scans/compliance/own.ts';

const ssg = (name: string) => `xccdf_org.ssgproject.content_rule_${name}`;

/** As `nft list ruleset` of nftables 1.0.6 prints it. */
const ruleset = `table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iif "lo" accept
		ip saddr 127.0.0.0/8 counter packets 0 bytes 0 drop
		ip6 saddr ::1 counter packets 0 bytes 0 drop
		ct state established,related accept
		meta l4proto { icmp, ipv6-icmp } accept
		tcp dport 22 accept
	}

	chain forward {
		type filter hook forward priority filter; policy drop;
	}

	chain output {
		type filter hook output priority filter; policy drop;
		accept comment "everything may leave"
	}
}
`;
const stack = 'password requisite pam_pwquality.so retry=3\npassword required pam_permit.so\n';
const good = { ruleset, 'boot-ruleset': ruleset, 'password-stack': stack };

const judge = (changed: Partial<typeof good> = {}) =>
  judgeAnswers(new Map(Object.entries({ ...good, ...changed })));
const failing = (changed: Partial<typeof good>) =>
  [...judge(changed)].filter(([, { result }]) => result === 'fail').map(([id]) => id.replace(/.*_rule_/, ''));

describe("Drover's own checks", () => {
  test('pass for a firewall and a password stack as the catalogue writes them', () => {
    expect([...judge().values()].map(({ result }) => result)).toEqual(Array(6).fill('pass'));
  });
  test.each([
    [
      'a chain that lets everything in',
      {
        ruleset: ruleset.replace(
          'input priority filter; policy drop',
          'input priority filter; policy accept',
        ),
      },
      ['nftables_ensure_default_deny_policy'],
    ],
    [
      'a missing forward chain',
      { ruleset: ruleset.replace('hook forward', 'hook ingress') },
      ['set_nftables_base_chain', 'nftables_ensure_default_deny_policy'],
    ],
    [
      'loopback addresses from outside',
      { ruleset: ruleset.replace(/^.*127\.0\.0.*\n/m, '') },
      ['set_nftables_loopback_traffic'],
    ],
    [
      'a firewall that is gone after a reboot',
      { 'boot-ruleset': '#!/usr/sbin/nft -f\nflush ruleset\n' },
      ['nftables_rules_permanent'],
    ],
    [
      'an optional password check',
      { 'password-stack': stack.replace('requisite', 'optional') },
      ['accounts_password_pam_pwquality_enabled'],
    ],
    [
      'no rules at all',
      { ruleset: '' },
      [
        'set_nftables_table',
        'set_nftables_base_chain',
        'set_nftables_loopback_traffic',
        'nftables_ensure_default_deny_policy',
      ],
    ],
  ])('fail for %s, and for nothing else', (_, changed, rules) => {
    expect(failing(changed)).toEqual(rules);
  });
  test('say what they found missing', () => {
    const { remark } = judge({ ruleset: '' }).get(ssg('set_nftables_base_chain'))!;
    expect(remark).toBe('no base chain hooks in at: input, forward, output');
  });
  test('have no result where the system did not answer', async () => {
    const answers = await askQuestions(async (command) => (command.startsWith('nft') ? null : stack));
    expect(answers.size).toBe(Object.keys(questions).length - 1);
    expect([...judgeAnswers(answers).keys()]).toEqual([
      ssg('nftables_rules_permanent'),
      ssg('accounts_password_pam_pwquality_enabled'),
    ]);
  });
});
