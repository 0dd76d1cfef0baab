import { catchError, defer, retry, throwError, using } from 'rxjs';
import type { Observable, ObservableInput, ObservedValueOf, SchedulerLike } from 'rxjs';
import { timeOf } from '../time/clock.js';
import { BackendError, LockLostError, isRefusal } from '../api/errors.js';
import type { HeldLock, Lock } from '../api/lock.js';
import { checkedAcquireOptions } from '../api/options.js';
import type { ContendOptions } from '../api/options.js';
import { checkedFunction, checkedLock, checkedTime } from '../api/shapes.js';
import { inSubscriberContext } from '../platform/in-context.js';
import { usingLock } from './using-lock.js';
import { backoff } from '../time/backoff.js';

/** The options of {@link whileLeader}. */
export interface LeaderOptions extends ContendOptions {
  /** The scheduler of the pauses; the machine's time by default. In a marble test give the TestScheduler. */
  readonly scheduler?: SchedulerLike | undefined;
}

/**
 * Runs the inner stream in one of many processes; if that process fails, another one runs it. Contends, runs the inner
 * stream while the lock is held, and contends again after a loss. For schedulers, pollers, and other work that only one
 * process may do.
 *
 * ```text
 * lock      --h---#      --h------x     #: lost   h: held, again   x: released
 * inner 1     --a--
 * inner 2                  --b--c|
 * result    ----a------------b--c--|
 * ```
 *
 * - The lock is lost, or the server cannot be reached or has no space: the inner stream is stopped. After a pause of 50
 *   ms, up to a second if it happens repeatedly, it contends again, at the tail of the queue.
 * - The inner stream completes: release, complete. It errors, or `project` throws: release, that error.
 * - Any other error of the lock ends the stream: a refusal for good, a `wait` that ran out, an aborted `signal`,
 *   `close()`.
 *
 * @param lock the lock to hold while the inner stream runs
 * @param project makes the inner stream, a new one each time; gets the {@link HeldLock}
 * @param options.wait milliseconds to contend each time, `Infinity` by default
 * @throws in the stream: {@link AlreadyLockedError}, {@link LockTimeoutError}, {@link LocksClosedError}, {@link BackendError}
 * @example
 * whileLeader(locks.mutex('scheduler'), () => jobs$.pipe(concatMap(run))).subscribe();
 */
export function whileLeader<O extends ObservableInput<unknown>>(
  lock: Lock,
  project: (held: HeldLock) => O,
  options: LeaderOptions = {},
): Observable<ObservedValueOf<O>> {
  checkedLock(lock);
  checkedFunction('project', project, 'give a function that makes the inner stream, and the options after it.');
  checkedAcquireOptions(options, 'whileLeader');
  const { scheduler, ...contention } = options;
  checkedTime({ scheduler });
  const { signal, waitSignal } = contention;
  /** The reason of an abort may be the LockLostError of another lock: it must not be retried. */
  const isAborted = (): boolean => signal?.aborted === true || waitSignal?.aborted === true;
  const time = timeOf({ scheduler });
  const pause = (ms: number): Observable<unknown> =>
    using(
      () => time.awake(),
      () => time.after(ms),
    ).pipe(inSubscriberContext());

  return defer(() => {
    let failures = 0;
    const led = (held: HeldLock): Observable<ObservedValueOf<O>> => {
      failures = 0;
      // An error of the inner stream is not retried, even if it is the loss of another lock.
      return defer(() => project(held)).pipe(
        catchError((cause: unknown) => throwError(() => new InnerFailed(undefined, { cause }))),
      );
    };
    return usingLock(lock, led, contention).pipe(
      retry({
        delay: (error: unknown) => {
          if (isAborted() || !mayPass(error))
            return throwError(() => (error instanceof InnerFailed ? error.cause : error));
          failures += 1;
          return pause(backoff(failures, PATIENCE, () => 1));
        },
      }),
    );
  });
}

/** Given to `backoff` as a ttl: so long that it does not shorten the pauses. */
const PATIENCE = 60_000;

/** An error of the inner stream, among those of the lock. */
class InnerFailed extends Error {}

const mayPass = (error: unknown): boolean =>
  error instanceof LockLostError || (error instanceof BackendError && !isRefusal(error));
