/** What a person sees when a command fails: what happened, what to do next; a stack trace only for a bug. */
import { DroverError, exitCodes } from '../errors.ts';

const words: Record<string, string> = {
  invalid: 'refused',
  environment: 'refused',
  busy: 'refused',
  gate: 'failed',
  rolledBack: 'rolled back',
  stuck: 'STUCK, a person is needed',
  unverified: 'does not verify',
  interrupted: 'stopped',
};

/** Prints the failure. @returns the process's exit code */
export function report(error: unknown, json: boolean): number {
  if (error instanceof DroverError) {
    const { kind, message, remedy } = error;
    if (json) process.stdout.write(`${JSON.stringify({ error: { kind, message, remedy } }, null, 2)}\n`);
    process.stderr.write(`\ndrover: ${words[kind]}: ${message}\nNext: ${remedy}\n`);
    return exitCodes[kind];
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `\ndrover: a bug: ${text}\nNext: the journal is intact; \`drover status\` shows where the release stands.\n`,
  );
  return exitCodes.bug;
}
