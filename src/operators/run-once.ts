import { EMPTY, catchError, concat, concatMap, defer, of, tap, throwError } from 'rxjs';
import type { ObservableInput, Observable } from 'rxjs';
import { RunFailedError, RunResultError } from '../api/errors.js';
import type { HeldLock, LockState } from '../api/lock.js';
import type { Once, OnceResult } from '../api/once.js';
import { checkedRunOptions } from '../api/run-options.js';
import type { RunOptions } from '../api/run-options.js';
import { checkedFunction, checkedOnce } from '../api/shapes.js';
import { usingLock } from './using-lock.js';

/**
 * One of the fleet runs `project` and mirrors it, once within `keep`; all others wait and get its last value, or nothing
 * where it emitted none.
 *
 * ```text
 * a  runOnce  ---r--A--|         r: runs   A: its value
 * b  runOnce  -----------A|      after the marker, without running
 * c  late        ...        A|   marker still kept: at once
 * ```
 *
 * - It completes: its last value is kept for `keep` milliseconds, then the lock is given back, then the result
 *   completes. So a late clock, a restart or a crash after that never runs it again.
 * - It errors, or `project` throws: that error, after the release; the next of the fleet runs it. With
 *   `failures: 'count'` it is done instead, and the others get a {@link RunFailedError}.
 * - Its process dies, or the lock is lost ({@link LockLostError}): the next one runs it. What it emitted before has been
 *   mirrored already. A process that dies after the work and before the marker has done it, and it is done again: let
 *   the work be refused a second time, by a `guard` of etcd v3 or by `held.fencingToken`.
 * - Unsubscribed: `project` is stopped, the lock released, and it is not done.
 *
 * The value goes to the others as JSON of at most 64 KB. What is larger, or would come back as something else, is a
 * {@link RunResultError} at the runner, and not done.
 *
 * @param once what is done, made by {@link Locks.once}
 * @param project makes the stream that does it; gets the {@link HeldLock}
 * @param options.wait milliseconds to wait for another one's result or for our turn, `Infinity` by default
 * @param options.onBusy `skip`: completes without a value where another one is running it
 * @param options.atMost milliseconds that a run may take, `Infinity` by default: then it is lost, and the next one runs it
 * @param options.failures `count`: a failure is done, too
 * @throws InvalidOptionError at the call
 * @throws in the stream: {@link RunFailedError}, {@link RunResultError}, {@link AlreadyLockedError}, {@link LockTimeoutError}, {@link LockLostError}, {@link LocksClosedError}, {@link BackendError}
 * @example
 * const tick = new Date().toISOString().slice(0, 16); // the same in the whole fleet, whatever the clocks do in between
 * runOnce(locks.once(`cleanup/${tick}`, { keep: 3600_000 }), () => report$).subscribe();
 */
export function runOnce<T>(
  once: Once<T>,
  project: (held: HeldLock) => ObservableInput<T>,
  options: RunOptions = {},
): Observable<T> {
  checkedOnce(once);
  checkedFunction('project', project, 'give a function that makes the stream to be run, and the options after it.');
  const { failures } = checkedRunOptions(options);
  const turns$ = once.turn$(options);

  return defer(() => {
    let found: OnceResult<T> | undefined;
    const states$: Observable<LockState> = turns$.pipe(
      concatMap((state) => {
        if (state.status !== 'done') return of(state);
        found = state.result;
        return EMPTY;
      }),
    );
    const run = (held: HeldLock): Observable<T> => {
      let last: T | undefined;
      const counted = (error: unknown): Observable<never> => {
        const failed$ = throwError(() => error);
        if (failures === 'retry' || !held.isHeld()) return failed$;
        // What it failed with is what counts, whether or not that can be said to others.
        return concat(once.markFailed$(held, error).pipe(catchError(() => EMPTY)), failed$);
      };
      const mirrored$ = defer(() => project(held)).pipe(
        tap((value) => {
          last = value;
        }),
        catchError(counted),
      );
      const marked$ = defer(() => once.mark$(held, last)).pipe(
        catchError((error: unknown) => (error instanceof RunResultError ? counted(error) : throwError(() => error))),
      );
      return concat(mirrored$, marked$);
    };
    const ours$ = usingLock({ key: once.key, lock$: () => states$ }, run);
    return concat(
      ours$,
      defer(() => (found ? given$(found) : EMPTY)),
    );
  });
}

/** What another one has produced. */
function given$<T>({ key, by, outcome, reason = '', value }: OnceResult<T>): Observable<T> {
  if (outcome === 'failed') return throwError(() => new RunFailedError({ key, by, reason }));
  return value === undefined ? EMPTY : of(value);
}
