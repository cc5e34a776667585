/** The journal for people: every change to the fleet with its reason and outcome, and the artifacts by digest. */
import type { ActionState, ReleaseState } from '../journal/fold.ts';
import type { JournalRecord } from '../journal/records.ts';
import { badge, epochMs, html, type Markup, plural, size, timeOfDay } from './html-markup.ts';

export function renderActions(state: ReleaseState): Markup {
  if (state.actions.length === 0) return html`<p class="absent">Nothing was changed in the cloud.</p>`;
  const failed = state.actions.filter((action) => action.outcome?.status === 'failed').length;
  const doubtful = state.unfinished.length;
  const title = [
    plural(state.actions.length, 'change'),
    failed > 0 && `${failed} failed`,
    doubtful > 0 && `${doubtful} without an outcome`,
  ].filter(Boolean);
  const table = html`<div class="scroll"><table><thead><tr><th scope="col">UTC</th><th scope="col">Group</th><th scope="col">Change</th><th scope="col">Why</th><th scope="col">Outcome</th></tr></thead>
<tbody>${state.actions.map(renderAction)}</tbody></table></div>`;
  return html`<details><summary>${title.join(', ')}</summary>${table}</details>`;
}

function renderAction(action: ActionState): Markup {
  const given = Object.entries(action.arguments)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
  return html`<tr><td class="nowrap">${timeOfDay(action.at)}</td><td class="nowrap">${action.group}</td><td><code>${action.action}</code><br><span class="small muted wrap">${given}</span></td>
<td>${action.why}${action.attempts > 1 && html` <span class="muted">(attempt ${action.attempts})</span>`}</td><td>${renderOutcome(action)}</td></tr>`;
}

function renderOutcome({ at, outcome }: ActionState): Markup {
  if (!outcome) return badge('no outcome', 'warn');
  const took = html`<span class="small muted nowrap">${epochMs(outcome.at) - epochMs(at)} ms</span>`;
  if (outcome.status === 'done') return html`${badge('done', 'good')} ${took}`;
  return html`${badge(outcome.status, 'bad')} ${took}<br><span class="small wrap">${outcome.error}</span>`;
}

export function renderArtifacts(state: ReleaseState): Markup | null {
  const byPath = new Map(
    [
      ...state.stages.flatMap((stage) => stage.artifacts),
      ...state.verdicts.flatMap((verdict) => verdict.artifacts),
    ].map((artifact) => [artifact.path, artifact]),
  );
  const artifacts = [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  if (artifacts.length === 0) return null;
  const rows = artifacts.map(
    (a) =>
      html`<tr><td>${a.name}</td><td><code class="wrap">${a.path}</code></td><td class="num nowrap">${size(a.bytes)}</td><td><code class="wrap">${a.sha256}</code></td></tr>`,
  );
  return html`<details><summary>${plural(artifacts.length, 'artifact')}</summary><div class="scroll"><table><thead><tr><th scope="col">Artifact</th><th scope="col">Path</th><th scope="col" class="num">Size</th><th scope="col">SHA-256</th></tr></thead><tbody>${rows}</tbody></table></div></details>`;
}

/** How many records of each type; the records themselves are in journal.jsonl. */
export function renderRecordCounts(records: readonly JournalRecord[]): Markup {
  const counts = new Map<string, number>();
  for (const { type } of records) counts.set(type, (counts.get(type) ?? 0) + 1);
  const rows = [...counts].map(
    ([type, n]) => html`<tr><td><code>${type}</code></td><td class="num">${n}</td></tr>`,
  );
  return html`<details><summary>${plural(records.length, 'record')} by type</summary><table style="max-width:420px"><tbody>${rows}</tbody></table></details>`;
}
