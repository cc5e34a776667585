/**
 * The gates of a group, asked about one instance and combined: the first that failed speaks for all, else the first
 * that waits, else they passed. A gate that cannot be asked has failed. How often an answer must repeat, and by
 * when, is not decided here (health.ts).
 */
import type { InstanceObservation } from '../../cloud/cloud.ts';
import type { GateSpec } from '../spec.ts';
import type { Answer } from '../state.ts';
import { command } from './command.ts';
import { inService } from './in-service.ts';
import { statusChecks } from './status-checks.ts';
import { targetHealth } from './target-health.ts';

export interface Subject {
  release: string;
  group: string;
  instance: InstanceObservation;
  /** It has been serving: what was patience before is a failure now. */
  served: boolean;
}

/** What observation already says, without a call. */
export function askObserved(gates: readonly GateSpec[], subject: Subject): Answer {
  return combined(gates.flatMap((gate) => observed(gate, subject) ?? []));
}

/** All gates. Commands run only when everything cheaper has passed. */
export async function ask(
  gates: readonly GateSpec[],
  subject: Subject,
  signal: AbortSignal,
): Promise<Answer> {
  const cheap = askObserved(gates, subject);
  if (cheap.status !== 'passed') return cheap;
  // Whatever gates there are: an instance that is not in service yet may not even have an address.
  const lifecycle = inService(subject);
  if (lifecycle.status !== 'passed') return lifecycle;
  const answers: Answer[] = [];
  for (const gate of gates) {
    if (gate.type !== 'command') continue;
    const answer = await command(gate, subject, signal);
    if (answer.status !== 'passed') return answer;
    answers.push(answer);
  }
  return combined([cheap, ...answers]);
}

function observed(gate: GateSpec, subject: Subject): Answer | null {
  switch (gate.type) {
    case 'in-service':
      return inService(subject);
    case 'status-checks':
      return statusChecks(subject);
    case 'target-health':
      return targetHealth(subject);
    case 'command':
      return null;
  }
}

const combined = (answers: Answer[]): Answer =>
  answers.find(({ status }) => status === 'failed') ??
  answers.find(({ status }) => status === 'waiting') ?? {
    status: 'passed',
    source: 'gates',
    reason: answers.map(({ reason }) => reason).join('; '),
  };
