/** What a person sees when a command fails: what happened, what to do next; a stack trace only for a bug. */
import { CloudError } from '../cloud/cloud.ts';
import { DroverError, type ExitKind, exitCodes, Refused } from '../errors.ts';

const words: Record<ExitKind, string> = {
  ok: 'done',
  bug: 'a bug',
  invalid: 'refused',
  environment: 'refused',
  busy: 'refused',
  gate: 'failed',
  rolledBack: 'rolled back',
  stuck: 'STUCK, a person is needed',
  unverified: 'does not verify',
  interrupted: 'stopped',
};

/**
 * Prints the failure, and with --json the one document: what the command had found, and the error.
 * @returns the process's exit code
 */
export function report(thrown: unknown, json: boolean, facts: unknown): number {
  const error = thrown instanceof CloudError ? refusedByCloud(thrown) : thrown;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const { kind, message, remedy } =
    error instanceof DroverError
      ? error
      : {
          kind: 'bug' as const,
          message: text,
          remedy: 'The journal is intact; `drover status` shows where the release stands.',
        };
  if (json) {
    const known = typeof facts === 'object' && !Array.isArray(facts) ? facts : {};
    process.stdout.write(`${JSON.stringify({ ...known, error: { kind, message, remedy } }, null, 2)}\n`);
  }
  process.stderr.write(`\ndrover: ${words[kind]}: ${message}\nNext: ${remedy}\n`);
  return exitCodes[kind];
}

const refusedByCloud = (error: CloudError): Refused =>
  new Refused(
    'environment',
    error.message,
    'Check the account and the permissions; .github/aws-policy.json lists every call Drover makes.',
    { cause: error },
  );
