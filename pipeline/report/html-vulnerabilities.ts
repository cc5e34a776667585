/** What is known to be wrong with the image's software, and what changed since the release before. */
import type { ChangesFindings, VulnerabilitiesFindings } from './html-findings.ts';
import { badge, count, html, type Markup, plural, type Tone } from './html-markup.ts';

const tones: Record<string, Tone> = { critical: 'bad', high: 'bad', medium: 'warn' };
/** A longer list is folded: what is exploited and worst comes first. */
const shown = 25;

export function renderVulnerabilities(found: VulnerabilitiesFindings | null): Markup {
  if (!found) return html`<p class="absent">This release holds no readable list of vulnerabilities.</p>`;
  const { findings, scanners, kev } = found;
  const asked = ['the distribution', ...scanners.map(({ scanner }) => scanner)].join(', ');
  const catalogue = kev ? `KEV catalogue ${kev.version}` : 'no KEV catalogue';
  const source = html`<p class="small muted">By ${asked}; ${catalogue}.</p>`;
  // Nobody can say that there are none.
  if (findings.length === 0) return html`<p class="ok">No finding.</p>${source}`;
  const rows = findings.map(
    (v) =>
      html`<tr><td class="nowrap">${v.id}${v.exploited && html`<br>${badge('exploited', 'bad')}`}</td><td>${badge(v.severity, tones[v.severity] ?? 'plain')}</td>
<td class="wrap">${v.package} ${v.installed}</td><td class="wrap">${v.fixed ?? 'no fix yet'}</td><td class="nowrap muted">${v.firstSeen.slice(0, 10)}</td></tr>`,
  );
  const table = html`<div class="scroll"><table><thead><tr><th scope="col">Vulnerability</th><th scope="col">Severity</th><th scope="col">Package</th><th scope="col">Fixed in</th><th scope="col">First seen</th></tr></thead><tbody>${rows}</tbody></table></div>`;
  const folded =
    rows.length > shown
      ? html`<details><summary>${plural(rows.length, 'finding')}</summary>${table}</details>`
      : table;
  return html`${folded}${source}`;
}

export function renderChanges(found: ChangesFindings | null): Markup {
  if (!found) return html`<p class="absent">There is no earlier release to compare with.</p>`;
  const { since, packages, cvesFixed, findings, rules } = found;
  const lists = [
    listed(
      'Upgraded',
      packages.upgraded.map(
        (u) => `${u.package} ${u.from} → ${u.to}${u.cves ? '' : ' (no changelog says what is fixed)'}`,
      ),
    ),
    listed(
      'Added',
      packages.added.map((p) => `${p.package} ${p.version}`),
    ),
    listed(
      'Removed',
      packages.removed.map((p) => `${p.package} ${p.version}`),
    ),
    listed('CVEs fixed by upgrades', cvesFixed),
    listed('New findings', findings.appeared),
    listed('Findings gone', findings.gone),
    listed(
      'Rules judged differently',
      rules.map(({ id, from, to }) => `${ruleName(id)}: ${from} → ${to}`),
    ),
  ];
  return html`<p>Since <code>${since}</code>:</p>${lists.some(Boolean) ? lists : html`<p class="ok">nothing changed.</p>`}`;
}

const listed = (title: string, items: readonly string[]): Markup | null =>
  items.length === 0
    ? null
    : html`<details><summary>${title}, ${count(items.length)}</summary><ul>${items.map((item) => html`<li class="wrap">${item}</li>`)}</ul></details>`;

const ruleName = (id: string): string => id.replace('xccdf_org.ssgproject.content_rule_', '');
