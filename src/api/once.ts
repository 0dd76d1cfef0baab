/**
 * What one of a fleet does for all: which of them, and what came of it.
 */
import type { Observable } from 'rxjs';
import type { HeldLock, Lock, LockState } from './lock.js';
import type { RunOptions } from './run-options.js';

/** What came of a run. */
export interface OnceResult<T> {
  readonly key: string;
  readonly outcome: 'completed' | 'failed';
  /** The last value of the run; `undefined` where there was none. */
  readonly value: T | undefined;
  /** What its error said, of one that failed. */
  readonly reason: string | undefined;
  /** The `owner` of the locks under which it ran. */
  readonly by: string;
  /** When it was done, by the wall clock of who ran it. */
  readonly at: Date | undefined;
  /** Under which it ran; unknown where somebody has marked it by hand. */
  readonly fencingToken: bigint | undefined;
}

/** Where somebody stands who takes part. `held`: it is our turn to run it, and it is not done. */
export type OnceState<T> =
  LockState | { readonly status: 'done'; readonly key: string; readonly result: OnceResult<T> };

/**
 * Work that one of a fleet does, and that stays done for `keep` milliseconds. Made by {@link Locks.once}; run with the
 * operator `runOnce` or with {@link run}. The other members are what those two are made of.
 */
export interface Once<T> {
  readonly key: string;
  /** How long it stays done, milliseconds. */
  readonly keep: number;
  /** The mutex under which it runs: who runs it now is who holds that. */
  readonly lock: Lock;

  /**
   * What came of it: as the server has it now, then at each change; `undefined` while it is not done, or no more.
   * Errors with {@link BackendError} when the server cannot be asked; later breaks of the watch are mended.
   *
   * ```text
   * run      ---r--A
   * marker         A---------x     x: kept no more
   * result$  u-----A---------u     u: undefined
   * ```
   */
  readonly result$: Observable<OnceResult<T> | undefined>;

  /**
   * Takes part: asks whether it is done, and if not waits for that or for the turn to run it. Emits the waiting, as
   * {@link Lock.lock$} does, then either `done`, and completes; or `held`, once the server has said again that it is
   * not done. Who holds runs it, calls {@link mark$} and gives the lock back.
   *
   * @throws InvalidOptionError at the call
   */
  turn$(options?: RunOptions): Observable<OnceState<T>>;

  /**
   * Says that it is done, with its value or without, under the lock of {@link turn$}. Completes when the server has
   * said that this is written, in the same step in which our claim was found in its queue. Emits nothing.
   *
   * Errors with {@link RunResultError} for what JSON would change or what is more than 64 KB, before anything is
   * written; with {@link BackendError} when the server has refused for a ttl, as one without space does. At a loss it
   * ends with the lock.
   */
  mark$(held: HeldLock, value?: T): Observable<never>;
  /** Says that it has failed, and that this counts: the others get a {@link RunFailedError}. */
  markFailed$(held: HeldLock, error: unknown): Observable<never>;

  /**
   * The operator `runOnce` as a promise: runs the body if nobody has, and resolves with what it returned, or with the
   * result of the one who ran it. `undefined` where there is none, or it was skipped.
   *
   * Rejects as the body does, or with the errors of the stream form.
   *
   * @example
   * const rates = locks.once<{ readonly usd: number }>('rates', { keep: 60_000 });
   * const { usd = 1 } = (await rates.run(async () => ({ usd: 1.1 }))) ?? {};
   */
  run(body: (held: HeldLock) => T | PromiseLike<T>, options?: RunOptions): Promise<T | undefined>;
}
