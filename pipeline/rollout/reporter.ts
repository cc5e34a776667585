/**
 * What people and the journal are told of a group: answers and fleet sizes, only when they change. Decides nothing.
 */
import type { Journal } from '../journal/records.ts';
import type { Progress } from '../report/progress.ts';
import { onTrial } from './decision/members.ts';
import { describe } from './decision/view.ts';
import type { Answer, Assignment, Decision, Snapshot } from './state.ts';

export interface Reporter {
  /** @returns whether there was anything new */
  report(snapshot: Snapshot, decision: Decision): Promise<boolean>;
}

export function createReporter(journal: Journal, assignment: Assignment, progress: Progress): Reporter {
  const { group } = assignment.spec;
  const lastAnswers = new Map<string, string>();
  let lastSizes = '';
  let lastStates = '';

  /** `subject` is an instance, or the group as a whole. */
  async function answered(subject: string, answer: Answer): Promise<void> {
    const { source, status, reason } = answer;
    const key = `${subject} ${source === 'gates' ? '' : source}`;
    const text = `${status} ${reason}`;
    if (lastAnswers.get(key) === text) return;
    lastAnswers.set(key, text);
    await journal.append({ type: 'answer', data: { group, instance: subject, source, status, reason } });
  }

  return {
    async report(snapshot, { sizes, reasons, status }) {
      // What runs today is asked every tick too, but only what is new or leaves is worth a record.
      for (const instance of snapshot.group.instances) {
        const gates = snapshot.answers[instance.id];
        const drain = snapshot.drains[instance.id];
        if (gates && onTrial(assignment, instance)) await answered(instance.id, gates);
        if (drain) await answered(instance.id, drain);
        const handover = snapshot.handovers[instance.id];
        if (handover) await answered(instance.id, handover);
      }
      // Without such gates there is nothing to say.
      if (snapshot.groupAnswer.reason) await answered(group, snapshot.groupAnswer);
      const { target, previous, healthy, total, desired } = sizes;
      const data = { group, target, previous, healthy, total, desired };
      const text = JSON.stringify(data);
      if (text !== lastSizes) await journal.append({ type: 'progress', data });
      progress.update(`${describe(sizes, assignment.goal.kind)}${remark(status, reasons[0])}`);
      const states = snapshot.group.instances.map(stateOf).sort().join(' ');
      const isNew = text !== lastSizes || states !== lastStates;
      lastSizes = text;
      lastStates = states;
      return isNew;
    },
  };
}

const stateOf = ({ id, lifecycle, statusChecks, targets }: Snapshot['group']['instances'][number]): string =>
  `${id}:${lifecycle}:${statusChecks}:${targets.map(({ state }) => state).join('+')}`;

function remark(status: Decision['status'], reason: string | undefined): string {
  if (status === 'failed') return ` — failed: ${reason}`;
  if (status === 'replaced') return ' — replaced; its gates keep watching';
  return reason ? ` — ${reason}` : '';
}
