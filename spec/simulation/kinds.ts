/**
 * The rule of each kind of lock, as users are promised it, and not as the engine says it.
 */
import type { Lock, Locks } from '../../src/index.js';
import type { Want } from './schedule.js';

export type Kind = Pick<Want, 'kind' | 'permits'>;

/** Whether all of these may hold at one time. */
export function mayBeTogether(held: readonly Kind[]): boolean {
  if (held.length < 2) return true;
  if (held.every(({ kind }) => kind === 'read')) return true;
  return held.every(({ kind, permits = 0 }) => kind === 'semaphore' && held.length <= permits);
}

export function lockOf(locks: Locks, key: string, { kind, permits = 0 }: Kind): Lock {
  switch (kind) {
    case 'mutex':
      return locks.mutex(key);
    case 'semaphore':
      return locks.semaphore(key, permits);
    case 'read':
      return locks.readLock(key);
    case 'write':
      return locks.writeLock(key);
  }
}
