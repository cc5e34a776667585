/** The report's top: how the release ended, in one sentence, and the figures and facts a reader asks for first. */
import type { GroupState, ReleaseState } from '../journal/fold.ts';
import type { Findings } from './html-findings.ts';
import { staying } from './html-fleet.ts';
import {
  badge,
  type Content,
  count,
  dateTime,
  duration,
  epochMs,
  html,
  type Markup,
  percent,
  plural,
  shortDigest,
  type Tone,
} from './html-markup.ts';

export const statusTone: Record<ReleaseState['status'], Tone> = {
  open: 'warn',
  interrupted: 'warn',
  promoted: 'good',
  failed: 'bad',
  'rolled-back': 'bad',
  stuck: 'bad',
};

export const statusWord: Record<ReleaseState['status'], string> = {
  open: 'Not closed',
  interrupted: 'Interrupted',
  promoted: 'Promoted',
  failed: 'Failed',
  'rolled-back': 'Rolled back',
  stuck: 'Stuck',
};

/** One sentence for the whole release. */
export function headline(state: ReleaseState): string {
  const image = state.image ? state.image.name : 'no image';
  if (state.recovery) {
    const { group, of } = state.recovery;
    const is =
      state.status === 'rolled-back' ? 'was' : state.status === 'stuck' ? 'could not be' : 'is being';
    return `${group} ${is} put back from the marks that release ${of} left on it`;
  }
  const changed = plural(state.groups.filter((group) => group.baseline !== null).length, 'group');
  if (!state.image && state.status === 'open')
    return 'The release is on its way; no image has been built yet';
  if (!state.image && state.status === 'interrupted')
    return 'The release was interrupted before an image was built';
  switch (state.status) {
    case 'promoted':
      return `${changed} moved to ${image}`;
    case 'rolled-back':
      return `${image} was rolled back: ${changed} returned to the previous version`;
    case 'failed':
      return state.image
        ? `${image} was stopped before production`
        : 'The release failed before an image was built';
    case 'stuck':
      return `${image} is stuck and needs a person`;
    case 'interrupted':
      return `${image} was interrupted and can be resumed`;
    case 'open':
      return `${image} is on its way`;
  }
}

export function renderOverview(state: ReleaseState, findings: Findings): Markup {
  const elapsedMs = epochMs(state.closedAt ?? state.lastRecordAt) - epochMs(state.openedAt);
  const source = state.image?.lineage.source;
  return html`<header class="top">
<div class="kicker"><span class="mark">Drover</span><span>Release report</span><code>${state.id}</code>
${badge(statusWord[state.status], statusTone[state.status])}${state.emergency && badge('Emergency', 'bad')}</div>
<h1>${headline(state)}</h1>
<p class="why">${state.closingReason ?? 'The journal ends before the release was closed.'}</p>
<div class="tiles">${tiles(state, findings, elapsedMs)}</div>
<dl class="facts">
<div class="wide"><dt>Reason</dt><dd>${state.reason}</dd></div>
${fact('Actor', state.actor)}
${fact('Opened', `${dateTime(state.openedAt)} UTC`)}
${fact(state.closedAt ? 'Closed' : 'Last record', `${dateTime(state.closedAt ?? state.lastRecordAt)} UTC`)}
${fact('Image', state.image ? html`<code>${state.image.id}</code>` : 'none')}
${fact('Cloud', [state.cloud.provider, state.cloud.region, state.cloud.account].filter(Boolean).join(', '))}
${fact('Source', source?.commit ? html`<code>${source.commit.slice(0, 12)}</code>${source.dirty && ' with uncommitted changes'}` : 'unknown')}
${fact('Configuration', html`SHA-256 ${shortDigest(state.configSha256)}`)}
${fact('Drover', state.droverVersion)}
${fact('Journal', plural(state.records, 'record'))}
</dl>
</header>`;
}

const fact = (name: string, value: Content) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

function tiles(state: ReleaseState, findings: Findings, elapsedMs: number): Markup[] {
  const replaced = state.groups.reduce((sum, group) => sum + onNewImage(group, state), 0);
  const current = ({ after, baseline }: GroupState) => staying((after ?? baseline)?.instances ?? []).length;
  const total = state.groups.reduce((sum, group) => sum + current(group), 0);
  const lowest = lowestCapacity(state.groups);
  const { compliance, updates } = findings;
  const score = compliance?.scoreNetOfWaivers ?? compliance?.score ?? null;
  return [
    tile('Whole release', duration(elapsedMs), interruptionNote(state)),
    tile(
      'On the new image',
      `${count(replaced)} of ${count(total)}`,
      `instances, in ${plural(state.groups.filter((g) => g.baseline).length, 'group')}`,
      total > 0 && replaced === total ? 'good' : 'plain',
    ),
    lowest &&
      tile(
        'Least serving capacity',
        lowest.fraction >= 1 ? '100 %' : percent(lowest.fraction),
        lowest.fraction >= 1 ? 'never below desired' : `of desired, in ${lowest.group}`,
        lowest.fraction >= 1 ? 'good' : 'warn',
      ),
    tile(
      'Compliance',
      score === null ? 'no score' : percent(score),
      compliance
        ? `${count(compliance.counts.fail ?? 0)} rules fail, ${count(compliance.waived)} waived`
        : 'no audit in this release',
      score === null ? 'bad' : score >= 0.95 ? 'good' : 'warn',
    ),
    tile(
      'Missing security updates',
      updates ? count(updates.security.length) : 'unknown',
      updates ? `${count(updates.packages)} packages checked` : 'not checked in this release',
      updates ? (updates.security.length === 0 ? 'good' : 'bad') : 'bad',
    ),
  ].filter((shown) => shown !== null);
}

const tile = (label: string, value: string, note: string, tone: Tone = 'plain') =>
  html`<div class="tile"><div class="label">${label}</div><div class="value ${tone}">${value}</div><div class="note">${note}</div></div>`;

function interruptionNote({ interruptions }: ReleaseState): string {
  const resumed = interruptions.filter((event) => event.kind === 'resumed').length;
  return resumed > 0 ? `resumed ${resumed === 1 ? 'once' : `${resumed} times`}` : 'in one go';
}

function onNewImage({ after }: GroupState, { image }: ReleaseState): number {
  if (!after || after.imageId === null || after.imageId !== image?.id) return 0;
  return staying(after.instances).filter((instance) => instance.version === after.resolvedVersion).length;
}

/** The lowest healthy-to-desired ratio any group showed while it was being rolled. */
function lowestCapacity(groups: readonly GroupState[]): { fraction: number; group: string } | null {
  let lowest: { fraction: number; group: string } | null = null;
  for (const { group, sizes } of groups) {
    for (const { healthy, desired } of sizes) {
      if (desired === 0) continue;
      const fraction = healthy / desired;
      if (lowest === null || fraction < lowest.fraction) lowest = { fraction, group };
    }
  }
  return lowest;
}
