/**
 * The interfaces of a lock: `Lock`, the states of a contender, `HeldLock`.
 */
import type { Observable } from 'rxjs';
import type { JsonValue } from './json.js';
import type { ContendOptions, SkipOptions } from './options.js';
import type { Holder, Ownership } from './ownership.js';
import type { Revocation, RevokeOptions } from './revocation.js';

/** A lock: a name on a server. Nothing is sent before a stream is subscribed to. */
export interface Lock {
  readonly key: string;

  /**
   * Contends while subscribed, holds while subscribed, releases on unsubscribing.
   *
   * ```text
   * subscribed   ^---------------------!
   * lock$        --w----h---------------     w: waiting   h: held, once
   * server       --q----o--r--r--r-----x     q: queued   o: ours   r: renewed   x: released
   * ```
   *
   * Each subscription is a contender of its own. The stream completes after `held.release()`; otherwise it goes on
   * until it is unsubscribed. `firstValueFrom(lock$())` would release the lock as soon as it is held: use
   * {@link acquire}.
   *
   * In the stream: {@link AlreadyLockedError}, {@link LockTimeoutError}, {@link LockLostError},
   * {@link LocksClosedError}, {@link BackendError}, or the reason of the aborted `signal`.
   *
   * @throws InvalidOptionError at the call
   * @example
   * const states = locks.mutex('reports/nightly').lock$({ wait: 5_000 }).subscribe((state) => {
   *   if (state.status === 'held') console.log('ours, token', state.held.fencingToken);
   * });
   * states.unsubscribe(); // releases
   */
  lock$(options?: ContendOptions): Observable<LockState>;

  /**
   * Who holds the lock, without contending: emits the latest state at once, then every change. All subscribers share
   * one watch. Emits `unknown` while the server cannot be followed, and the state again when it can. Never errors.
   */
  ownership$(): Observable<Ownership>;

  /**
   * Resolves with the held lock; release it with `release()` or `await using`. One that is forgotten stays held while the
   * process lives, unless `atMost` ends it. Rejects with the errors of {@link lock$}.
   *
   * @example
   * await using held = await locks.mutex('reports/nightly').acquire({ wait: 5_000 });
   * await fetch('http://127.0.0.1/report', { signal: held.signal });
   */
  acquire(options: SkipOptions): Promise<HeldLock | undefined>;
  acquire(options?: ContendOptions & { readonly onBusy?: 'error' | undefined }): Promise<HeldLock>;
  acquire(options?: ContendOptions): Promise<HeldLock | undefined>;

  /**
   * Runs the body while the lock is held, releases when the body ends, and settles as the body did. Rejects with the
   * {@link LockLostError} at the moment of a loss; how the body ends after that is a `late-result` event. So give
   * `held.signal` to everything in the body that can be aborted. A body that returns an Observable or a generator is an
   * {@link InvalidOptionError}, since nobody would run it: use `usingLock`.
   *
   * @example
   * const total = await locks.mutex('reports/nightly').use((held) => fetch('http://127.0.0.1/', { signal: held.signal }));
   */
  use<T>(body: (held: HeldLock) => T | PromiseLike<T>, options: SkipOptions): Promise<T | undefined>;
  use<T>(
    body: (held: HeldLock) => T | PromiseLike<T>,
    options?: ContendOptions & { readonly onBusy?: 'error' | undefined },
  ): Promise<T>;
  use<T>(body: (held: HeldLock) => T | PromiseLike<T>, options?: ContendOptions): Promise<T | undefined>;

  /**
   * Asks the holders to release, each by its {@link HeldLock.revocation$}. A holder that still holds after `within`
   * loses the lock: its claim is overwritten, which the loser gets as a {@link LockLostError} with this reason. The
   * claim is deleted when the loser has left, or a tenth of a ttl later. So a process that is alive has stopped before
   * the next one holds, and a process that stands still is not waited for.
   *
   * ```text
   * revoke       ?----!      within: 5, then
   * holder       -----#      `revoked`: tidied up, told, gone
   * next         w-----h
   * ```
   *
   * Resolves with the holders that were asked: when the request is written, or, if `within` is finite, when they no
   * longer hold. Claims of other programs and of candidates of an election cannot carry a request: their holders are
   * not asked, but the lock can be taken from them. Rejects with {@link BackendError} when the server cannot be reached
   * or refuses.
   *
   * Rejects with {@link InvalidOptionError} for bad options, and on etcd v2, whose claims cannot carry a request.
   *
   * @example
   * await locks.mutex('reports/nightly').revoke({ reason: 'host 7 is being drained', within: 30_000 });
   */
  revoke(options: RevokeOptions): Promise<readonly Holder[]>;
}

