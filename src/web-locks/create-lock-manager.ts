/**
 * `createLockManager`: the interface of `navigator.locks` over the locks of a fleet.
 */
import { randomUUID } from 'node:crypto';
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
   * What the keys of all names begin with on the server, `web-locks/` by default. Managers of the same prefix see each
   * other's locks, and nothing else may be kept below it.
   */
  readonly prefix?: string | undefined;
}

/**
 * A lock manager with the interface of `navigator.locks`: code that is written for browsers, Deno or Node 24 locks
 * across processes and machines with it. Needs a server that has read and write locks: etcd v3, or memory.
 *
 * @param locks its locks are those that the manager requests; closing it ends them
 * @throws InvalidOptionError for a prefix that no server can carry
 * @example
 * import { createLockManager } from 'rxlock/web-locks';
 *
 * const manager = createLockManager(locks);
 * await manager.request('tables/orders', { mode: 'shared' }, async (lock) => {
 *   console.log(lock.name, lock.mode, lock.fencingToken);
 * });
 * const { held, pending } = await manager.query();
 */
export function createLockManager(locks: Locks, { prefix = 'web-locks/' }: LockManagerOptions = {}): LockManager {
  // Checks the prefix, and that the server can list what is held: nothing is sent.
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

  /** Nothing where it is taken and was wanted only if it is not. */
  const granted = async (request: LockRequest, { ifAvailable, signal }: CheckedRequest): Promise<HeldLock | null> => {
    const ignore = signal && signals.onAbort(signal, () => request.end(signal.reason));
    try {
      const held = await request.granted;
      if (!signal?.aborted) return held;
      // Granted and aborted in one turn: the callback has not been called, and is not going to be.
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
