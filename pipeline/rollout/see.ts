/**
 * Completes an observation to a snapshot: asks the gates about every instance that counts, and the drains about
 * every victim. Built-in gates and drains read the observation; only commands take time, a few at once.
 */
import type { Clock } from '../clock.ts';
import type { Cloud, GroupObservation, InstanceObservation } from '../cloud/cloud.ts';
import { drainOf } from './drains/drains.ts';
import { ask, askObserved } from './gates/gates.ts';
import { counted, onTrial } from './members.ts';
import type { Answer, Assignment, Memory, Snapshot } from './state.ts';

/** Commands at once per group: they are processes on the machine Drover runs on. */
const commandsAtOnce = 8;

export async function see(
  deps: { cloud: Cloud; clock: Clock; signal: AbortSignal },
  assignment: Assignment,
  memory: Memory,
  group: GroupObservation,
  soaked: boolean,
): Promise<Snapshot> {
  const { spec, release } = assignment;
  const answers = await each(group.instances.filter(counted), (instance) => {
    const served = memory.instances[instance.id]?.served ?? false;
    const subject = { release, group: group.name, instance, served };
    // Commands ask what a new instance must prove; what runs today is judged by what can be seen.
    return onTrial(assignment, instance) && !memory.drains[instance.id]
      ? ask(spec.gates, subject, deps.signal)
      : askObserved(spec.gates, subject);
  });
  const victims = group.instances.filter(({ id }) => memory.drains[id]?.started);
  const drains = await each(victims, async (instance) => {
    const step = spec.drain[memory.drains[instance.id]!.step];
    const context = { cloud: deps.cloud, clock: deps.clock, release, group, signal: deps.signal };
    return step ? drainOf(step).poll(context, instance) : null;
  });
  return { now: deps.clock.now(), group, answers, drains, soaked };
}

async function each(
  instances: readonly InstanceObservation[],
  question: (instance: InstanceObservation) => Answer | null | Promise<Answer | null>,
): Promise<Record<string, Answer>> {
  const answers: Record<string, Answer> = {};
  const queue = [...instances];
  const worker = async (): Promise<void> => {
    for (let instance = queue.shift(); instance; instance = queue.shift()) {
      const answer = await question(instance);
      if (answer) answers[instance.id] = answer;
    }
  };
  await Promise.all(Array.from({ length: Math.min(commandsAtOnce, instances.length) }, worker));
  return answers;
}