/**
 * Several locks as one. Its `ownership$()` is `held` while somebody holds any of them, and lists the holders of all of
 * them.
 */
export interface AllLock extends Lock {
  /** The locks that it consists of; each can be observed separately. */
  readonly members: readonly Lock[];
}

/** The state of a contender. `held` is emitted once, so a `switchMap` on it does not restart at each renewal. */
export type LockState =
  | {
      readonly status: 'waiting';
      readonly key: string;
      /** How many claims are before ours; not known on etcd v2. In a long queue it is not told at each change. */
      readonly ahead?: number;
      readonly holders: readonly Holder[];
    }
  | { readonly status: 'held'; readonly key: string; readonly held: HeldLock };

/** One renewal of a held lock. */
export interface Renewal {
  /** Renewals since the lock was acquired, counted from 1. */
  readonly count: number;
  readonly validUntil: number;
}

/** The options of {@link HeldLock.release}. */
export interface ReleaseOptions {
  /**
   * Whether the next waiter, if it is of the same `Locks`, holds at once, without a round trip; `true` by default. Give
   * `false` when work that was begun under the lock may still be running: then the server acknowledges the release
   * first.
   */
  readonly handOff?: boolean;
}

/** A lock that is held until `validUntil`, which each renewal moves forward. */
export interface HeldLock {
  readonly key: string;
  /** The keys it covers: several for the lock of {@link Locks.all}. */
  readonly keys: readonly string[];
  readonly owner: string;
  /**
   * Greater than the token of every earlier claim at this key. Let the resource refuse smaller tokens, if the lock is held
   * alone: holders of a semaphore and readers hold together, in any order of tokens. JSON has no bigint: write
   * `String(token)`.
   */
  readonly fencingToken: bigint;
  /** The instant, on the clock of the `Locks`, until which the lock is certainly held. Milliseconds. */
  readonly validUntil: number;
  /** Whether the lock is held right now: `false` from the deadline on, even if no timer has run yet. */
  isHeld(): boolean;
  /** Milliseconds until `validUntil`; 0 when the lock is not held any more. */
  remaining(): number;
  /**
   * The end of the hold: completes when the release begins; errors with the loss, the reason of the aborted `signal`,
   * or the {@link LocksClosedError} of `close()`, before any other notification.
   */
  readonly ended$: Observable<never>;
  /** Emits at each renewal. Ends as {@link ended$} does. */
  readonly renewals$: Observable<Renewal>;
  /**
   * Requests to release: emits the latest request at once, then each that follows. Ends as {@link ended$} does. Whether
   * to release is up to you; if the request has a finite `within`, the lock is taken away after that time.
   *
   * @example
   * const lock = locks.mutex('reports/nightly');
   * usingLock(lock, (held) => jobs$.pipe(concatMap(run), takeUntil(held.revocation$))).subscribe();
   */
  readonly revocation$: Observable<Revocation>;
  /**
   * Aborts when the work under the lock must stop: `reason` is the {@link LockLostError} of a loss, the
   * {@link LocksClosedError} of `close()`, or the reason of the aborted `signal` it was acquired with. It does not
   * abort at a release.
   */
  readonly signal: AbortSignal;
  /**
   * Releases: stops the streams that run under the lock, then deletes the claim. Resolves when the server has
   * acknowledged, or when the lease has run out. A second call returns the same promise. Rejects with
   * {@link LockNotOwnedError} if the lock was lost before, with the loss as `cause`. Like all methods here it needs no
   * `this`: `.finally(held.release)`.
   */
  release(options?: ReleaseOptions): Promise<void>;
  /**
   * As {@link release} with `handOff: false`, since it cannot know whether the block completed or threw. A block that
   * lost its lock meanwhile ends with an error.
   */
  [Symbol.asyncDispose](): Promise<void>;
  /** Its fields, for logs; the token is a string, since JSON has no bigint. */
  toJSON(): JsonValue;
}
