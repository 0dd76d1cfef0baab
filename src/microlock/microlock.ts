/**
 * npm microlock's class: one key, one node, seconds. What it holds is a lock of this engine.
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

/** The names of the events. `lost` is not microlock's, which never said so. */
export const events = { locked: 'locked', unlocked: 'unlocked', error: 'error', lost: 'lost' } as const;

/** What listeners get. */
export interface MicrolockEvents {
  /** The key is locked, by whomever. */
  locked: [];
  /** The key is free: unlocked, deleted or expired. */
  unlocked: [];
  /** What `lock()`, `unlock()` or `renew()` is about to reject with, where it says whose the key is. */
  error: [Error];
  /** What this object held it holds no more, without having unlocked it: the ttl ran out, or the key is gone. */
  lost: [LockNotOwnedError];
}

const time = timeOf();

/** Longer leases are renewed: the server is asked for a day at most. */
const LONGEST_TTL = 24 * 60 * 60;

/** How long the server may take to say whose the key is. */
const ANSWERS_WITHIN = 2000;

/** A `Locks` that Microlock objects have in common, and how many of them need it: to look, or to hold. */
interface SharedLocks {
  readonly locks: Locks;
  users: number;
}

const locksOf = new WeakMap<NodeEtcd, Map<string, SharedLocks>>();

/** The lock, as long as it is needed. */
interface Use {
  readonly lock: Lock;
  /** It is needed no more. */
  end(): void;
}

/**
 * One `Locks` for all with the same client, node and ttl: they share what they need to follow the keys. It is closed
 * when nobody needs it any more, since there may be many node ids.
 */
function use(etcd: NodeEtcd, key: string, owner: string, ttl: number): Use {
  const ofClient = locksOf.get(etcd) ?? new Map<string, SharedLocks>();
  const id = `${ttl} ${owner}`;
  const shared = ofClient.get(id) ?? {
    // microlock takes any text for a node: what is no well-formed Unicode is written with replacement characters.
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

/** What is held, on a `Locks` that is needed until it is given back or lost. */
interface Mine {
  readonly held: HeldLock;
  readonly use: Use;
}

/**
 * A lock client for one key, as of npm microlock, for code that is not to change yet. New code: `createLocks`.
 *
 * @example
 * const foo = new Microlock(etcd, 'foo', 'this node', 5);
 * await foo.lock();
 * await foo.unlock();
 */
export class Microlock extends EventEmitter<MicrolockEvents> {
  readonly #key: string;
  readonly #nodeId: string;
  /** Milliseconds. */
  readonly #ttl: number;
  readonly #backend: LockBackend;
  readonly #use: () => Use;
  readonly #watching: Use;
  readonly #watch: Subscription;
  #mine: Mine | undefined;
  #expiry = Subscription.EMPTY;

  /**
   * @param etcd npm node-etcd's client
   * @param key the name of the lock
   * @param nodeId shown as the holder; it decides nothing
   * @param ttl seconds, 1 at least and by default, until the lock ends without `renew()`
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

  /** Takes the lock or rejects with {@link AlreadyLockedError}, at once. It is held for a ttl. */
  async lock(): Promise<void> {
    const use = this.#use();
    try {
      // What is told begins with the state before.
      if (!this.#watch.closed) await firstValueFrom(use.lock.ownership$());
      this.#hold({ held: await use.lock.acquire({ wait: 0 }), use });
    } catch (cause) {
      use.end();
      throw cause instanceof Taken ? this.#told(new AlreadyLockedError(this.#key, { cause })) : cause;
    }
  }

  /** Gives the lock back, or rejects with {@link LockNotOwnedError}. */
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

  /** It is held for a ttl from now on, or rejects with {@link LockNotOwnedError}. */
  async renew(): Promise<void> {
    this.#hold(await this.#stillMine());
  }

  /** Tells nothing more, and lets go of listeners. What is held is held until its ttl runs out, or `unlock()`. */
  destroy(): void {
    this.#watch.unsubscribe();
    this.#watching.end();
    this.removeAllListeners();
  }

  /** The engine renews for as long as we hold; microlock's promise is that it ends a ttl after the last `renew()`. */
  #hold(mine: Mine): void {
    const { held, use } = mine;
    this.#letGo();
    this.#mine = mine;
    const lost = (cause?: unknown): void => {
      this.#letGo();
      this.emit(events.lost, new LockNotOwnedError(this.#key, this.#nodeId, { cause }));
    };
    const expiry = at(time, time.now() + this.#ttl).subscribe(() => {
      // The listeners of `lost` may throw, and it is given back all the same.
      try {
        lost();
      } finally {
        // Lost in this very moment is what `lost` has just said.
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

  /** What is held here, if the server says so, too. */
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

  /** Without a listener an `error` event would be thrown. */
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

/** Callers need not be TypeScript. */
const isMissing = (value: unknown): boolean => value === undefined || value === null;
const secondsOf = (value: unknown): number => Math.max(1, Number(value));
const isName = (value: unknown): boolean => typeof value === 'string' && value !== '';
