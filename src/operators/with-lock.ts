import type { MonoTypeOperatorFunction } from 'rxjs';
import type { Lock } from '../api/lock.js';
import { checkedAcquireOptions } from '../api/options.js';
import type { ContendOptions } from '../api/options.js';
import { checkedLock } from '../api/shapes.js';
import { usingLock } from './using-lock.js';

/**
 * Subscribes to the source once the lock is held, and releases when the source ends.
 *
 * ```text
 * lock      --h----------x            h: held   x: released, acknowledged
 * source      --a--b--|
 * result    ----a--b-----|            completes after the release
 * ```
 *
 * The endings are those of {@link usingLock}. To run many, put it inside: `mergeMap` runs all that get their lock,
 * `concatMap` one after another, `exhaustMap` drops what comes while one runs.
 *
 * @param lock what to hold; contended for at each subscription
 * @param options.wait milliseconds to contend, `0` tries once, `Infinity` by default
 * @throws InvalidOptionError at the call
 * @throws in the stream: {@link AlreadyLockedError}, {@link LockTimeoutError}, {@link LockLostError}, {@link LocksClosedError}, {@link BackendError}
 * @example
 * jobs$.pipe(concatMap((job) => run(job).pipe(withLock(locks.mutex(job.id)))));
 */
export function withLock<T>(lock: Lock, options: ContendOptions = {}): MonoTypeOperatorFunction<T> {
  checkedLock(lock);
  checkedAcquireOptions(options);
  return (source) => usingLock(lock, () => source, options);
}
