/**
 * What ends a contention from outside: its signal, the end of its patience.
 */
import { EMPTY, Observable, filter, merge } from 'rxjs';
import { at, failAt } from '../time/clock.js';
import type { Time } from '../time/clock.js';
import { BackendError, LockTimeoutError } from '../api/errors.js';
import type { AcquireOptions } from '../api/options.js';
import type { Holder } from '../api/ownership.js';

export interface Endings {
  readonly time: Time;
  readonly key: string;
  readonly contention: AcquireOptions;
  readonly serverName: string;
  /** Whether the wait is over because the lock was got. */
  isHeld(): boolean;
  /** Who holds the lock instead, or nothing where the server has never answered. */
  inTheWay(): readonly Holder[] | undefined;
}

/** Never emits; errors when the contention is to end, with what its user is to be told. */
export function endings({ time, key, contention, serverName, isHeld, inTheWay }: Endings): Observable<never> {
  const { wait, signal } = contention;

  const timedOut = (): Error => {
    const holders = inTheWay();
    if (holders) return new LockTimeoutError({ key, wait, holders });
    const silence = `${serverName} did not answer within the ${wait} ms that "${key}" was waited for.`;
    return new BackendError(silence, { retryable: true });
  };
  // A try ends with its answer, and who waits for ever needs no timer.
  const isLimited = wait > 0 && wait < Infinity;
  const patience$ = isLimited ? at(time, time.now() + wait).pipe(filter(() => !isHeld())) : EMPTY;

  return merge(aborted(signal), failAt(patience$, timedOut));
}

/** Errors with the reason of the signal, at once where it was aborted before: its event does not come again. */
function aborted(signal: AbortSignal | undefined): Observable<never> {
  if (!signal) return EMPTY;
  return new Observable((subscriber) => {
    const abort = (): void => subscriber.error(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort);
    return () => signal.removeEventListener('abort', abort);
  });
}
