/**
 * The exit codes, and the code for each error.
 */
import { constants } from 'node:os';
import { AlreadyLockedError, InvalidOptionError, LockTimeoutError } from '../index.js';

/** The codes of rxlock itself; all others come from the command that was run. */
export const EXIT = {
  done: 0,
  /** `rxlock check` found what will go wrong. */
  found: 1,
  /** EX_USAGE of sysexits.h. */
  usage: 64,
  /** EX_TEMPFAIL of sysexits.h: the lock was not acquired. */
  notAcquired: 75,
  /** As timeout(1): rxlock ended the command. */
  ended: 124,
  /** As env(1) and timeout(1): rxlock itself failed. */
  failed: 125,
  /** As a shell: the command exists, but cannot be run. */
  notExecutable: 126,
  /** As a shell: the command does not exist. */
  notFound: 127,
} as const;

/** Invalid arguments: nothing was sent. */
export class UsageError extends Error {}

/** Ends rxlock with a code of its own. */
export class ExitError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** The code of a shell for a command that was ended by this signal. */
export const codeOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

export const isNotAcquired = (error: unknown): error is AlreadyLockedError | LockTimeoutError =>
  error instanceof AlreadyLockedError || error instanceof LockTimeoutError;

/** The exit code for an error of a subcommand. */
export function codeFor(error: unknown): number {
  if (error instanceof ExitError) return error.code;
  if (error instanceof UsageError || error instanceof InvalidOptionError) return EXIT.usage;
  return isNotAcquired(error) ? EXIT.notAcquired : EXIT.failed;
}
