/**
 * The firewall, nft(8): one table that lets out everything, lets in what answers, and beyond that only the ports
 * named here. The table is the benchmark's (CIS 4.3.4 to 4.3.8: inet, with input, forward and output chains that
 * drop unless told otherwise, and loopback addresses on the loopback interface only).
 */
import { z } from 'zod';
import { about, generated, type Kind, statements, textOf } from './kind.ts';

const path = 'etc/nftables.conf';
const inputRule = /^(tcp|udp) dport (\d+(?:-\d+)?) accept$/;
const forwardRule = 'accept comment "this machine routes"';

export const firewall: Kind = {
  name: z
    .string()
    .regex(
      /^((tcp|udp) \d{1,5}(-\d{1,5})?|forward)$/,
      "as 'tcp 443', 'udp 8472', 'tcp 30000-32767' or 'forward'",
    ),
  value: z.enum(['open', 'closed']),
  async read(root, desired) {
    const found = new Map<string, string>([...desired.keys()].map((name) => [name, 'closed']));
    let chain = '';
    for (const line of statements(await textOf(root, path))) {
      chain = /^chain (\w+)/.exec(line)?.[1] ?? chain;
      const [, protocol, port] = inputRule.exec(line) ?? [];
      if (chain === 'input' && protocol) found.set(`${protocol} ${port}`, 'open');
      if (chain === 'forward' && line === forwardRule) found.set('forward', 'open');
    }
    return about(desired, found);
  },
  change(desired) {
    const open = [...desired].filter(([, value]) => value === 'open').map(([name]) => name);
    const ports = open
      .filter((name) => name !== 'forward')
      .sort((one, two) => one.localeCompare(two, 'en', { numeric: true }));
    const chain = (name: string, policy: string, rules: string[]) => [
      `  chain ${name} {`,
      `    type filter hook ${name} priority 0; policy ${policy};`,
      ...rules.map((rule) => `    ${rule}`),
      '  }',
    ];
    const rules = [
      '#!/usr/sbin/nft -f',
      'flush ruleset',
      'table inet filter {',
      ...chain('input', 'drop', [
        'iif "lo" accept',
        'ip saddr 127.0.0.0/8 counter drop',
        'ip6 saddr ::1 counter drop',
        'ct state established,related accept',
        'ct state invalid drop',
        // ICMP and ICMPv6: path MTU discovery and IPv6's neighbours stop working without them (RFC 4890). As numbers,
        // because a minimal system has no /etc/protocols to look the names up in.
        'meta l4proto { 1, 58 } accept',
        'udp dport 68 udp sport 67 accept',
        'ip6 daddr fe80::/10 udp dport 546 accept',
        ...ports.map((port) => `${port.replace(' ', ' dport ')} accept`),
      ]),
      ...chain('forward', 'drop', open.includes('forward') ? [forwardRule] : []),
      // What a server sends is its own business; an instance's egress is bounded by its security group.
      ...chain('output', 'drop', ['accept comment "everything may leave"']),
      '}',
      '',
    ];
    return [
      { do: 'file', path, mode: '0755', text: `${rules[0]}\n${generated}${rules.slice(1).join('\n')}` },
    ];
  },
};
