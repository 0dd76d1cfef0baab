/**
 * The shape of `navigator.locks`, as the Web Locks API defines it (https://w3c.github.io/web-locks/). It is assignable
 * to TypeScript's own `LockManager`.
 */

/** `exclusive`: one holder at a time. `shared`: held together with other shared ones. */
export type LockMode = 'exclusive' | 'shared';

/** The lock that the callback gets: that of the platform, with two more fields for a lock over a network. */
export interface WebLock {
  readonly name: string;
  readonly mode: LockMode;
  /** Aborts when the lock is lost: stop the work under it. */
  readonly signal: AbortSignal;
  /** Greater than the token of every earlier holder of this name. Let the resource refuse smaller tokens. */
  readonly fencingToken: bigint;
}

/** The options of a request. */
export interface LockRequestOptions {
  /** `exclusive` by default. */
  readonly mode?: LockMode | undefined;
  /**
   * Does not wait: if the lock is taken, the callback is called with `null`. Cannot be combined with `steal` or
   * `signal`.
   */
  readonly ifAvailable?: boolean | undefined;
  /**
   * Takes the lock from its holders, whose requests reject with an `AbortError`. Waiting requests of this manager come
   * after it; waiting requests of other managers are served before it. Cannot be combined with `ifAvailable`, `signal`
   * or the mode `shared`.
   */
  readonly steal?: boolean | undefined;
  /** Aborting it withdraws a waiting request; it does not affect a held lock. */
  readonly signal?: AbortSignal | undefined;
}

/** A lock that is held or requested. */
export interface LockInfo {
  readonly name: string;
  readonly mode: LockMode;
  /** The manager that it belongs to; for locks that no lock manager requested, their owner. */
  readonly clientId: string;
}

/** The held and the pending locks of the fleet, each in the order of the requests. */
export interface LockManagerSnapshot {
  readonly held: LockInfo[];
  readonly pending: LockInfo[];
}

/** Locks with the interface of `navigator.locks`. */
export interface LockManager {
  /** Identifies the requests of this manager in {@link query}. */
  readonly clientId: string;

  /**
   * Requests a lock, calls the callback once it is held, and releases it when the callback's promise settles.
   * The returned promise settles after the release, as the callback's did.
   *
   * ```text
   * request a   ---h-------x        h: the callback is called   x: its promise has settled, the lock is free again
   * request b   --------------h--x
   * ```
   *
   * Never throws. Rejects with a `TypeError` for wrong arguments; a `NotSupportedError` for a name that begins with `-`
   * and for options that exclude each other; the signal's reason if it was aborted before the lock was held; an
   * `AbortError` if the lock was lost or stolen (its `cause` is the {@link LockLostError}); otherwise the errors of
   * {@link Lock.lock$}.
   *
   * @example
   * import { createLockManager } from 'rxlock/web-locks';
   *
   * const manager = createLockManager(locks);
   * const total = await manager.request('reports/nightly', async (lock) => {
   *   const response = await fetch('http://127.0.0.1/report', { signal: lock.signal });
   *   return response.status;
   * });
   */
  request<T>(name: string, callback: (lock: WebLock) => T): Promise<Awaited<T>>;
  request<T>(
    name: string,
    options: LockRequestOptions & { readonly ifAvailable?: false | undefined },
    callback: (lock: WebLock) => T,
  ): Promise<Awaited<T>>;
  request<T>(name: string, options: LockRequestOptions, callback: (lock: WebLock | null) => T): Promise<Awaited<T>>;

  /**
   * The locks that the fleet holds and waits for at this moment, read from the server. Includes all requests that this
   * manager made before the call. Rejects while the server cannot be watched.
   */
  query(): Promise<LockManagerSnapshot>;
}
