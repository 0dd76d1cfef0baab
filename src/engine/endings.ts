/**
 * What ends a contention from outside: its signals and the end of `wait`.
 */
import { EMPTY, catchError, filter, merge, throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import { at, failAt } from '../time/clock.js';
import type { Time } from '../time/clock.js';
import { BackendError, LockTimeoutError } from '../api/errors.js';
import type { Relation } from '../api/errors.js';
import { quoted } from '../api/texts.js';
import type { AcquireOptions } from '../api/options.js';
import type { Holder } from '../api/ownership.js';
import { aborted } from './aborts.js';

export interface Endings {
  readonly time: Time;
  readonly key: string;
  readonly contention: AcquireOptions;
  readonly serverName: string;
  /** Whether the lock is held, so that the wait is over. */
  isHeld(): boolean;
  /** Why the server does not answer at the moment. */
  outage(): Error | undefined;
  /** The holders seen last; `undefined` if the server has never answered. */
  inTheWay(): readonly Holder[] | undefined;
  /** How the holders are related to the contender. */
  relation(holders: readonly Holder[]): Relation;
}

/** Milliseconds: a shorter wait may have been meant as seconds. */
const SHORT_WAIT = 100;

/** Never emits; errors when the contention must end, with the error for the user. */
export function endings({
  time,
  key,
  contention,
  serverName,
  isHeld,
  outage,
  inTheWay,
  relation,
}: Endings): Observable<never> {
  const { wait, signal } = contention;

  const timedOut = (): Error => {
    const holders = inTheWay();
    const cause = outage();
    // During an outage nobody knows who holds the lock, so the error is a `BackendError`.
    if (holders && !cause) return new LockTimeoutError({ key, wait, holders, relation: relation(holders) });
    const silence = `${serverName} did not answer within the ${wait} ms of the wait for ${quoted(key)}.`;
    const unit = wait < SHORT_WAIT ? ' `wait` is in milliseconds.' : '';
    return new BackendError([silence + unit, ...(cause ? [cause.message] : [])].join(' '), { retryable: true, cause });
  };
  // A try ends with its answer, and an endless wait needs no timer.
  const isLimited = wait > 0 && wait < Infinity;
  const patience$ = isLimited ? at(time, time.now() + wait).pipe(filter(() => !isHeld())) : EMPTY;

  return merge(
    aborted(signal?.always),
    aborted(signal?.waiting).pipe(catchError((error: unknown) => (isHeld() ? EMPTY : throwError(() => error)))),
    failAt(patience$, timedOut),
  );
}
