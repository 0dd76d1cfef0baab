/**
 * Work that one process of a fleet does for all: its states and its result.
 */
import type { Observable } from 'rxjs';
import type { HeldLock, Lock, LockState } from './lock.js';
import type { RunOptions } from './run-options.js';

/** The result of a run. */
export interface OnceResult<T> {
  readonly key: string;
  readonly outcome: 'completed' | 'failed';
  /** The last value of the run; `undefined` where there was none. */
  readonly value: T | undefined;
  /** The message of the error, if the run failed. */
  readonly reason: string | undefined;
  /** The `owner` of the `Locks` that ran it. */
  readonly by: string;
  /** When the run ended, by the wall clock of the process that ran it. */
  readonly at: Date | undefined;
  /** The fencing token under which it ran; not known if somebody wrote the marker by hand. */
  readonly fencingToken: bigint | undefined;
}

/** The state of a participant. `held`: it is our turn to run the work, and the work is not done. */
export type OnceState<T> =
  LockState | { readonly status: 'done'; readonly key: string; readonly result: OnceResult<T> };

/**
 * Work that one process of a fleet does, and that stays done for `keep` milliseconds. Made by {@link Locks.once}; run
 * it with the operator `runOnce` or with {@link run}. Those two are built of the other members.
 */
export interface Once<T> {
  readonly key: string;
  /** How long the work stays done, milliseconds. */
  readonly keep: number;
  /** The mutex under which the work runs: its holder is running it now. */
  readonly lock: Lock;

  /**
   * The result on the server: emits it at once, then each change; `undefined` while the work is not done, or no longer
   * done. Errors with {@link BackendError} if the first read fails; later the watch is reopened when it breaks.
   * Completes with {@link Locks.close}.
   *
   * ```text
   * run      ---r--A
   * marker         A---------x     x: kept no more
   * result$  u-----A---------u     u: undefined
   * ```
   */
  readonly result$: Observable<OnceResult<T> | undefined>;

  /**
   * Takes part: asks whether the work is done; if not, waits until it is, or until it is our turn to run it. Emits
   * `waiting`, as {@link Lock.lock$} does. Then it emits either `done`, and completes, or `held`, after the server has
   * confirmed once more that the work is not done. The holder runs the work, calls {@link mark$} and releases the lock.
   *
   * @throws InvalidOptionError at the call
   */
  turn$(options?: RunOptions): Observable<OnceState<T>>;

  /**
   * Marks the work as done, with a value or without, under the lock of {@link turn$}. Completes when the server has
   * written the marker; the same transaction checks that our claim is still in its queue. Emits nothing. What is marked
   * already stays as it is.
   *
   * Errors with {@link RunResultError} for a value that JSON would change or that is larger than 64 KB, before anything
   * is written; with {@link BackendError} when the server has refused for a whole ttl, as a server without space does.
   * If the lock is lost, it ends as the lock does.
   */
  mark$(held: HeldLock, value?: T): Observable<never>;
  /** Marks the work as failed, and that counts as done: the others get a {@link RunFailedError}. */
  markFailed$(held: HeldLock, error: unknown): Observable<never>;

  /**
   * The operator `runOnce` as a promise: runs the body if nobody has, and resolves with what it returned; otherwise it
   * resolves with the result of the process that ran it. `undefined` if there is no result, or if it was skipped.
   *
   * Rejects as the body does, or with the errors of the stream form.
   *
   * @example
   * const rates = locks.once<{ readonly usd: number }>('rates', { keep: 60_000 });
   * const { usd = 1 } = (await rates.run(async () => ({ usd: 1.1 }))) ?? {};
   */
  run(body: (held: HeldLock) => T | PromiseLike<T>, options?: RunOptions): Promise<T | undefined>;
}
