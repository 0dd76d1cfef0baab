/**
 * The shape of `navigator.locks`, as the Web Locks API defines it (https://w3c.github.io/web-locks/). A lock manager of
 * ours can be used wherever TypeScript's own `LockManager` is asked for.
 */

/** `exclusive`: one holder at a time. `shared`: held together with other shared ones. */
export type LockMode = 'exclusive' | 'shared';

/** What the callback gets: the platform's lock, and what a lock over a network needs besides. */
export interface WebLock {
  readonly name: string;
  readonly mode: LockMode;
  /** Aborts when the lock is lost: stop what is done under it. */
  readonly signal: AbortSignal;
  /** Greater than that of every earlier holder of this name: have the resource refuse smaller ones. */
  readonly fencingToken: bigint;
}

/** How to request a lock. */
export interface LockRequestOptions {
  /** `exclusive` by default. */
  readonly mode?: LockMode | undefined;
  /** Does not wait: where the lock is taken, the callback is called with `null`. Not together with `steal` or `signal`. */
  readonly ifAvailable?: boolean | undefined;
  /**
   * Takes the lock from its holders, whose requests reject with an `AbortError`. Of the requests that wait, those of
   * this manager wait behind it, those of other managers are served first. Not together with `ifAvailable`, `signal`
   * or the mode `shared`.
   */
  readonly steal?: boolean | undefined;
  /** Aborting it withdraws a request that waits; it does nothing to a lock that is held. */
  readonly signal?: AbortSignal | undefined;
}

/** A lock that is held or requested. */
export interface LockInfo {
  readonly name: string;
  readonly mode: LockMode;
  /** The manager it belongs to. For locks that were not requested by a lock manager: their owner. */
  readonly clientId: string;
}

/** What is held and what is waited for in the fleet, each in the order of the requests. */
export interface LockManagerSnapshot {
  readonly held: LockInfo[];
  readonly pending: LockInfo[];
}

/** Locks with the interface of `navigator.locks`. */
export interface LockManager {
  /** How the requests of this manager are told from others in {@link query}. */
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
   * Never throws, rejects: `TypeError` for wrong arguments, `NotSupportedError` for a name that begins with `-` and for
   * options that exclude each other, the signal's reason when it was aborted before the lock was held, an `AbortError`
   * when the lock was lost or stolen (its `cause` is the {@link LockLostError}), else the errors of
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
   * What the whole fleet holds and waits for at this moment, read from the server: all that this manager requested
   * before the call is in it. Rejects while the server cannot be followed.
   */
  query(): Promise<LockManagerSnapshot>;
}
