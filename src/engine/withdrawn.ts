/**
 * Why a contender gave up, in one word.
 */
import { AlreadyLockedError, LockTimeoutError, LocksClosedError } from '../api/errors.js';
import type { WithdrawnReason } from '../api/events.js';
import { Aborted } from './aborts.js';

/** The reason that belongs to the error. */
export function withdrawnReason(error: unknown): WithdrawnReason {
  if (error instanceof Aborted) return 'aborted';
  if (error instanceof AlreadyLockedError) return 'busy';
  if (error instanceof LockTimeoutError) return 'timeout';
  return error instanceof LocksClosedError ? 'closed' : 'failed';
}
