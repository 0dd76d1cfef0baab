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
 * One process of the fleet runs `project`, once within `keep`; its subscriber gets all values. All other processes wait,
 * and get the last value without running anything; they complete without a value if there was none.
 *
 * ```text
 * a  runOnce  ---r--A--|         r: runs   A: its value
 * b  runOnce  -----------A|      after the marker, without running
 * c  late        ...        A|   marker still kept: at once
 * ```
 *
 * - The inner stream completes: its last value is stored for `keep` milliseconds, then the lock is released, then the
 *   result completes. A late clock, a restart or a crash after that does not run the work again.
 * - The inner stream errors, or `project` throws: release, then that error; the next process runs the work. With
 *   `failures: 'count'` the work counts as done instead, and the others get a {@link RunFailedError}.
 * - The process dies, or the lock is lost ({@link LockLostError}): the next process runs the work. Values that were
 *   emitted before that were delivered. A process that dies after the work and before the marker has done the work, and
 *   the next one does it again: let the resource refuse the second time, by a `guard` of etcd v3 or by
 *   `held.fencingToken`.
 * - Unsubscribed: `project` is stopped, the lock is released, and the work is not done.
 *
 * The others get the value as JSON of at most 64 KiB. A value that is larger, or that JSON would change, is a
 * {@link RunResultError} at the runner, and the work is not done.
 *
 * @param once the work and its key, made by {@link Locks.once}
 * @param project makes the stream that does the work; gets the {@link HeldLock}
 * @param options.wait milliseconds to wait for the result of another process or for our turn, `Infinity` by default
 * @param options.onBusy `skip`: completes without a value if another process is running the work
 * @param options.atMost milliseconds that a run may take, `Infinity` by default: after that the lock is lost, and the
 *   next process runs the work
 * @param options.failures `count`: a failed run counts as done, too
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
