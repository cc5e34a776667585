/** A command of the user's: exit 0 passes, 75 waits, anything else, a timeout included, fails. */
import type { GateSpec } from '../spec.ts';
import type { Answer } from '../state.ts';
import type { GateContext, Subject } from './gates.ts';

export async function command(
  gate: Extract<GateSpec, { type: 'command' }>,
  subject: Subject,
  { runCommand, signal }: Pick<GateContext, 'runCommand' | 'signal'>,
): Promise<Answer> {
  const result = await runCommand(gate.argv, subject, gate.timeoutMs, signal);
  const source = gate.name;
  if (result.kind === 'yes') return { status: 'passed', source, reason: `${source} passed` };
  return { status: result.kind === 'not-yet' ? 'waiting' : 'failed', source, reason: result.reason };
}
