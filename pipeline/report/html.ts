/**
 * The report of a release: one self-contained HTML page (no scripts, no network) that follows from the journal and
 * the artifacts it names, to the byte. Decides what is told and in which order; nothing is computed here that the
 * fold or the findings do not hold, and nothing outside the release (time, machine, locale) can change it.
 */
import { foldRelease } from '../journal/fold.ts';
import type { JournalRecord } from '../journal/records.ts';
import { renderCompliance } from './html-compliance.ts';
import { readFindings } from './html-findings.ts';
import { renderFleet } from './html-fleet.ts';
import { renderLineage, renderPolicies, renderSoftware, renderVerdicts } from './html-image.ts';
import { renderActions, renderArtifacts, renderRecordCounts } from './html-journal.ts';
import { type Content, html, Markup } from './html-markup.ts';
import { headline, renderOverview } from './html-overview.ts';
import { style } from './html-style.ts';
import { renderTimeline } from './html-timeline.ts';

/** Should the page ever hold markup from elsewhere, a browser still loads nothing and runs nothing. */
const contentPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/**
 * Renders verified records. `documents`: texts of the release's JSON artifacts by path (bundle.ts says which).
 * Throws like foldRelease.
 */
export function renderReport(
  records: readonly JournalRecord[],
  documents: ReadonlyMap<string, string>,
): string {
  const state = foldRelease(records);
  const findings = readFindings(documents);
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy}"><meta name="color-scheme" content="light dark">
<title>${headline(state)} · ${state.id}</title><style>${new Markup(style)}</style></head><body>
${renderOverview(state, findings)}
<main>
${section('Timeline', 'Every stage and wave as it ran.', renderTimeline(state))}
${section('Fleet', 'Each group before and after, and its capacity while it was being rolled.', renderFleet(state))}
${section('Verdicts', 'What the checks answered about the finished image, and what was accepted by whom.', [
  renderVerdicts(state),
  renderPolicies(findings.policies),
  findings.problems.map((problem) => html`<p class="absent">${problem}</p>`),
])}
${section('Compliance', 'The CIS benchmark, audited by ComplianceAsCode content on the image that runs.', renderCompliance(findings.compliance))}
${section('Software', 'What is installed, and what the distribution has fixed since.', renderSoftware(findings))}
${section('Lineage', 'What the image was made from.', renderLineage(state))}
${section('Journal', 'Each change was recorded before it was made, and its outcome after.', [
  renderActions(state),
  renderArtifacts(state),
  renderRecordCounts(records),
])}
</main>
<footer><p>Written by Drover ${state.droverVersion} from ${state.records} journal records, the last of ${state.lastRecordAt}. All times are UTC.
This page is a rendering: the journal beside it is the record, and the signed manifest vouches for both.</p></footer>
</body></html>
`;
  return page.text;
}

const section = (title: string, lead: string, content: Content) =>
  html`<section aria-label="${title}"><h2>${title}</h2><p class="lead">${lead}</p>${content}</section>`;
