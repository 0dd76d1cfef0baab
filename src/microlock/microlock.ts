/**
 * The class of npm microlock: one key, one node, durations in seconds. It holds a lock of this engine.
 */
import { EventEmitter } from 'node:events';
import { Subscription, firstValueFrom, from, merge, take } from 'rxjs';
import { nodeEtcdBackend } from '../backends/node-etcd/index.js';
import type { NodeEtcd } from '../backends/node-etcd/index.js';
import { at, failAt, timeOf } from '../time/clock.js';
import { AlreadyLockedError as Taken, BackendError, LockNotOwnedError as NotOwned } from '../api/errors.js';
import type { HeldLock, Lock } from '../api/lock.js';
import type { Locks } from '../api/locks.js';
import type { Ownership } from '../api/ownership.js';
import type { LockBackend } from '../backend/port.js';
import { createLocks } from '../engine/locks.js';
import {
  AlreadyLockedError,
  EtcdClientRequiredError,
  InvalidTtlError,
  KeyRequiredError,
  LockNotOwnedError,
  NodeIdRequiredError,
} from './errors.js';

/** The names of the events. `lost` is new: microlock has no such event. */
export const events = { locked: 'locked', unlocked: 'unlocked', error: 'error', lost: 'lost' } as const;

/** The arguments of the listeners. */
export interface MicrolockEvents {
  /** The key is locked, by any client. */
  locked: [];
  /** The key is free: unlocked, deleted or expired. */
  unlocked: [];
  /** The AlreadyLockedError or LockNotOwnedError with which `lock()`, `unlock()` or `renew()` is about to reject. */
  error: [Error];
  /** This object has lost its lock without unlocking it: the ttl ran out, or the key is gone. */
  lost: [LockNotOwnedError];
}

const time = timeOf();

/** Seconds. A longer ttl is kept by renewals: the server is asked for a day at most. */
const LONGEST_TTL = 24 * 60 * 60;

/** How long the server may take to answer, milliseconds. */
const ANSWERS_WITHIN = 2000;

/** A `Locks` that Microlock objects share, and the number of its uses. */
interface SharedLocks {
  readonly locks: Locks;
  users: number;
}

const locksOf = new WeakMap<NodeEtcd, Map<string, SharedLocks>>();

/** A lock while it is in use. */
interface Use {
  readonly lock: Lock;
  /** Ends the use. */
  end(): void;
}

/**
 * All objects with the same client, node and ttl share one `Locks`, and so its watches. It is closed after its last
 * use, since there may be many node ids.
 */
function use(etcd: NodeEtcd, key: string, owner: string, ttl: number): Use {
  const ofClient = locksOf.get(etcd) ?? new Map<string, SharedLocks>();
  const id = `${ttl} ${owner}`;
  const shared = ofClient.get(id) ?? {
    // microlock accepts any text as a node id: lone surrogates become replacement characters.
    locks: createLocks(nodeEtcdBackend(etcd), { owner: Buffer.from(owner).toString(), ttl: ttl * 1000 }),
    users: 0,
  };
  const lock = shared.locks.mutex(key);
  locksOf.set(etcd, ofClient);
  ofClient.set(id, shared);
  shared.users += 1;
  let isOver = false;
  return {
    lock,
    end() {
      if (isOver) return;
      isOver = true;
      shared.users -= 1;
      if (shared.users > 0) return;
      ofClient.delete(id);
      from(shared.locks.close()).subscribe();
    },
  };
}

/** The held lock. Its `Locks` is in use until it is released or lost. */
interface Mine {
  readonly held: HeldLock;
  readonly use: Use;
}

/**
 * A lock client for one key, with the interface of npm microlock, for code that should not change yet. New code should
 * use `createLocks`.
 *
 * @example
 * const foo = new Microlock(etcd, 'foo', 'this node', 5);
 * await foo.lock();
 * await foo.unlock();
 */
export class Microlock extends EventEmitter<MicrolockEvents> {
  readonly #key: string;
  readonly #nodeId: string;
  /** In milliseconds. */
  readonly #ttl: number;
  readonly #backend: LockBackend;
  readonly #use: () => Use;
  readonly #watching: Use;
  readonly #watch: Subscription;
  #mine: Mine | undefined;
  #expiry = Subscription.EMPTY;

  /**
   * @param etcd a client of npm node-etcd
   * @param key the name of the lock
   * @param nodeId shown as the holder; no rule depends on it
   * @param ttl how long the lock lasts without `renew()`, seconds; 1 by default, and at least
   * @throws EtcdClientRequiredError, KeyRequiredError, NodeIdRequiredError, InvalidTtlError
   */
  constructor(etcd: NodeEtcd, key: string, nodeId: string, ttl = 1) {
    super();
    if (isMissing(etcd)) throw new EtcdClientRequiredError();
    if (!isName(key)) throw new KeyRequiredError();
    if (!isName(nodeId)) throw new NodeIdRequiredError();
    const seconds = secondsOf(ttl);
    if (Number.isNaN(seconds)) throw new InvalidTtlError();
    this.#key = key;
    this.#nodeId = nodeId;
    this.#ttl = seconds * 1000;
    this.#backend = nodeEtcdBackend(etcd);
    this.#use = () => use(etcd, key, nodeId, Math.min(seconds, LONGEST_TTL));
    this.#watching = this.#use();
    this.#watch = this.#tellChanges(this.#watching.lock);
  }

