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
 * The endings are those of {@link usingLock}. For many sources, use it inside of a flattening operator: `mergeMap` runs
 * all that get their lock, `concatMap` runs one after another, `exhaustMap` drops values that come while one runs.
 *
 * @param lock the lock to hold; each subscription contends for it
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
