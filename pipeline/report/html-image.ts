/** The image: what was said about it (verdicts, policies, updates, bill of materials, vulnerabilities) and what it was made from. */
import type { ReleaseState } from '../journal/fold.ts';
import type { Findings, PolicyFindings, SbomFindings, UpdatesFindings } from './html-findings.ts';
import {
  badge,
  type Content,
  count,
  dateTime,
  html,
  type Markup,
  plural,
  shortDigest,
  size,
  type Tone,
} from './html-markup.ts';
import { renderChanges, renderVulnerabilities } from './html-vulnerabilities.ts';

export function renderVerdicts(state: ReleaseState): Markup {
  if (state.verdicts.length === 0) return html`<p class="absent">No check has answered about this image.</p>`;
  const rows = state.verdicts.map(
    (
      verdict,
    ) => html`<tr><td class="nowrap">${verdict.check}</td><td>${badge(verdict.status, verdict.status === 'passed' ? 'good' : 'bad')}</td>
<td>${verdict.reasons.map((reason) => html`<p>${reason}</p>`)}</td><td class="nowrap muted">${dateTime(verdict.at).slice(11)}</td></tr>`,
  );
  const overrides = state.overrides.map(
    (o) =>
      html`<tr><td class="nowrap">${o.check}</td><td>${badge('accepted', 'warn')}</td><td>${o.reason}<br><span class="muted">by ${o.actor}</span></td><td class="nowrap muted">${dateTime(o.at).slice(11)}</td></tr>`,
  );
  return html`<div class="panel"><table><thead><tr><th scope="col">Check</th><th scope="col">Answer</th><th scope="col">Because</th><th scope="col">UTC</th></tr></thead><tbody>${rows}${overrides}</tbody></table></div>`;
}

const policyTone: Record<string, Tone> = {
  passed: 'good',
  failed: 'bad',
  advised: 'plain',
  overridden: 'warn',
};

export function renderPolicies(found: PolicyFindings | null): Markup | null {
  if (!found) return null;
  const rows = found.results.map(
    (
      policy,
    ) => html`<tr><td>${policy.title}<br><code class="muted">${policy.id}</code></td><td class="nowrap">${policy.level}</td><td>${badge(policy.outcome, policyTone[policy.outcome] ?? 'plain')}</td>
<td>${policy.outcome === 'passed' ? '' : policy.reason}</td></tr>`,
  );
  return html`<div class="panel"><h3>Policies</h3><table><thead><tr><th scope="col" style="width:44%">Policy</th><th scope="col">Level</th><th scope="col">Answer</th><th scope="col">Because</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

export function renderSoftware({ updates, sbom, vulnerabilities, changes }: Findings): Markup {
  return html`<div class="columns"><div class="panel"><h3>Known vulnerabilities</h3>${renderVulnerabilities(vulnerabilities)}</div>
<div class="panel"><h3>What changed</h3>${renderChanges(changes)}</div></div>
<div class="columns"><div class="panel"><h3>Missing updates</h3>${renderUpdates(updates)}</div>
<div class="panel"><h3>Software bill of materials</h3>${renderSbom(sbom)}</div></div>`;
}

function renderUpdates(found: UpdatesFindings | null): Markup {
  if (!found) return html`<p class="absent">This release holds no readable list of missing updates.</p>`;
  const rows = found.security.map(
    (u) =>
      html`<tr><td>${u.package}</td><td class="wrap">${u.installed} → <span class="changed">${u.available}</span></td><td class="nowrap muted">${u.suite}</td></tr>`,
  );
  const verdict =
    rows.length === 0
      ? html`<p class="ok">No security update is missing.</p>`
      : html`<table><thead><tr><th scope="col">Package</th><th scope="col">Installed → available</th><th scope="col">Suite</th></tr></thead><tbody>${rows}</tbody></table>`;
  return html`${verdict}<p class="small muted">${plural(found.packages, 'package')} compared with the distribution's indexes; ${count(found.other.length)} with newer versions elsewhere, ${count(found.unknown.length)} unknown to them.</p>`;
}

function renderSbom(found: SbomFindings | null): Markup {
  if (!found) return html`<p class="absent">This release holds no readable bill of materials.</p>`;
  const packages = found.components.filter(({ type }) => type !== 'operating-system');
  const licensed = packages.filter(({ licenses = [] }) => licenses.length > 0).length;
  return html`<p>${plural(packages.length, 'component')}, ${count(licensed)} of them with declared licences.</p>
<p class="small muted wrap">CycloneDX ${found.specVersion}${found.serialNumber && html`, <code>${found.serialNumber}</code>`}</p>`;
}

export function renderLineage({ image }: ReleaseState): Markup {
  if (!image) return html`<p class="absent">No image was built in this release.</p>`;
  const { lineage, disk } = image;
  const { content, profile, tailoring } = lineage.hardening;
  const tools = Object.entries(lineage.tools).sort(([a], [b]) => (a < b ? -1 : 1));
  const inputs = Object.entries(lineage.base.inputs).sort(([a], [b]) => (a < b ? -1 : 1));
  return html`<div class="panel"><dl class="facts">
${fact('Image', html`${image.name}<br><code>${image.id}</code>`)}
${fact('Built', `${dateTime(image.builtAt)} UTC by ${image.builder}`)}
${fact('System', `${image.distribution}, ${image.architecture}, role ${image.role}`)}
${fact('Disk', disk ? html`${size(disk.bytes)} ${disk.format}, SHA-256 ${shortDigest(disk.sha256)}` : 'in the cloud only')}
${fact('Base', html`${lineage.base.description}<br><code class="wrap">${lineage.base.id}</code>`)}
${fact('Provisioners', html`SHA-256 ${shortDigest(lineage.provisioners)}`)}
${fact('Benchmark', html`${content.package} ${content.version}<br><span class="small muted">${content.file}, SHA-256 ${shortDigest(content.sha256)}</span>`)}
${fact('Profile', html`<code class="wrap">${profile}</code><br><span class="small muted">tailoring SHA-256 ${shortDigest(tailoring)}</span>`)}
${fact(
  'Tools',
  tools.map(([name, version], n) => html`${n > 0 && ', '}<span class="nowrap">${name} ${version}</span>`),
)}
</dl>${inputs.length > 0 && html`<details><summary>Inputs of the base, ${inputs.length}</summary><table><tbody>${inputs.map(([name, value]) => html`<tr><th scope="row">${name}</th><td class="wrap"><code>${value}</code></td></tr>`)}</tbody></table></details>`}</div>`;
}

const fact = (name: string, value: Content) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
