/** `drover rehearse`: the fleet's rollout on a copy of it, in seconds, with whatever shall go wrong. Changes nothing. */
import { parseDurationMs } from '../config/duration.ts';
import { Failed, Refused } from '../errors.ts';
import { duration } from '../report/html-markup.ts';
import { faultOf } from './fault.ts';
import { assumptions, leastOf, type PlanOptions, surveyed } from './plan.ts';
import type { Rehearsal } from './rehearsal.ts';
import type { Session } from './session.ts';
import { shortened, table, wrapped } from './table.ts';

export interface RehearseOptions extends PlanOptions {
  fault: string[];
  boot?: string;
  warmUp?: string;
  drain?: string;
}

export async function rehearsal(session: Session, options: RehearseOptions): Promise<void> {
  const { image, emergency } = options;
  const faults = options.fault.map(faultOf);
  const given = {
    ...known('launchMs', '--boot', options.boot),
    ...known('readyMs', '--warm-up', options.warmUp),
    ...known('drainMs', '--drain', options.drain),
  };
  const startedAt = session.clock.now();
  const { surveys, waves, rehearsal: result } = await surveyed(session, { image, emergency }, faults, given);
  const leastMs = leastOf(waves, surveys);
  const tookMs = session.clock.now() - startedAt;
  session.print({ ...result, leastMs, faults, tookMs }, textOf(result, leastMs, tookMs));
  if (result.outcome === 'promoted') return;
  throw new Failed(
    'gate',
    `the rehearsal ended ${result.outcome}: ${result.reason}`,
    'Nothing was changed: it ran on a copy. `drover plan` says what stands in the way of the fleet itself.',
  );
}

function known(key: string, option: string, text: string | undefined): Record<string, number> {
  if (text === undefined) return {};
  const ms = parseDurationMs(text);
  if (ms !== null) return { [key]: ms };
  throw new Refused('invalid', `${option} ${text} is not a duration`, "Write it as '90s', '5m' or '1h30m'.");
}

function textOf(result: Rehearsal, leastMs: number, tookMs: number): string {
  const head = ['wave', 'group', 'outcome', 'took', 'lowest/floor', 'peak/limit', 'changes'];
  const rows = result.waves.flatMap(({ environment, wave, outcome, durationMs, groups }) =>
    groups.map(({ group, lowest, floor, peak, limit, changes }) => [
      shortened(`${environment}/${wave}`, 20),
      shortened(group, 24),
      outcome,
      outcome === 'not reached' ? '' : duration(durationMs),
      `${lowest}/${floor}${lowest < floor ? ' BELOW' : ''}`,
      `${peak}/${limit}${peak > limit ? ' ABOVE' : ''}`,
      String(changes),
    ]),
  );
  const { outcome, durationMs, calls } = result;
  const summary =
    `Rehearsed in ${duration(tookMs)}: ${outcome} after ${duration(durationMs)} with soaks (at least ` +
    `${duration(leastMs)} when nothing fails), ${calls.changing} changing and ${calls.reading} reading calls to AWS.`;
  return [table(head, rows), '', ...wrapped(summary, ''), ...assumptions(result)].join('\n');
}
