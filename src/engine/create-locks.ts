/**
 * The edge of `createLocks`: what is given is checked before the engine sees it, what comes out can be logged.
 */
import { map } from 'rxjs';
import { writable } from '../api/json.js';
import type { Locks } from '../api/lock.js';
import { checkedSettings } from '../api/options.js';
import { checkedKeep } from '../api/run-options.js';
import type { OnceOptions } from '../api/run-options.js';
import type { LocksOptions } from '../api/options.js';
import { checkedArguments, checkedBackend } from '../api/shapes.js';
import type { LockBackend } from '../backend/port.js';
import { inSubscriberContext } from '../platform/in-context.js';
import { isVirtual } from '../time/scheduler.js';
import { createLocks as createEngine } from './locks.js';

/** What a test's clock counts may be frames of a diagram. */
const isInVirtualTime = (options: Partial<LocksOptions> | null): boolean =>
  options?.clock !== undefined || (options?.scheduler !== undefined && isVirtual(options.scheduler));

/**
 * Makes the locks of one client on one server. Nothing is sent before a lock is contended for.
 *
 * @param backend from `rxlock/memory`, `rxlock/etcd3` or `rxlock/node-etcd`
 * @throws InvalidOptionError for anything but a backend, for unknown options, for a ttl below a second
 * @example
 * const locks = createLocks(memoryBackend(), { ttl: 10_000, owner: 'billing' });
 */
export function createLocks(backend: LockBackend, given: LocksOptions = {}): Locks {
  checkedBackend(backend);
  checkedSettings(given, isInVirtualTime(given));
  const locks = createEngine(backend, given);
  const advice = 'options go to createLocks() or to the call that contends.';
  const checked: Pick<
    Locks,
    'mutex' | 'semaphore' | 'readLock' | 'writeLock' | 'election' | 'once' | 'watchAll$' | 'events$'
  > = {
    mutex: (key, ...rest: unknown[]) => (checkedArguments('mutex()', rest, advice), locks.mutex(key)),
    semaphore: (key, permits, ...rest: unknown[]) => (
      checkedArguments('semaphore()', rest, advice),
      locks.semaphore(key, permits)
    ),
    readLock: (key, ...rest: unknown[]) => (checkedArguments('readLock()', rest, advice), locks.readLock(key)),
    writeLock: (key, ...rest: unknown[]) => (checkedArguments('writeLock()', rest, advice), locks.writeLock(key)),
    election: (name, ...rest: unknown[]) => (checkedArguments('election()', rest, advice), locks.election(name)),
    once: <T>(key: string, options: OnceOptions, ...rest: unknown[]) => {
      checkedArguments('once()', rest, 'what runs goes to runOnce() or run().');
      checkedKeep(options, isInVirtualTime(given));
      return locks.once<T>(key, options);
    },
    watchAll$: (prefix, ...rest: unknown[]) => (
      checkedArguments('watchAll$()', rest, advice),
      locks.watchAll$(prefix).pipe(map(writable), inSubscriberContext())
    ),
    events$: locks.events$.pipe(map(writable), inSubscriberContext()),
  };
  return { ...locks, ...checked };
}
