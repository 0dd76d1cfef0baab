/**
 * What the exit code says, and to which code an error leads.
 */
import { constants } from 'node:os';
import { AlreadyLockedError, InvalidOptionError, LockTimeoutError } from '../index.js';

/** The codes that are ours; the others are those of the command that was run. */
export const EXIT = {
  done: 0,
  /** `rxlock check` found what will go wrong. */
  found: 1,
  /** EX_USAGE of sysexits.h. */
  usage: 64,
  /** EX_TEMPFAIL of sysexits.h: the lock was not acquired. */
  notAcquired: 75,
  /** As timeout(1): the command was ended by us. */
  ended: 124,
  /** As env(1) and timeout(1): rxlock itself failed. */
  failed: 125,
  /** As a shell: the command is there and cannot be run. */
  notExecutable: 126,
  /** As a shell: there is no such command. */
  notFound: 127,
} as const;

/** Arguments that cannot be meant: nothing was sent. */
export class UsageError extends Error {}

/** Ends rxlock with a code of its own. */
export class ExitError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** As a shell says that a signal ended something. */
export const codeOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

export const isNotAcquired = (error: unknown): error is AlreadyLockedError | LockTimeoutError =>
  error instanceof AlreadyLockedError || error instanceof LockTimeoutError;

/** The code for what a subcommand failed with. */
export function codeFor(error: unknown): number {
  if (error instanceof ExitError) return error.code;
  if (error instanceof UsageError || error instanceof InvalidOptionError) return EXIT.usage;
  return isNotAcquired(error) ? EXIT.notAcquired : EXIT.failed;
}
