/**
 * npm microlock's class: one key, one node, seconds. What it holds is a lock of this engine.
 */
import { EventEmitter } from 'node:events';
import { Subscription, firstValueFrom, merge, take } from 'rxjs';
import { nodeEtcdBackend } from '../backends/node-etcd/index.js';
import type { NodeEtcd } from '../backends/node-etcd/index.js';
import { at, failAt, timeOf } from '../time/clock.js';
import { AlreadyLockedError as Taken, BackendError, LockNotOwnedError as NotOwned } from '../api/errors.js';
import type { HeldLock, Lock, Locks } from '../api/lock.js';
import type { Ownership } from '../api/ownership.js';
import type { LockBackend } from '../backend/port.js';
import { createLocks } from '../engine/create-locks.js';
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

const locksOf = new WeakMap<NodeEtcd, Map<string, Locks>>();

/** One `Locks` for all with the same client, node and ttl: they share what they need to follow the keys. */
function sharedLocks(etcd: NodeEtcd, owner: string, ttl: number): Locks {
  const ofClient = locksOf.get(etcd) ?? new Map<string, Locks>();
  locksOf.set(etcd, ofClient);
  const id = `${ttl} ${owner}`;
  const locks = ofClient.get(id) ?? createLocks(nodeEtcdBackend(etcd), { owner, ttl: ttl * 1000 });
  ofClient.set(id, locks);
  return locks;
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
  readonly #lock: Lock;
  readonly #watch: Subscription;
  #held: HeldLock | undefined;
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
    this.#lock = sharedLocks(etcd, nodeId, Math.min(seconds, LONGEST_TTL)).mutex(key);
    this.#watch = this.#tellChanges();
  }

  /** Takes the lock or rejects with {@link AlreadyLockedError}, at once. It is held for a ttl. */
  async lock(): Promise<void> {
    // What is told begins with the state before.
    if (!this.#watch.closed) await firstValueFrom(this.#lock.ownership$());
    try {
      this.#hold(await this.#lock.acquire({ wait: 0 }));
    } catch (cause) {
      throw cause instanceof Taken ? this.#told(new AlreadyLockedError(this.#key, { cause })) : cause;
    }
  }

  /** Gives the lock back, or rejects with {@link LockNotOwnedError}. */
  async unlock(): Promise<void> {
    const held = await this.#mine();
    this.#letGo();
    try {
      await held.release();
    } catch (cause) {
      throw cause instanceof NotOwned ? this.#notOwned(cause) : cause;
    }
  }

  /** It is held for a ttl from now on, or rejects with {@link LockNotOwnedError}. */
  async renew(): Promise<void> {
    this.#hold(await this.#mine());
  }

  /** Tells nothing more, and lets go of listeners. What is held is held until its ttl runs out, or `unlock()`. */
  destroy(): void {
    this.#watch.unsubscribe();
    this.removeAllListeners();
  }

  /** The engine renews for as long as we hold; microlock's promise is that it ends a ttl after the last `renew()`. */
  #hold(held: HeldLock): void {
    this.#letGo();
    this.#held = held;
    const lost = (cause?: unknown): void => {
      this.#letGo();
      this.emit(events.lost, new LockNotOwnedError(this.#key, this.#nodeId, { cause }));
    };
    const expiry = at(time, time.now() + this.#ttl).subscribe(() => {
      lost();
      // Lost in this very moment is what `lost` has just said.
      held.release().catch((cause: unknown) => cause);
    });
    expiry.add(held.renewals$.subscribe({ error: lost }));
    this.#expiry = expiry;
  }

  #letGo(): void {
    this.#held = undefined;
    this.#expiry.unsubscribe();
  }

  /** What is held here, if the server says so, too. */
  async #mine(): Promise<HeldLock> {
    const held = this.#held;
    if (!held?.isHeld()) throw this.#notOwned();
    const silent = (): Error =>
      new BackendError(`node-etcd did not say within ${ANSWERS_WITHIN} ms who holds "${this.#key}".`, {
        retryable: true,
      });
    const queue$ = this.#backend.queue(this.#key, ANSWERS_WITHIN).pipe(take(1));
    const { claims } = await firstValueFrom(merge(queue$, failAt(time.after(ANSWERS_WITHIN), silent)));
    if (claims[0]?.token !== held.fencingToken || !held.isHeld()) throw this.#notOwned();
    return held;
  }

  #notOwned(cause?: unknown): Error {
    return this.#told(new LockNotOwnedError(this.#key, this.#nodeId, { cause }));
  }

  /** Without a listener an `error` event would be thrown. */
  #told(error: Error): Error {
    if (this.listenerCount(events.error) > 0) this.emit(events.error, error);
    return error;
  }

  #tellChanges(): Subscription {
    let before: bigint | 'unknown' | undefined = 'unknown';
    return this.#lock.ownership$().subscribe((state) => {
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
