/**
 * A release in Markdown for GitHub's job summary (GITHUB_STEP_SUMMARY) and in plain lines for `drover status`.
 * Pure; both say what the fold says and no more.
 */
import type { GroupState, ReleaseState, StageState } from '../journal/fold.ts';
import { duration, epochMs } from './html-markup.ts';
import { headline, statusWord } from './html-overview.ts';

/** GitHub-flavoured Markdown, ending with a newline. Stays far below GitHub's 1 MiB per step. */
export function jobSummary(state: ReleaseState): string {
  const icon =
    state.status === 'promoted'
      ? '✅'
      : state.status === 'open' || state.status === 'interrupted'
        ? '⏸️'
        : '❌';
  const lines = [
    `## ${icon} ${markdown(headline(state))}`,
    '',
    `**${statusWord[state.status]}**${state.emergency ? ' · **emergency**' : ''} · \`${state.id}\` · ${markdown(state.actor)} · ${markdown(state.reason)}`,
    '',
    ...(state.closingReason ? [`> ${markdown(state.closingReason)}`, ''] : []),
    '| Stage | Result | Time | |',
    '|---|---|---:|---|',
    ...state.stages
      .filter((stage) => stage.startedAt)
      .map(
        (stage) => `| ${stage.stage} | ${stage.status} | ${took(stage)} | ${markdown(stage.summary ?? '')} |`,
      ),
    '',
  ];
  if (state.groups.length > 0) {
    lines.push('| Group | Environment | Outcome | Version | Instances | |', '|---|---|---|---|---:|---|');
    for (const group of state.groups) {
      lines.push(
        `| ${markdown(group.group)} | ${group.environment ?? ''} | ${outcomeOf(group)} | ${versions(group)} | ${instances(group)} | ${markdown(group.reason ?? '')} |`,
      );
    }
    lines.push('');
  }
  if (state.verdicts.length > 0) {
    lines.push('| Check | Answer | Because |', '|---|---|---|');
    for (const verdict of state.verdicts) {
      lines.push(`| ${verdict.check} | ${verdict.status} | ${verdict.reasons.map(markdown).join('<br>')} |`);
    }
    lines.push('');
  }
  if (state.image) lines.push(`Image \`${state.image.id}\` (${markdown(state.image.name)})`, '');
  return lines.join('\n');
}

/** Plain text of some twenty lines, without a final newline. */
export function statusText(state: ReleaseState): string {
  const lines = [
    `${state.id}  ${statusWord[state.status]}${state.emergency ? ' (emergency)' : ''}: ${headline(state)}`,
    ...(state.closingReason ? [`  ${state.closingReason}`] : []),
    `  reason    ${state.reason} (${state.actor})`,
    `  opened    ${state.openedAt}`,
    `  ${state.closedAt ? 'closed' : 'latest'}    ${state.closedAt ?? state.lastRecordAt}`,
    `  image     ${state.image ? `${state.image.name} ${state.image.id}` : 'none yet'}`,
    ...(state.diskPrunedAt ? [`  pruned    its disk, at ${state.diskPrunedAt}`] : []),
    '',
    ...state.stages.map((stage) =>
      `  ${pad(stage.stage, 9)} ${pad(stage.status, 11)} ${took(stage).padStart(12)}  ${stage.summary ?? ''}`.trimEnd(),
    ),
  ];
  if (state.groups.length > 0) {
    const width = Math.max(...state.groups.map((group) => group.group.length));
    lines.push(
      '',
      ...state.groups.map((group) =>
        `  ${pad(group.group, width)}  ${pad(outcomeOf(group), 11)}  ${pad(versions(group), 9)} ${instances(group)}  ${group.reason ?? ''}`.trimEnd(),
      ),
    );
  }
  const waiting = state.closedAt ? [] : state.groups.flatMap((group) => waitsFor(group, state));
  if (waiting.length > 0) lines.push('', ...waiting.map((line) => `  ${line}`));
  if (state.unfinished.length > 0) {
    lines.push('', `  ${state.unfinished.length} changes without a recorded outcome:`);
    for (const action of state.unfinished.slice(0, 5))
      lines.push(`    ${action.group}: ${action.action} (${action.why})`);
  }
  if (state.recovery && state.status !== 'rolled-back') {
    lines.push('', `  If nothing is working on it: drover recover ${state.recovery.group}`);
  } else if (state.status === 'open' || state.status === 'interrupted') {
    lines.push('', `  If nothing is working on it: drover resume ${state.id}`);
    if (state.groups.some((group) => group.baseline))
      lines.push(`  To undo it:                  drover rollback ${state.id}`);
  }
  return lines.join('\n');
}

const pad = (text: string, width: number): string => text.padEnd(width);

function took(stage: StageState): string {
  if (stage.durationMs !== null) return duration(stage.durationMs);
  return stage.startedAt && stage.finishedAt
    ? duration(epochMs(stage.finishedAt) - epochMs(stage.startedAt))
    : '';
}

const outcomeOf = (group: GroupState): string =>
  group.outcome ?? (group.baseline ? 'unfinished' : 'not touched');

/** How many answers of a group that is not finished are shown: a gate that fails, fails for many. */
const answersShown = 3;

/** Of a group that is not finished, or is going back, who has not passed by the newest answer, and why. */
function waitsFor({ group, outcome, answers }: GroupState, { rollbacks }: ReleaseState): string[] {
  const back = rollbacks.findLast(({ groups }) => groups.includes(group));
  const isOver = back ? outcome === 'rolled-back' || outcome === 'stuck' : outcome !== null;
  if (isOver) return [];
  const since = back?.startedAt ?? '';
  const newest = new Map(
    answers.filter(({ at }) => at >= since).map((answer) => [`${answer.instance} ${answer.source}`, answer]),
  );
  const open = [...newest.values()].filter(({ status }) => status !== 'passed');
  // Whatever has been said last is nearest to what goes on now.
  return open.slice(-answersShown).map(({ instance, source, status, reason }) => {
    const subject = instance === group ? group : `${group} ${instance}`;
    return `${subject}: ${source} ${status}: ${reason}`;
  });
}

/** What it had and where it is, or is going while it is not finished. */
function versions({ baseline, after, targetVersion }: GroupState): string {
  if (!baseline) return '';
  const previous = baseline.resolvedVersion;
  const reached = after?.resolvedVersion ?? targetVersion ?? previous;
  return reached === previous ? `v${previous}` : `v${previous} → v${reached}`;
}

/** Of the newest record of sizes: serving of desired. */
function instances({ sizes, baseline }: GroupState): string {
  const last = sizes.at(-1);
  if (last) return `${last.healthy}/${last.desired}`;
  return baseline ? `${baseline.instances.filter((i) => i.healthy).length}/${baseline.desired}` : '';
}

/** Text that stays text inside a Markdown table cell. */
const markdown = (text: string): string =>
  text
    .replace(/[\r\n]+/g, ' ')
    .replace(/[\\`*_{}[\]<>|#~]/g, (character) => (character === '<' ? '&lt;' : `\\${character}`));
