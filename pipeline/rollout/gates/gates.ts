/**
 * The gates of a group, asked about one instance and combined: the first that failed speaks for all, else the first
 * that waits, else they passed. A gate that cannot be asked has not passed. Some answer from what was observed,
 * without a call; others take a question of their own. Gates over the group as a whole are in group.ts; how often an
 * answer must repeat, and by when, is not decided here (health.ts).
 */
import type { Clock } from '../../clock.ts';
import type { Cloud, InstanceObservation } from '../../cloud/cloud.ts';
import type { Reply } from '../questions.ts';
import type { RunCommand } from '../services/command.ts';
import type { Http } from '../services/http.ts';
import type { GateSpec } from '../spec.ts';
import type { Answer } from '../state.ts';
import { command } from './command.ts';
import { http } from './http.ts';
import { inService } from './in-service.ts';
import { kubernetes } from './kubernetes.ts';
import { statusChecks } from './status-checks.ts';
import { targetHealth } from './target-health.ts';

export interface Subject {
  release: string;
  group: string;
  instance: InstanceObservation;
  /** It has been serving: what was patience before is a failure now. */
  served: boolean;
}

/** What a question needs of the world. */
export interface GateContext {
  cloud: Cloud;
  clock: Clock;
  http: Http;
  runCommand: RunCommand;
  signal: AbortSignal;
}

/** What observation already says. */
export function askObserved(gates: readonly GateSpec[], subject: Subject): Answer {
  return combined(gates.flatMap((gate) => observed(gate, subject) ?? []));
}

type Question = (context: GateContext) => Promise<Answer>;

/** The gates that have to be asked about the instance, in their order; none when observation says all. */
export const questionsOf = (gates: readonly GateSpec[], subject: Subject): Question[] =>
  gates.flatMap((gate) => question(gate, subject) ?? []);

/** One after the other, until one does not pass. */
export async function askInTurn(questions: readonly Question[], context: GateContext): Promise<Answer> {
  const answers: Answer[] = [];
  for (const ask of questions) {
    const answer = await ask(context);
    answers.push(answer);
    if (answer.status !== 'passed') break;
  }
  return combined(answers);
}

function observed(gate: GateSpec, subject: Subject): Answer | null {
  switch (gate.type) {
    case 'in-service':
      return inService(subject);
    case 'status-checks':
      return statusChecks(subject);
    case 'target-health':
      return targetHealth(subject);
    default:
      return null;
  }
}

function question(gate: GateSpec, subject: Subject): Question | null {
  switch (gate.type) {
    case 'command':
      return (context) => command(gate, subject, context);
    case 'http':
      return (context) => http(gate, subject, context);
    case 'kubernetes':
      return (context) => kubernetes(gate, subject, context);
    default:
      return null;
  }
}

/** The newest answer, marked as standing once it has been taken; while there is none, that it is waited for. */
export function standingOf({ answer, isNew }: Reply<Answer>, source: string): Answer {
  if (!answer) return { status: 'waiting', source, reason: 'not answered yet' };
  return isNew ? answer : { ...answer, standing: true };
}

/** Together they have said something new only if every one of them has. */
export function combined(answers: readonly Answer[]): Answer {
  const speaker =
    answers.find(({ status }) => status === 'failed') ?? answers.find(({ status }) => status === 'waiting');
  if (speaker) return speaker;
  const isStanding = answers.some(({ standing }) => standing);
  return {
    status: 'passed',
    source: 'gates',
    reason: answers.map(({ reason }) => reason).join('; '),
    ...(isStanding && { standing: true }),
  };
}
