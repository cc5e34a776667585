/**
 * What people and the journal are told of a group: answers and fleet sizes, only when they change. Decides nothing.
 */
import type { Journal } from '../journal/records.ts';
import type { Progress } from '../report/progress.ts';
import { heldBack, heldReasons } from './decision/held.ts';
import { onTrial } from './decision/members.ts';
import { describe } from './decision/view.ts';
import type { Answer, Assignment, Decision, Snapshot } from './state.ts';

export interface Reporter {
  /** @returns whether there was anything new */
  report(snapshot: Snapshot, decision: Decision): Promise<boolean>;
}

export function createReporter(journal: Journal, assignment: Assignment, progress: Progress): Reporter {
  const { group } = assignment.spec;
  const lastAnswers = new Map<string, Answer>();
  let lastSizes = '';
  let lastStates: ReadonlyMap<string, string> = new Map();

  /** `subject` is an instance, or the group as a whole. */
  function isNews(subject: string, answer: Answer): boolean {
    const key = answer.source === 'gates' ? subject : `${subject} ${answer.source}`;
    const last = lastAnswers.get(key);
    if (last?.status === answer.status && last.reason === answer.reason) return false;
    lastAnswers.set(key, answer);
    return true;
  }

  async function answered(subject: string, answer: Answer): Promise<void> {
    const { source, status, reason } = answer;
    await journal.append({ type: 'answer', data: { group, instance: subject, source, status, reason } });
  }

  return {
    async report(snapshot, { sizes, reasons, status, memory }) {
      // What runs today is asked every tick too, but only what is new or leaves is worth a record.
      for (const instance of snapshot.group.instances) {
        const gates = snapshot.answers[instance.id];
        const drain = snapshot.drains[instance.id];
        const handover = snapshot.handovers[instance.id];
        for (const answer of [onTrial(assignment, instance) ? gates : null, drain, handover]) {
          if (answer && isNews(instance.id, answer)) await answered(instance.id, answer);
        }
      }
      // Without such gates there is nothing to say.
      const { groupAnswer } = snapshot;
      if (groupAnswer.reason && isNews(group, groupAnswer)) await answered(group, groupAnswer);
      const waiting = heldReasons(assignment, heldBack(assignment, snapshot.group, memory));
      if (waiting.length > 0 || lastAnswers.has(`${group} held back`)) {
        const isFree = waiting.length === 0;
        const answer: Answer = {
          status: isFree ? 'passed' : 'waiting',
          source: 'held back',
          reason: isFree ? 'nobody is held back any more' : waiting.join('; '),
        };
        if (isNews(group, answer)) await answered(group, answer);
      }
      const { target, previous, healthy, total, desired } = sizes;
      const data = { group, target, previous, healthy, total, desired };
      const text = JSON.stringify(data);
      if (text !== lastSizes) await journal.append({ type: 'progress', data });
      progress.update(`${describe(sizes, assignment.goal.kind)}${remark(status, reasons[0])}`);
      const states = new Map(snapshot.group.instances.map((one) => [one.id, stateOf(one)]));
      const isNew = text !== lastSizes || !isSame(states, lastStates);
      lastSizes = text;
      lastStates = states;
      return isNew;
    },
  };
}

const stateOf = ({ lifecycle, statusChecks, targets }: Snapshot['group']['instances'][number]): string =>
  `${lifecycle}:${statusChecks}:${targets.map(({ state }) => state).join('+')}`;

/** In whatever order. */
const isSame = (states: ReadonlyMap<string, string>, before: ReadonlyMap<string, string>): boolean =>
  states.size === before.size && states.entries().every(([id, state]) => before.get(id) === state);

function remark(status: Decision['status'], reason: string | undefined): string {
  if (status === 'failed') return ` — failed: ${reason}`;
  if (status === 'replaced') return ' — replaced; its gates keep watching';
  return reason ? ` — ${reason}` : '';
}
