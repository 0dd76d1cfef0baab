/**
 * `createLockManager`: the interface of `navigator.locks` over the locks of a fleet.
 */
import { randomUUID } from 'node:crypto';
import { checkedNames } from '../api/known-options.js';
import { checkedLocks } from '../api/shapes.js';
import { AlreadyLockedError } from '../index.js';
import type { HeldLock, Locks } from '../index.js';
import { AbortSignals } from './abort-signals.js';
import { checkedRequest } from './arguments.js';
import type { CheckedRequest } from './arguments.js';
import type { LockManager, WebLock } from './lock-manager.js';
import { LockRequest } from './lock-request.js';
import { encoded, isHashed } from './names.js';
import { noteOf } from './note.js';
import { RequestList } from './request-list.js';
import { snapshot } from './snapshot.js';

/** The options of `createLockManager`. */
export interface LockManagerOptions {
  /**
   * Put before all keys on the server; `web-locks/` by default. Managers with the same prefix see each other's locks.
   * Store nothing else below it.
   */
  readonly prefix?: string | undefined;
}

/**
 * A lock manager with the interface of `navigator.locks`: with it, code written for browsers, Deno or Node 24 locks
 * across processes and machines. Needs a server with read and write locks: etcd v3 or memory.
 *
 * @param locks the manager takes its locks from here; `locks.close()` ends them
 * @throws InvalidOptionError for anything but a `Locks`, for unknown options, for a prefix that no server can carry
 * @example
 * import { createLockManager } from 'rxlock/web-locks';
 *
 * const manager = createLockManager(locks);
 * await manager.request('tables/orders', { mode: 'shared' }, async (lock) => {
 *   console.log(lock.name, lock.mode, lock.fencingToken);
 * });
 * const { held, pending } = await manager.query();
 */
export function createLockManager(locks: Locks, options: LockManagerOptions = {}): LockManager {
  checkedLocks(locks);
  checkedNames('createLockManager', options);
  const { prefix = 'web-locks/' } = options;
  // Checks the prefix, and that the server can list locks. Nothing is sent.
  locks.watchAll$(prefix);
  const clientId = randomUUID();
  const requests = new RequestList();
  const signals = new AbortSignals();

  const begun = (checked: CheckedRequest): LockRequest => {
    const { name, mode, ifAvailable, steal } = checked;
    const key = encoded(name);
    const lock = mode === 'shared' ? locks.readLock(`${prefix}${key}`) : locks.writeLock(`${prefix}${key}`);
    const meta = noteOf(clientId, isHashed(key) ? name : undefined);
    const request = new LockRequest(checked, lock, { wait: ifAvailable ? 0 : Infinity, meta });
    if (steal) requests.addStealing(request, lock, `stolen by ${clientId}`);
    else requests.add(request);
    return request;
  };

  /** `null` if the lock is taken and the request has `ifAvailable`. */
  const granted = async (request: LockRequest, { ifAvailable, signal }: CheckedRequest): Promise<HeldLock | null> => {
    const ignore = signal && signals.onAbort(signal, () => request.end(signal.reason));
    try {
      const held = await request.granted;
      if (!signal?.aborted) return held;
      // Granted and aborted in the same turn: the callback was not called, and will not be.
      request.abandon();
      throw signal.reason;
    } catch (error) {
      if (ifAvailable && error instanceof AlreadyLockedError) return null;
      throw error;
    } finally {
      ignore?.();
    }
  };

  return {
    clientId,
    async request(...given: readonly unknown[]) {
      const checked = checkedRequest(given);
      const { name, mode, callback } = checked;
      const request = begun(checked);
      const held = await granted(request, checked);
      if (!held) return await callback(null);
      const lock: WebLock = { name, mode, signal: held.signal, fencingToken: held.fencingToken };
      return await request.whileHeld(held, () => callback(lock));
    },
    async query() {
      return await snapshot(locks, prefix, requests.decided());
    },
  };
}
