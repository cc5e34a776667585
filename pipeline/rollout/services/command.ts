/**
 * Runs a user's command about one instance. Never through a shell: the arguments are what the configuration says,
 * the instance is told in the environment. Exit 0 means yes, 75 (EX_TEMPFAIL, sysexits.h) not yet, anything else
 * no; a command that cannot be started or does not end in time has not said yes.
 */
import { execa } from 'execa';
import type { InstanceObservation } from '../../cloud/cloud.ts';

export interface CommandSubject {
  release: string;
  group: string;
  instance: InstanceObservation;
}

export type CommandAnswer = { kind: 'yes' } | { kind: 'not-yet' | 'no' | 'timeout'; reason: string };

const notYet = 75;
/** Enough to see what went wrong; journals are kept for years. */
const reasonLimit = 200;

export type RunCommand = (
  argv: readonly string[],
  subject: CommandSubject,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<CommandAnswer>;

export const runCommand: RunCommand = async (argv, { release, group, instance }, timeoutMs, signal) => {
  const [file = '', ...args] = argv;
  const result = await execa(file, args, {
    reject: false,
    stdin: 'ignore',
    all: true,
    timeout: timeoutMs,
    cancelSignal: signal,
    env: {
      DROVER_RELEASE: release,
      DROVER_GROUP: group,
      DROVER_INSTANCE_ID: instance.id,
      DROVER_INSTANCE_ADDRESS: instance.privateAddress ?? '',
      DROVER_INSTANCE_ZONE: instance.zone,
    },
  });
  signal.throwIfAborted();
  if (result.timedOut) return { kind: 'timeout', reason: `no answer within ${timeoutMs / 1000} s` };
  if (result.exitCode === 0) return { kind: 'yes' };
  const said = lastLine(result.all ?? '');
  if (result.exitCode === notYet) return { kind: 'not-yet', reason: said || 'not yet' };
  const how =
    result.exitCode === undefined
      ? (result.originalMessage ?? 'could not be run')
      : `exit ${result.exitCode}`;
  return { kind: 'no', reason: said ? `${how}: ${said}` : how };
};

const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1)!.trim().slice(0, reasonLimit);
