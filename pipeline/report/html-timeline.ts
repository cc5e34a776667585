/** The release against the clock: stages, their waves, rollbacks and interruptions, on one axis. */
import type { ReleaseState, RollbackState, StageState, WaveState } from '../journal/fold.ts';
import { coordinate, duration, epochMs, html, type Markup, timeOfDay } from './html-markup.ts';

interface Row {
  name: string;
  sub: boolean;
  look: 'passed' | 'failed' | 'running' | 'interrupted' | 'rollback';
  fromMs: number;
  toMs: number;
  summary: string | null;
}

export function renderTimeline(state: ReleaseState): Markup {
  const rows = rowsOf(state);
  if (rows.length === 0) return html`<p class="absent">No stage was started.</p>`;
  const fromMs = epochMs(state.openedAt);
  const toMs = Math.max(...rows.map((row) => row.toMs), fromMs + 1000);
  const tickMs = niceTick(toMs - fromMs);
  const at = (ms: number) => ((ms - fromMs) / (toMs - fromMs)) * 100;
  const marks = state.interruptions.map(
    (event) =>
      html`<div class="mark" style="left:${coordinate(Math.min(100, at(epochMs(event.at))))}%" title="${event.kind} at ${timeOfDay(event.at)}"></div>`,
  );
  return html`<div class="timeline" style="--tick:${coordinate((tickMs / (toMs - fromMs)) * 100)}%">
<div class="row axis"><div></div><div class="track">${axis(fromMs, toMs, tickMs)}</div></div>
${rows.map((row) => renderRow(row, at, marks))}
</div>${renderInterruptions(state)}`;
}

function rowsOf(state: ReleaseState): Row[] {
  const endMs = epochMs(state.lastRecordAt);
  return (
    state.stages
      // The evidence stage is what writes this page; it cannot show its own end.
      .filter((stage) => stage.startedAt !== null && stage.stage !== 'evidence')
      .flatMap((stage) => [
        stageRow(stage, endMs),
        ...state.waves
          .filter(
            (wave) =>
              (stage.stage === 'bake' ? 'staging' : stage.stage === 'rollout' ? 'production' : null) ===
              wave.environment,
          )
          .map((wave) => waveRow(wave, endMs)),
      ])
      .concat(state.rollbacks.map((rollback) => rollbackRow(rollback, endMs)))
  );
}

function stageRow(stage: StageState, endMs: number): Row {
  const fromMs = epochMs(stage.startedAt!);
  return {
    name: stage.attempts > 1 ? `${stage.stage} (attempt ${stage.attempts})` : stage.stage,
    sub: false,
    look: stage.status === 'pending' ? 'running' : stage.status,
    fromMs,
    toMs: stage.finishedAt ? epochMs(stage.finishedAt) : endMs,
    summary: stage.summary,
  };
}

const waveRow = (wave: WaveState, endMs: number): Row => ({
  name: `wave ${wave.wave}`,
  sub: true,
  look: wave.status === 'promoted' ? 'passed' : wave.status,
  fromMs: epochMs(wave.startedAt),
  toMs: wave.finishedAt ? epochMs(wave.finishedAt) : endMs,
  summary: null,
});

const rollbackRow = (rollback: RollbackState, endMs: number): Row => ({
  name: 'rollback',
  sub: false,
  look: 'rollback',
  fromMs: epochMs(rollback.startedAt),
  toMs: rollback.finishedAt ? epochMs(rollback.finishedAt) : endMs,
  summary: `${rollback.reason} (${rollback.actor})${rollback.ending ? `. ${rollback.ending}` : ''}`,
});

function renderRow(row: Row, at: (ms: number) => number, marks: Markup[]): Markup {
  const left = at(row.fromMs);
  const width = Math.max(0, at(row.toMs) - left);
  // The time stands in the bar when it fits, else behind it, else, at the right edge, before it.
  const solid = !row.sub && row.look !== 'running' && row.look !== 'interrupted';
  const place = width > 18 && solid ? 'inside' : left + width < 86 ? '' : left > 20 ? 'left' : 'inside boxed';
  const takes = place === '' ? left + width : left;
  const ending = row.look === 'passed' || row.look === 'rollback' ? '' : ` ${row.look}`;
  return html`<div class="row${row.sub && ' sub'}"><div class="name"><b>${row.name}</b>${row.summary && html`<p>${row.summary}</p>`}</div><div class="track">${marks}
<div class="bar ${row.look}" style="left:${coordinate(left)}%;width:${coordinate(width)}%"></div>
<div class="took ${place}" style="left:${coordinate(takes)}%">${duration(row.toMs - row.fromMs)}${ending}</div></div></div>`;
}

function axis(fromMs: number, toMs: number, tickMs: number): Markup[] {
  const ticks: Markup[] = [];
  for (let ms = 0; ms <= (toMs - fromMs) * 0.97; ms += tickMs) {
    const left = coordinate((ms / (toMs - fromMs)) * 100);
    const label = ms === 0 ? timeOfDay(new Date(fromMs).toISOString()) : `+${tickLabel(ms)}`;
    ticks.push(html`<span style="left:${left}%">${label}</span>`);
  }
  return ticks;
}

function tickLabel(ms: number): string {
  if (ms % 3600_000 === 0) return `${ms / 3600_000} h`;
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}

/** Some eight ticks, on a number a person would choose. */
export function niceTick(spanMs: number): number {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];
  return (
    1000 *
    (steps.find((seconds) => spanMs / (seconds * 1000) <= 9) ?? Math.ceil(spanMs / 8 / 86_400_000) * 86_400)
  );
}

function renderInterruptions({ interruptions }: ReleaseState): Markup | null {
  if (interruptions.length === 0) return null;
  const items = interruptions.map((event) =>
    event.kind === 'interrupted'
      ? html`<tr><td class="nowrap">${timeOfDay(event.at)}</td><td>interrupted by ${event.signal}${event.stage && ` in ${event.stage}`}</td></tr>`
      : html`<tr><td class="nowrap">${timeOfDay(event.at)}</td><td>resumed by ${event.actor}: ${event.reason}</td></tr>`,
  );
  return html`<table style="margin-top:12px"><thead><tr><th scope="col" style="width:188px">UTC</th><th scope="col">Interruptions (dashed lines above)</th></tr></thead><tbody>${items}</tbody></table>`;
}
