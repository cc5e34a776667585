/** The audit of the finished image: score by section of the benchmark, open findings, waivers. */
import type { ComplianceFindings, ComplianceRule } from './html-findings.ts';
import { badge, coordinate, count, html, type Markup, percent, plural, type Tone } from './html-markup.ts';

/** Chapters of the CIS Debian Linux 12 Benchmark 1.1.0; rules carry only their numbers. */
const chapters: Record<string, string> = {
  '1': 'Initial setup',
  '2': 'Services',
  '3': 'Network',
  '4': 'Host-based firewall',
  '5': 'Access control',
  '6': 'Logging and auditing',
  '7': 'System maintenance',
};

export function renderCompliance(found: ComplianceFindings | null): Markup {
  if (!found) return html`<p class="absent">This release holds no readable compliance results.</p>`;
  const failing = found.rules.filter((rule) => rule.result === 'fail');
  const open = failing.filter((rule) => !isWaived(rule));
  const unanswered = found.rules.filter((rule) => ['error', 'unknown', 'notchecked'].includes(rule.result));
  return html`<div class="panel"><h3>Score by section</h3>${renderSections(found.rules)}
<p class="small muted" style="margin-top:14px">${scoreSentence(found)} Judged by ${found.scanner} with ${found.content.package} ${found.content.version}, profile <code>${found.profile.replace('xccdf_org.ssgproject.content_profile_', '')}</code>:
${count(found.judged.offline)} rules from the finished disk, ${count(found.judged.booted)} in the booted image${found.judged.own > 0 && html`, ${count(found.judged.own)} that the benchmark leaves to a person by Drover's own checks`}.</p></div>
<div class="panel"><h3>Open findings</h3>${renderFindings(open, 'No rule fails without a waiver.')}</div>
${failing.length > open.length && html`<div class="panel"><h3>Waivers in use</h3>${renderWaivers(failing.filter(isWaived))}</div>`}
${unanswered.length > 0 && html`<div class="panel"><h3>Rules without an answer</h3>${renderFindings(unanswered, '')}</div>`}`;
}

const isWaived = (rule: ComplianceRule): boolean => rule.waiver !== null && !rule.waiver.expired;

function scoreSentence({ score, scoreNetOfWaivers, counts, waived }: ComplianceFindings): string {
  if (score === null) return 'No rule passed or failed.';
  const net =
    waived > 0 && scoreNetOfWaivers !== null
      ? `; net of ${plural(waived, 'waiver')} ${percent(scoreNetOfWaivers)}`
      : '';
  const rest = (counts.notapplicable ?? 0) + (counts.notchecked ?? 0) + (counts.informational ?? 0);
  return `${percent(score)} of the rules that pass or fail${net}; ${count(rest)} others do not apply or have no automatic check.`;
}

interface SectionCounts {
  name: string;
  pass: number;
  waived: number;
  fail: number;
}

function renderSections(rules: readonly ComplianceRule[]): Markup {
  const sections = new Map<string, SectionCounts>();
  for (const rule of rules) {
    const outcome =
      rule.result === 'pass' || rule.result === 'fixed'
        ? 'pass'
        : rule.result === 'fail'
          ? isWaived(rule)
            ? 'waived'
            : 'fail'
          : null;
    if (!outcome) continue;
    const chapter = rule.sections[0]?.split('.')[0] ?? '';
    const name = chapter === '' ? 'Beyond the benchmark' : `${chapter}  ${chapters[chapter] ?? 'Section'}`;
    const section = sections.get(name) ?? { name, pass: 0, waived: 0, fail: 0 };
    section[outcome] += 1;
    sections.set(name, section);
  }
  const sorted = [...sections.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return html`<div class="sections">${sorted.map(renderSection)}</div>`;
}

function renderSection({ name, pass, waived, fail }: SectionCounts): Markup {
  const total = pass + waived + fail;
  const part = (kind: string, n: number) =>
    n > 0 && html`<div class="${kind}" style="width:${coordinate((n / total) * 100)}%"></div>`;
  const failing = [fail > 0 && `${fail} failing`, waived > 0 && `${waived} waived`]
    .filter(Boolean)
    .join(', ');
  return html`<div class="line"><div>${name}</div><div class="meter" role="img" aria-label="${pass} of ${total} pass">${part('pass', pass)}${part('waived', waived)}${part('fail', fail)}</div>
<div class="figure">${pass} of ${total}${failing && `, ${failing}`}</div></div>`;
}

const severityTone: Record<string, Tone> = { high: 'bad', medium: 'warn', low: 'plain' };

const judges: Record<string, string> = { offline: 'disk', booted: 'booted', own: 'own check' };

const ruleName = (id: string): string => id.replace('xccdf_org.ssgproject.content_rule_', '');

function renderFindings(rules: readonly ComplianceRule[], none: string): Markup {
  if (rules.length === 0) return html`<p class="ok">${none}</p>`;
  const rows = rules.map(
    (
      rule,
    ) => html`<tr><td class="nowrap">${rule.sections[0] ?? 'none'}</td><td>${rule.title}<br><code class="muted wrap">${ruleName(rule.id)}</code>${rule.waiver?.expired && html` ${badge(`waiver expired ${rule.waiver.expires}`, 'bad')}`}</td>
<td>${badge(rule.severity, severityTone[rule.severity] ?? 'plain')}</td><td class="nowrap muted">${judges[rule.judged] ?? rule.judged}</td></tr>`,
  );
  const table = html`<div class="scroll"><table><thead><tr><th scope="col">CIS</th><th scope="col">Rule</th><th scope="col">Severity</th><th scope="col">Judged</th></tr></thead><tbody>${rows}</tbody></table></div>`;
  // A long list is folded: the sections above say where to look.
  return rules.length > 25
    ? html`<details><summary>${plural(rules.length, 'rule')}</summary>${table}</details>`
    : table;
}

function renderWaivers(rules: readonly ComplianceRule[]): Markup {
  const rows = rules.map(
    (rule) =>
      html`<tr><td>${rule.sections[0] ?? 'none'}</td><td>${rule.title}<br><code class="muted wrap">${ruleName(rule.id)}</code></td><td>${rule.waiver?.reason}</td><td class="nowrap">${rule.waiver?.owner}</td><td class="nowrap">${rule.waiver?.expires}</td></tr>`,
  );
  return html`<div class="scroll"><table><thead><tr><th scope="col">CIS</th><th scope="col">Rule</th><th scope="col">Reason</th><th scope="col">Owner</th><th scope="col">Until</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}
