/** `drover plan`: what a rollout would meet and do, group by group, and how long it would take. Reads only. */
import { durationMs } from '../config/duration.ts';
import { Refused } from '../errors.ts';
import { planFleet } from '../fleet/waves.ts';
import { duration } from '../report/html-markup.ts';
import { type GroupSurvey, preflight } from '../rollout/preflight.ts';
import type { WaveSpec } from '../rollout/spec.ts';
import { type Rehearsal, rehearse } from './rehearsal.ts';
import { configOf, rootOf, type Session, withCloud } from './session.ts';
import { shortened, table, wrapped } from './table.ts';

export interface PlanOptions {
  image?: string | undefined;
  emergency: boolean;
}

export async function plan(session: Session, options: PlanOptions): Promise<void> {
  const { surveys, waves, rehearsal } = await surveyed(session, options, []);
  const { calls, durationMs, outcome, reason, assumed } = rehearsal;
  const groups = surveys.map(({ observed: _, ...survey }) => survey);
  const least = leastOf(waves, surveys);
  const facts = { groups, durationMs, leastMs: least, calls, outcome, reason, assumed };
  session.print(facts, textOf(surveys, rehearsal, least));
}

/** The fleet as it is, and what the rollout makes of a copy of it. */
export async function surveyed(
  session: Session,
  { image, emergency }: PlanOptions,
  faults: Parameters<typeof rehearse>[2]['faults'],
  given: Parameters<typeof preflight>[3] = {},
) {
  const config = configOf(session);
  const waves = planFleet({ config, root: rootOf(session), emergency });
  const { clock, signal } = session;
  // The simulated account's health checks pass when drover.yaml says, not when their settings would let one think.
  const known = config.cloud === 'simulator' ? { readyMs: durationMs(config.simulator.warm_up) } : {};
  const { region } = config;
  const surveys = await withCloud(session, config, async (cloud) => {
    if (image !== undefined && !(await cloud.findImage(image))) {
      throw new Refused(
        'invalid',
        `there is no image '${image}' in ${region}`,
        'Leave --image out to plan for one that is not built yet; `drover status` names the image of a release.',
      );
    }
    return await preflight({ cloud, clock }, waves, image === undefined ? null : { id: image }, {
      ...known,
      ...given,
    });
  });
  const rehearsal = await rehearse(surveys, waves, {
    region,
    nowMs: clock.now(),
    faults,
    imageId: image,
    signal,
  });
  return { surveys, waves, rehearsal };
}

/** Waves follow each other, their groups do not; each wave is soaked. */
export const leastOf = (waves: readonly WaveSpec[], surveys: readonly GroupSurvey[]): number =>
  waves.reduce((sum, { groups }) => {
    const names = new Set(groups.map(({ group }) => group));
    const least = surveys.filter(({ group }) => names.has(group)).map(({ leastMs }) => leastMs);
    return sum + Math.max(0, ...least) + Math.max(0, ...groups.map(({ soakMs }) => soakMs));
  }, 0);

function textOf(surveys: readonly GroupSurvey[], rehearsal: Rehearsal, leastMs: number): string {
  const changes = new Map(
    rehearsal.waves.flatMap(({ groups }) => groups.map(({ group, changes }) => [group, changes])),
  );
  const rows = surveys.map((survey) => [
    shortened(`${survey.environment}/${survey.wave}`, 24),
    shortened(survey.group, 30),
    `${survey.toReplace}/${survey.desired}`,
    `+${survey.surge}/-${survey.unavailable}`,
    String(survey.floor),
    duration(survey.leastMs),
    String(changes.get(survey.group) ?? 0),
  ]);
  const head = ['wave', 'group', 'replace', 'surge', 'floor', 'at least', 'changes'];
  const remarks = surveys.flatMap(({ group, blockers, notices }) => [
    ...blockers.flatMap((text) => wrapped(`${shortened(group, 30)}: FIRST: ${text}`, '  ')),
    ...notices.flatMap((text) => wrapped(`${shortened(group, 30)}: ${text}`, '  ')),
  ]);
  return [
    table(head, rows),
    '',
    ...(remarks.length > 0 ? remarks : ['  nothing is in the way']),
    '',
    ...verdict(rehearsal, leastMs).flatMap((text) => wrapped(text, '')),
    ...assumptions(rehearsal),
  ].join('\n');
}

function verdict({ outcome, reason, durationMs, calls }: Rehearsal, leastMs: number): string[] {
  const cost = `${calls.changing} changing and ${calls.reading} reading calls to AWS`;
  if (outcome === 'promoted') {
    return [`About ${duration(durationMs)} with soaks, at least ${duration(leastMs)}; ${cost}.`];
  }
  return [`As things are, it would fail: ${reason}. After ${duration(durationMs)} it is ${outcome}.`];
}

/** What the times rest on, each said once with the groups it is true of. */
export function assumptions({ assumed }: Rehearsal): string[] {
  const groups = new Map<string, string[]>();
  for (const { group, text } of assumed)
    groups.set(text, [...(groups.get(text) ?? []), shortened(group, 30)]);
  if (groups.size === 0) return [];
  const lines = [...groups].flatMap(([text, names]) => wrapped(`${text} (${names.join(', ')})`, '  '));
  return ['Assumed:', ...lines];
}
