/**
 * The ways a command can end badly. Each says what happened, where, and what to do next; the CLI prints
 * exactly that, without a stack trace, and exits with the kind's code. Anything else that is thrown is a Bug.
 */

/** Process exit codes, by kind. Stable: scripts and workflows depend on them. */
export const exitCodes = {
  ok: 0,
  bug: 1,
  /** Bad flags, configuration, or input files. Nothing changed. */
  invalid: 2,
  /** A tool, an endpoint, a directory or a permission is missing. Nothing changed. */
  environment: 3,
  /** Somebody else holds the release or the group. Nothing changed. */
  busy: 4,
  /** A scanner, a policy or what is in the way of a group said no before any group was touched. */
  gate: 5,
  /** The rollout failed and every group it had touched is back on its previous version. */
  rolledBack: 6,
  /** A person is needed; the message carries the state and the command to run next. */
  stuck: 7,
  /** Evidence or a journal does not verify. */
  unverified: 8,
  /** Stopped by a signal; the message carries the command that resumes (128 + SIGINT). */
  interrupted: 130,
} as const;

export type ExitKind = keyof typeof exitCodes;

export class DroverError extends Error {
  readonly kind: ExitKind;
  /** One sentence: what the reader does next, with the command where there is one. */
  readonly remedy: string;
  constructor(kind: ExitKind, message: string, remedy: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.kind = kind;
    this.remedy = remedy;
  }
}

/** Nothing was changed: the request could not be carried out as given. */
export class Refused extends DroverError {
  constructor(
    kind: 'invalid' | 'environment' | 'busy' | 'unverified',
    message: string,
    remedy: string,
    options?: { cause?: unknown },
  ) {
    super(kind, message, remedy, options);
  }
}

/** The release failed and was undone: 'gate' before production was touched, 'rolledBack' after. */
export class Failed extends DroverError {
  constructor(kind: 'gate' | 'rolledBack', message: string, remedy: string, options?: { cause?: unknown }) {
    super(kind, message, remedy, options);
  }
}

/** Neither forward nor back: a person must look. The remedy names the command and the state it needs. */
export class Stuck extends DroverError {
  constructor(message: string, remedy: string, options?: { cause?: unknown }) {
    super('stuck', message, remedy, options);
  }
}

/** Stopped by a signal at a safe point. */
export class Interrupted extends DroverError {
  constructor(message: string, remedy: string) {
    super('interrupted', message, remedy);
  }
}

/** The text of anything thrown, for messages that wrap it. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
