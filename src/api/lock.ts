/**
 * What a user holds in the hand: `Locks`, `Lock`, the states of a contender, `HeldLock`.
 */
import type { Observable } from 'rxjs';
import type { Election } from './election.js';
import type { LockEvent } from './events.js';
import type { Once } from './once.js';
import type { OnceOptions } from './run-options.js';
import type { JsonValue } from './json.js';
import type { ContendOptions, SkipOptions } from './options.js';
import type { Holder, Ownership, Ownerships } from './ownership.js';
import type { Revocation, RevokeOptions } from './revocation.js';

/**
 * All locks of one client of one server. In memory and on etcd v3 they share a session: one lease, renewed while any of
 * them is wanted. On etcd v2 each has its own ttl, and is renewed by itself.
 */
export interface Locks {
  /** The lock that one holds at a time, first come first served. @throws InvalidOptionError for a key no server can carry */
  mutex(key: string): Lock;
  /**
   * The lock that so many hold at a time, first come first served. Everybody should give the same number: who
   * disagrees is held to the least of those in front of it, and of its own.
   *
   * @throws InvalidOptionError for a key no server can carry, permits that are no whole number from 1 on, on etcd v2
   * @example
   * const uploads = locks.semaphore('uploads', 3);
   * await uploads.use(() => fetch('http://127.0.0.1/upload', { method: 'POST' }));
   */
  semaphore(key: string, permits: number): Lock;
  /**
   * The lock that readers hold together. A writer that waits stops later readers, so nobody starves; so it is with a
   * mutex of that key, or a semaphore.
   *
   * ```text
   * reader 1   h----------!
   * reader 2   -h-----!
   * writer     --w--------h---!        once both have gone
   * reader 3   ---w-----------h--      behind the writer
   * ```
   *
   * @throws InvalidOptionError for a key no server can carry, on etcd v2
   */
  readLock(key: string): Lock;
  /** The lock that keeps out readers and other writers of the key, as a mutex does. @throws InvalidOptionError as {@link readLock} */
  writeLock(key: string): Lock;
  /**
   * Several locks of these `Locks` as one, of any kinds, over keys that are all different: one request queues for all
   * of them, so they are held all or none, and no order of taking them can deadlock. The loss of one is the loss of
   * all. Its key is those of its members, with ` + ` between them, and its token is one for all.
   *
   * ```text
   * a          h------!
   * b          -h---------!
   * all(a, b)  --w--------h---!      once both are free, and nobody who came later got one of them meanwhile
   * a          ----w----------h      behind it
   * ```
   *
   * @throws InvalidOptionError for no lock, a key twice, a lock of other `Locks`, more than the server takes, on etcd v2
   * @example
   * const transfer = locks.all(locks.mutex('accounts/1'), locks.mutex('accounts/2'), locks.readLock('rates'));
   * await transfer.use(() => fetch('http://127.0.0.1/transfer', { method: 'POST' }));
   */
  all(...members: readonly Lock[]): AllLock;
  /**
   * An election of that name. All that is campaigned for and proclaimed through one object belongs together.
   *
   * @throws InvalidOptionError for a name no server can carry, or on etcd v2, where `whileLeader` over a mutex does
   * @example
   * const election = locks.election('scheduler');
   * election.leader$.subscribe(console.log);
   * election.campaign$('10.0.0.1:8080').subscribe();
   */
  election(name: string): Election;
  /**
   * Work that one of the fleet does, and that stays done for `keep` milliseconds: see `runOnce`. The key is the mutex
   * under which it runs; what came of it is written beside that.
   *
   * @typeParam T what its runs produce: what JSON gives back as it was
   * @param options.keep how long it stays done, milliseconds: longer than the clocks of the fleet differ
   * @throws InvalidOptionError for a key no server can carry, for `keep` below a second or above a year
   * @example
   * const report = locks.once<{ readonly total: number }>('reports/2026-11-28', { keep: 2 * 24 * 3600_000 });
   */
  once<T = unknown>(key: string, options: OnceOptions): Once<T>;
  /**
   * Who holds what among all keys that begin with the prefix, without contending: all at once when the server has
   * answered, then every change. Says so while the server cannot be followed, and goes on when it can be again; never
   * errors, completes with {@link close}. All keys below the prefix should be locks: any other looks like one.
   * One watch for all who subscribe to what one call returns.
   *
   * @throws InvalidOptionError for a prefix that is no text, or on etcd v2
   * @example
   * locks.watchAll$('orders/').subscribe(({ all, changed }) => {
   *   for (const { key, status } of changed) console.log(key, status);
   *   console.log(`${all.size} held`);
   * });
   */
  watchAll$(prefix: string): Observable<Ownerships>;
  /** What happens inside, for logs and metrics. Hot. */
  readonly events$: Observable<LockEvent>;
  /**
   * Stops every stream of these locks with a {@link LocksClosedError}, releases what was held, withdraws what was
   * queued, ends the session. Resolves when the server has acknowledged, after 2 seconds at the latest.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A lock: a name on a server. Nothing happens before a stream is subscribed to. */
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
   * Each subscription is a contender of its own. The stream completes after `held.release()`; else it goes on until
   * it is unsubscribed. `firstValueFrom(lock$())` would take the lock and drop it at once: use {@link acquire}.
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
   * Who holds it, without contending: the latest state at once, then every change. Shared by all who subscribe.
   * Says `unknown` while the server cannot be followed, and goes on when it can be again; never errors.
   */
  ownership$(): Observable<Ownership>;

