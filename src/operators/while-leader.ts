import { catchError, defer, retry, throwError, using } from 'rxjs';
import type { Observable, ObservableInput, ObservedValueOf, SchedulerLike } from 'rxjs';
import { timeOf } from '../time/clock.js';
import { BackendError, LockLostError, isRefusal } from '../api/errors.js';
import type { HeldLock, Lock } from '../api/lock.js';
import { checkedAcquireOptions } from '../api/options.js';
import type { ContendOptions } from '../api/options.js';
import { checkedFunction, checkedLock } from '../api/shapes.js';
import { inSubscriberContext } from '../platform/in-context.js';
import { usingLock } from './using-lock.js';
import { backoff } from '../time/backoff.js';

/** The options of {@link whileLeader}. */
export interface LeaderOptions extends ContendOptions {
  /** Where the pauses run; the machine's time by default. In a marble test the TestScheduler. */
  readonly scheduler?: SchedulerLike | undefined;
}

/**
 * One of many runs something, and when it fails another one does: contends, runs the inner stream while it holds, and
 * contends again after a loss. For schedulers, pollers, everything of which one may be at work.
 *
 * ```text
 * lock      --h---#      --h------x     #: lost   h: held, again   x: released
 * inner 1     --a--
 * inner 2                  --b--c|
 * result    ----a------------b--c--|
 * ```
 *
 * - The lock is lost, or the server cannot be reached or has no space: the inner stream is stopped; after a pause of
 *   50 ms, up to a second when it happens again and again, it contends anew, at the tail.
 * - The inner stream completes: release, complete. It errors, or `project` throws: release, that error, whatever it is.
 * - Any other error of the lock ends it: a refusal for good, a `wait` that ran out, an aborted `signal`, `close()`.
 *
 * @param lock what to hold while it runs
 * @param project makes the inner stream, anew each time; gets the {@link HeldLock}
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
  const { signal, waitSignal } = contention;
  /** Whose reason may be the loss of another lock, which is not ours to pass over. */
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
      // What fails inside is not ours to repeat, be it the loss of another lock.
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

/** What `backoff` takes for a ttl, which its pauses stay far below. */
const PATIENCE = 60_000;

/** An error of the inner stream, among those of the lock. */
class InnerFailed extends Error {}

const mayPass = (error: unknown): boolean =>
  error instanceof LockLostError || (error instanceof BackendError && !isRefusal(error));
