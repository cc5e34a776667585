/**
 * Completes an observation to a snapshot: asks the gates about the group and every instance that counts, and the
 * drains about every victim. It waits for nobody: what takes time is asked beside the loop (questions.ts), and until
 * an answer has come the last one stands.
 */
import type { Clock } from '../clock.ts';
import type { Cloud, GroupObservation, InstanceObservation } from '../cloud/cloud.ts';
import { waitsBehindHook } from './decision/handover.ts';
import { counted, onTrial } from './decision/members.ts';
import { foreignRefresh } from './decision/refresh-request.ts';
import { drainOf } from './drains/drains.ts';
import type { AlarmReading } from './gates/alarms.ts';
import { askInTurn, askObserved, combined, questionsOf, standingOf } from './gates/gates.ts';
import { askGroup } from './gates/group.ts';
import { inService } from './gates/in-service.ts';
import type { Questions, Reply } from './questions.ts';
import type { RunCommand } from './services/command.ts';
import type { Http } from './services/http.ts';
import type { DrainSpec } from './spec.ts';
import type { Answer, Assignment, Memory, Snapshot } from './state.ts';

/** What a tick looks with. */
export interface Eyes {
  cloud: Cloud;
  clock: Clock;
  http: Http;
  runCommand: RunCommand;
  questions: Questions;
  alarms: Reply<AlarmReading>;
}

export function see(
  eyes: Eyes,
  assignment: Assignment,
  memory: Memory,
  group: GroupObservation,
  soaked: boolean,
): Snapshot {
  const answers: Snapshot['answers'] = {};
  for (const instance of group.instances) {
    if (counted(instance)) answers[instance.id] = gatesOn(eyes, assignment, memory, instance);
  }
  const victims = group.instances.filter(({ id }) => memory.drains[id]?.started);
  const drains = Object.fromEntries(
    victims.flatMap((instance) => {
      const answer = drainOn(eyes, assignment, memory, group, instance);
      return answer ? [[instance.id, answer]] : [];
    }),
  );
  const handovers = Object.fromEntries(
    group.instances
      .filter((instance) => waitsBehindHook(instance) && !memory.handovers[instance.id]?.isCompleted)
      .flatMap((instance) => {
        const { handover } = assignment.spec;
        if (!handover) return [];
        const answer = progressOf(eyes, assignment, group, instance, handover.until, 'handover');
        return answer ? [[instance.id, answer]] : [];
      }),
  );
  const groupAnswer = combined([
    ...foreignRefresh(assignment, memory, group),
    askGroup(assignment, eyes.alarms, eyes),
  ]);
  return { now: eyes.clock.now(), group, answers, groupAnswer, drains, handovers, soaked };
}

function gatesOn(
  { cloud, clock, http, runCommand, questions }: Eyes,
  assignment: Assignment,
  memory: Memory,
  instance: InstanceObservation,
): Answer {
  const { spec, release } = assignment;
  const served = memory.instances[instance.id]?.served ?? false;
  const subject = { release, group: spec.group, instance, served };
  const observed = askObserved(spec.gates, subject);
  // Questions ask what a new instance must prove, once all that costs nothing has passed; what runs today is judged
  // by what can be seen.
  const isAsked = onTrial(assignment, instance) && !memory.drains[instance.id];
  const open = isAsked && observed.status === 'passed' ? questionsOf(spec.gates, subject) : [];
  if (open.length === 0) return observed;
  // Whatever gates there are: an instance that is not in service yet may not even have an address.
  const lifecycle = inService(subject);
  if (lifecycle.status !== 'passed') return lifecycle;
  const reply = questions.ask(`gates ${instance.id}`, (signal) =>
    askInTurn(open, { cloud, clock, http, runCommand, signal }),
  );
  return combined([observed, standingOf(reply, 'gates')]);
}

function drainOn(
  eyes: Eyes,
  assignment: Assignment,
  memory: Memory,
  group: GroupObservation,
  instance: InstanceObservation,
): Answer | null {
  const { step } = memory.drains[instance.id]!;
  const drain = assignment.spec.drain[step];
  return drain ? progressOf(eyes, assignment, group, instance, drain, `drain ${step}`) : null;
}

/** How far a drain of the instance is; null until that has been answered. `what` tells the questions about it apart. */
function progressOf(
  { cloud, clock, http, runCommand, questions }: Eyes,
  { release }: Assignment,
  group: GroupObservation,
  instance: InstanceObservation,
  spec: DrainSpec,
  what: string,
): Answer | null {
  const drain = drainOf(spec);
  if ('seen' in drain) return drain.seen(instance);
  const reply = questions.ask(`${what} ${instance.id}`, (signal) =>
    drain.poll({ cloud, clock, http, runCommand, release, group, signal }, instance),
  );
  return reply.answer && standingOf(reply, drain.name);
}
