/**
 * Runs a command of the user's until it exits 0; 75 means not yet, anything else that the drain failed. The command
 * is run again and again, so it must be idempotent; there is no command to undo it with, so aborting does nothing.
 */
import type { DrainSpec } from '../spec.ts';
import type { AskedDrain } from './drains.ts';

/** One run may take this long before it is asked again; the whole drain has its own deadline. */
const runTimeoutMs = 30_000;

export const command = (spec: Extract<DrainSpec, { type: 'command' }>): AskedDrain => ({
  name: spec.name,
  start: async () => {},
  async poll({ runCommand, release, group, signal }, instance) {
    const result = await runCommand(
      spec.argv,
      { release, group: group.name, instance },
      runTimeoutMs,
      signal,
    );
    const source = spec.name;
    if (result.kind === 'yes') return { status: 'passed', source, reason: 'exit 0' };
    return { status: result.kind === 'no' ? 'failed' : 'waiting', source, reason: result.reason };
  },
  abort: async () => {},
});
