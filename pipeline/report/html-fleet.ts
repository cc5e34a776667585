/** The fleet, group by group: what it was before the release, what it is after, and how it got there. */
import type { GroupState, ReleaseState } from '../journal/fold.ts';
import type { GroupBaseline, GroupOutcome } from '../journal/records.ts';
import { renderSizesChart } from './html-chart.ts';
import { badge, type Content, html, type Markup, plural, type Tone } from './html-markup.ts';

const outcomeTone: Record<GroupOutcome, Tone> = {
  promoted: 'good',
  'rolled-back': 'warn',
  unchanged: 'plain',
  stuck: 'bad',
};

export function renderFleet(state: ReleaseState): Markup {
  if (state.groups.length === 0) return html`<p class="absent">The release did not reach any group.</p>`;
  return html`<div class="legend"><span><i class="target"></i>on the release's version</span><span><i class="previous"></i>on earlier versions</span>
<span><i class="healthy"></i>serving</span><span><i class="desired"></i>desired</span></div>
${state.groups.map(renderGroup)}`;
}

function renderGroup(group: GroupState): Markup {
  const where = group.environment && `${group.environment}, wave ${group.wave}`;
  const outcome = group.outcome
    ? badge(group.outcome.replace('-', ' '), outcomeTone[group.outcome])
    : badge(group.baseline ? 'unfinished' : 'not touched', group.baseline ? 'warn' : 'plain');
  return html`<section class="group"><div class="head"><h3>${group.group}</h3><span class="where">${where}</span>${outcome}</div>
${group.baseline ? renderChange(group, group.baseline) : html`<div class="body"><p class="reason">Nothing was changed here.${group.reason && ` ${group.reason}`}</p></div>`}
</section>`;
}

function renderChange(group: GroupState, before: GroupBaseline): Markup {
  const { after, sizes } = group;
  const chart =
    renderSizesChart(group.group, sizes, group.finishedAt) ??
    html`<p class="absent">No sizes were recorded.</p>`;
  const target = after && after.resolvedVersion !== before.resolvedVersion ? after.resolvedVersion : null;
  const row = (
    name: string,
    show: (state: GroupBaseline) => Content,
    same: (state: GroupBaseline) => string,
  ) => {
    const changed = after && same(before) !== same(after);
    return html`<tr><th scope="row">${name}</th><td>${show(before)}</td><td class="${changed && 'changed'}">${after ? show(after) : 'unknown'}</td></tr>`;
  };
  const text = (
    value: (state: GroupBaseline) => string,
  ): [(s: GroupBaseline) => Content, (s: GroupBaseline) => string] => [value, value];
  const dots = (state: GroupBaseline) => [
    html`<span class="dots" aria-hidden="true">${staying(state.instances).map((i) => html`<i class="${target !== null && i.version === target && 'on'}${!i.healthy && ' sick'}"></i>`)}</span>`,
    instancesByVersion(state),
  ];
  return html`<div class="body"><div>${group.reason && html`<p class="reason">${group.reason}</p>`}${chart}</div>
<div><table><thead><tr><th></th><th scope="col">Before</th><th scope="col">After</th></tr></thead><tbody>
${row('Instances', dots, instancesByVersion)}
${row('Template', ...text((s) => `${s.templateName} ${versionText(s)}`))}
${row(
  'Image',
  (s) => html`<code class="wrap">${s.imageId ?? 'unknown'}</code>`,
  (s) => s.imageId ?? '',
)}
${row('Desired', ...text((s) => `${s.desired} (min ${s.min}, max ${s.max})`))}
${row('Suspended', ...text((s) => (s.suspendedProcesses.length > 0 ? s.suspendedProcesses.join(', ') : 'nothing')))}
</tbody></table></div></div>
<details><summary>Instances, ${staying(before.instances).length} before${after && `, ${staying(after.instances).length} after`}</summary>${renderInstances(before, after)}</details>
${renderAnswers(group)}`;
}

const versionText = (state: GroupBaseline): string =>
  state.templateVersion === String(state.resolvedVersion)
    ? `v${state.resolvedVersion}`
    : `${state.templateVersion} = v${state.resolvedVersion}`;

/** Without those on their way out: an old instance may still be terminating when its group has finished. */
export const staying = (instances: GroupBaseline['instances']): GroupBaseline['instances'] =>
  instances.filter(({ lifecycle }) => !/^(Terminat|Detach)/.test(lifecycle));

/** '3 × v4, 1 × v3'. */
function instancesByVersion({ instances }: GroupBaseline): string {
  const counts = new Map<string, number>();
  for (const { version } of staying(instances)) {
    const name = version === null ? 'no version' : `v${version}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, n]) => `${n} × ${name}`).join(', ') || 'none';
}

function renderInstances(before: GroupBaseline, after: GroupBaseline | null): Markup {
  const rows = (label: string, state: GroupBaseline | null) =>
    (state?.instances ?? []).map(
      (
        i,
      ) => html`<tr><td>${label}</td><td><code>${i.id}</code></td><td>${i.version === null ? 'none' : `v${i.version}`}</td>
<td>${i.zone}</td><td>${i.lifecycle}</td><td>${i.healthy ? 'healthy' : badge('unhealthy', 'bad')}</td></tr>`,
    );
  return html`<div class="scroll"><table><thead><tr><th scope="col"></th><th scope="col">Instance</th><th scope="col">Version</th><th scope="col">Zone</th><th scope="col">Lifecycle</th><th scope="col">Health</th></tr></thead>
<tbody>${rows('before', before)}${rows('after', after)}</tbody></table></div>`;
}

/** What gates and drains said; open when one said no. */
function renderAnswers({ answers }: GroupState): Markup | null {
  if (answers.length === 0) return null;
  const failed = answers.filter((answer) => answer.status === 'failed').length;
  const tones = { passed: 'good', waiting: 'plain', failed: 'bad' } as const;
  const rows = answers.map(
    (a) =>
      html`<tr><td class="nowrap">${a.at.slice(11, 19)}</td><td><code>${a.instance}</code></td><td>${a.source}</td><td>${badge(a.status, tones[a.status])}</td><td class="wrap">${a.reason}</td></tr>`,
  );
  const title = `Gates and drains: ${plural(answers.length, 'answer')}${failed > 0 ? `, ${failed} failed` : ''}`;
  const table = html`<div class="scroll"><table><thead><tr><th scope="col">UTC</th><th scope="col">Instance</th><th scope="col">Asked</th><th scope="col">Answer</th><th scope="col">Reason</th></tr></thead><tbody>${rows}</tbody></table></div>`;
  return failed > 0
    ? html`<details open=""><summary>${title}</summary>${table}</details>`
    : html`<details><summary>${title}</summary>${table}</details>`;
}
