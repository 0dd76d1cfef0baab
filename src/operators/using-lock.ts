import { Observable, Subscription, from } from 'rxjs';
import type { ObservableInput, ObservedValueOf } from 'rxjs';
import type { HeldLock, Lock, ReleaseOptions } from '../api/lock.js';
import type { ContendOptions } from '../api/options.js';
import { checkedFunction, checkedLock } from '../api/shapes.js';

/**
 * Like RxJS's `using`, for a lock: contends, subscribes to the inner stream once the lock is held, mirrors it, and
 * releases when it ends.
 *
 * ```text
 * lock      --h--------x          h: held   x: released, acknowledged
 * inner       --a--b|
 * result    ----a--b---|          completes after the release
 *
 * lock      --h------#            #: LockLostError
 * inner       --a--b--            stopped first
 * result    ----a--b-#
 * ```
 *
 * - The inner stream completes: release, acknowledgement, complete. It errors, or `project` throws: release,
 *   acknowledgement, that error. The wait for the acknowledgement ends with the lease at the latest.
 * - Unsubscribed: the inner stream is stopped, then the lock is released, in the background.
 * - The lock is lost: the inner stream is stopped, then `held.signal` aborts, then the {@link LockLostError} follows.
 *   No value that the inner stream emits after the deadline gets through, not even after a stall of the process.
 * - `held.release()`: the inner stream is stopped, the lock released, the result completes.
 *
 * @param lock the lock to hold; each subscription contends for it
 * @param project makes the inner stream; gets the {@link HeldLock}, with its fencing token and its signal
 * @param options.wait milliseconds to contend, `0` tries once, `Infinity` by default
 * @throws InvalidOptionError at the call
 * @throws in the stream: {@link AlreadyLockedError}, {@link LockTimeoutError}, {@link LockLostError}, {@link LocksClosedError}, {@link BackendError}
 * @example
 * const saved$ = usingLock(locks.mutex('accounts/4711'), (held) => save({ balance: 42, fence: held.fencingToken }));
 */
export function usingLock<O extends ObservableInput<unknown>>(
  lock: Pick<Lock, 'key' | 'lock$'>,
  project: (held: HeldLock) => O,
  options?: ContendOptions,
): Observable<ObservedValueOf<O>> {
  checkedLock(lock);
  checkedFunction('project', project, 'give a function that makes the inner stream, and the options after it.');
  const states$ = lock.lock$(options);

  return new Observable<ObservedValueOf<O>>((subscriber) => {
    // Added first, so torn down first: the body must have stopped before the lock is released.
    const body = new Subscription();
    subscriber.add(body);
    let outcome: (() => void) | undefined;

    const run = (held: HeldLock): void => {
      const stop = (): void => body.unsubscribe();
      body.add(held.ended$.subscribe({ error: stop, complete: stop }));

      const releaseThen = (deliver: () => void, options?: ReleaseOptions): void => {
        outcome = deliver;
        // It rejects if the lock was lost: then `states$` errors, and delivers the loss.
        held.release(options).catch(stop);
      };
      // Its subscriber is what stops it: a stream that emits synchronously runs before there is a subscription.
      const inner$ = new Observable<ObservedValueOf<O>>((inner) => {
        body.add(inner);
        const made = project(held);
        if (!body.closed) from(made).subscribe(inner);
      });
      inner$.subscribe({
        next: (value) => {
          if (held.isHeld()) subscriber.next(value);
        },
        error: (error: unknown) => {
          if (held.isHeld()) return releaseThen(() => subscriber.error(error), { handOff: false });
          // After the deadline there is no release to wait for; the teardown of the inner stream still comes first.
          stop();
          subscriber.error(error);
        },
        complete: () => {
          // After the deadline do not complete: the loss follows.
          if (held.isHeld()) releaseThen(() => subscriber.complete());
        },
      });
    };

    subscriber.add(
      states$.subscribe({
        next: (state) => {
          if (state.status === 'held') run(state.held);
        },
        error: (error: unknown) => {
          body.unsubscribe();
          if (outcome) outcome();
          else subscriber.error(error);
        },
        complete: () => {
          body.unsubscribe();
          if (outcome) outcome();
          else subscriber.complete();
        },
      }),
    );
  });
}