  /** Takes the lock for a ttl, or rejects with {@link AlreadyLockedError} at once. */
  async lock(): Promise<void> {
    const use = this.#use();
    try {
      // Waits for the first state, so that `locked` and `unlocked` report only changes after this call.
      if (!this.#watch.closed) await firstValueFrom(use.lock.ownership$());
      this.#hold({ held: await use.lock.acquire({ wait: 0 }), use });
    } catch (cause) {
      use.end();
      throw cause instanceof Taken ? this.#told(new AlreadyLockedError(this.#key, { cause })) : cause;
    }
  }

  /** Releases the lock, or rejects with {@link LockNotOwnedError}. */
  async unlock(): Promise<void> {
    const { held, use } = await this.#stillMine();
    this.#letGo();
    try {
      await held.release();
    } catch (cause) {
      throw cause instanceof NotOwned ? this.#notOwned(cause) : cause;
    } finally {
      use.end();
    }
  }

  /** Keeps the lock for a ttl from now on, or rejects with {@link LockNotOwnedError}. */
  async renew(): Promise<void> {
    this.#hold(await this.#stillMine());
  }

  /** Ends all events and removes the listeners. A held lock stays held until its ttl runs out, or `unlock()`. */
  destroy(): void {
    this.#watch.unsubscribe();
    this.#watching.end();
    this.removeAllListeners();
  }

  /** The engine renews while we hold, but a lock of microlock must end a ttl after the last `renew()`. */
  #hold(mine: Mine): void {
    const { held, use } = mine;
    this.#letGo();
    this.#mine = mine;
    const lost = (cause?: unknown): void => {
      this.#letGo();
      this.emit(events.lost, new LockNotOwnedError(this.#key, this.#nodeId, { cause }));
    };
    const expiry = at(time, time.now() + this.#ttl).subscribe(() => {
      // A listener of `lost` may throw: release nevertheless.
      try {
        lost();
      } finally {
        // A rejection means that the lock was lost, which `lost` has just reported.
        const end = (): void => use.end();
        held.release().then(end, end);
      }
    });
    const lostEarlier = (cause: unknown): void => {
      use.end();
      lost(cause);
    };
    expiry.add(held.renewals$.subscribe({ error: lostEarlier }));
    this.#expiry = expiry;
  }

  #letGo(): void {
    this.#mine = undefined;
    this.#expiry.unsubscribe();
  }

  /** The held lock, if the server confirms it. */
  async #stillMine(): Promise<Mine> {
    const mine = this.#mine;
    if (!mine?.held.isHeld()) throw this.#notOwned();
    const { held } = mine;
    const silent = (): Error =>
      new BackendError(`node-etcd did not say within ${ANSWERS_WITHIN} ms who holds "${this.#key}".`, {
        retryable: true,
      });
    const queue$ = this.#backend.queue(this.#key, ANSWERS_WITHIN).pipe(take(1));
    const { claims } = await firstValueFrom(merge(queue$, failAt(time.after(ANSWERS_WITHIN), silent)));
    if (claims[0]?.token !== held.fencingToken || !held.isHeld()) throw this.#notOwned();
    return mine;
  }

  #notOwned(cause?: unknown): Error {
    return this.#told(new LockNotOwnedError(this.#key, this.#nodeId, { cause }));
  }

  /** Emits `error` only if there is a listener: without one, Node would throw it. */
  #told(error: Error): Error {
    if (this.listenerCount(events.error) > 0) this.emit(events.error, error);
    return error;
  }

  #tellChanges(lock: Lock): Subscription {
    let before: bigint | 'unknown' | undefined = 'unknown';
    return lock.ownership$().subscribe((state) => {
      if (state.status === 'unknown') return;
      const after = tokenOf(state);
      const hasChanged = before !== 'unknown' && before !== after;
      const wasHeld = before !== undefined;
      before = after;
      if (hasChanged && wasHeld) this.emit(events.unlocked);
      if (hasChanged && after !== undefined) this.emit(events.locked);
    });
  }
}

const tokenOf = (state: Ownership): bigint | undefined =>
  state.status === 'held' ? state.holders[0]?.fencingToken : undefined;

/** Checked at run time, since callers may be plain JavaScript. */
const isMissing = (value: unknown): boolean => value === undefined || value === null;
function secondsOf(value: unknown): number {
  try {
    return Math.max(1, Number(value));
  } catch {
    // A symbol, or an object that cannot be converted.
    return NaN;
  }
}
const isName = (value: unknown): boolean => typeof value === 'string' && value !== '';