  /**
   * The lock as a promise, to be given back with `release()` or `await using`. Rejects as {@link lock$} errors.
   *
   * @example
   * await using held = await locks.mutex('reports/nightly').acquire({ wait: 5_000 });
   * await fetch('http://127.0.0.1/report', { signal: held.signal });
   */
  acquire(options: SkipOptions): Promise<HeldLock | undefined>;
  acquire(options?: ContendOptions & { readonly onBusy?: 'error' | undefined }): Promise<HeldLock>;
  acquire(options?: ContendOptions): Promise<HeldLock | undefined>;

  /**
   * Runs the body while holding, releases when it ends, and settles as the body did. Rejects with the
   * {@link LockLostError} at the moment of a loss; what the body does after that is a `late-result` event, so give
   * `held.signal` to whatever in it can be aborted. Returning an Observable or a generator is an
   * {@link InvalidOptionError}: nobody would run it. That is what `usingLock` is for.
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
   * Asks those who hold it to give it back, each by its {@link HeldLock.revocation$}; who still holds it after `within`
   * has it taken away. The claim is written over, which the loser reads as a {@link LockLostError} with this reason,
   * and is deleted when the loser has left, or a tenth of a ttl later: so one that is alive has stopped before the next
   * one holds, and one at a standstill is not waited for.
   *
   * ```text
   * revoke       ?----!      within: 5, then
   * holder       -----#      `revoked`: tidied up, told, gone
   * next         w-----h
   * ```
   *
   * Resolves with those who were asked once that is written, or, where `within` is finite, once they hold no more.
   * What other programs or candidates of an election have written holds no place for a request: they are not asked, but
   * it can be taken from them. Rejects with {@link BackendError} when the server cannot be reached or refuses.
   *
   * Rejects with {@link InvalidOptionError} for bad options, and on etcd v2, whose claims have no room for it.
   *
   * @example
   * await locks.mutex('reports/nightly').revoke({ reason: 'host 7 is being drained', within: 30_000 });
   */
  revoke(options: RevokeOptions): Promise<readonly Holder[]>;
}

/** Several locks as one. Its `ownership$()` is `held` while anybody holds one of them, with the holders of all. */
export interface AllLock extends Lock {
  /** Each of its own, to be observed by itself. */
  readonly members: readonly Lock[];
}

/** Where a contender stands. `held` comes once: a `switchMap` on it does not restart at each renewal. */
export type LockState =
  | {
      readonly status: 'waiting';
      readonly key: string;
      /** How many are before us; not known on etcd v2. */
      readonly ahead?: number;
      readonly holders: readonly Holder[];
    }
  | { readonly status: 'held'; readonly key: string; readonly held: HeldLock };

/** One renewal of a held lock. */
export interface Renewal {
  /** Since the lock was acquired, from 1. */
  readonly count: number;
  readonly validUntil: number;
}

/** How to give a lock back. */
export interface ReleaseOptions {
  /**
   * Whether a waiter of the same `Locks` that is next in the queue holds at once, without a round trip; `true` by
   * default. `false` when something that was begun under the lock may still be under way: then the server
   * acknowledges the release first.
   */
  readonly handOff?: boolean;
}

/** A lock that is ours until `validUntil`, which moves on with each renewal. */
export interface HeldLock {
  readonly key: string;
  /** The keys it covers: several for the lock of {@link Locks.all}. */
  readonly keys: readonly string[];
  readonly owner: string;
  /** Greater than that of every earlier holder of this key: have the resource refuse smaller ones. */
  readonly fencingToken: bigint;
  /** The last instant, on the clock of the `Locks`, at which this is surely still ours. */
  readonly validUntil: number;
  /** Whether it is ours right now: false from the deadline on, even before any timer ran. */
  isHeld(): boolean;
  /** Milliseconds until `validUntil`; 0 when it is not held any more. */
  remaining(): number;
  /**
   * The end: completes when the release begins, errors with the loss, the reason of the aborted `signal`, or the
   * {@link LocksClosedError} of `close()`, before anybody else is told.
   */
  readonly ended$: Observable<never>;
  /** One per renewal. Ends as {@link ended$} does. */
  readonly renewals$: Observable<Renewal>;
  /**
   * Somebody asks for it: the latest request at once, then each that follows. Ends as {@link ended$} does. What is
   * asked is up to you; who asked with a finite `within` takes it then.
   *
   * @example
   * const lock = locks.mutex('reports/nightly');
   * usingLock(lock, (held) => jobs$.pipe(concatMap(run), takeUntil(held.revocation$))).subscribe();
   */
  readonly revocation$: Observable<Revocation>;
  /**
   * Aborts when what is done under the lock must stop: `reason` is the {@link LockLostError} of a loss, the
   * {@link LocksClosedError} of `close()`, or the reason of the aborted `signal` it was acquired with. Not at a release.
   */
  readonly signal: AbortSignal;
  /**
   * Gives it back: the streams on it are stopped, then the claim is deleted. Resolves when the server has
   * acknowledged, or when the lease has run out. Again: the same promise.
   * Rejects with {@link LockNotOwnedError} when it was lost before, with the loss as `cause`. Like all methods here it
   * works by itself: `.finally(held.release)`.
   */
  release(options?: ReleaseOptions): Promise<void>;
  /**
   * As {@link release}, without handing off, since nobody knows whether the block was done or threw. A block that lost
   * its lock on the way ends in an error.
   */
  [Symbol.asyncDispose](): Promise<void>;
  /** What it is, for logs: the token as a string, since JSON has no bigint. */
  toJSON(): JsonValue;
}
