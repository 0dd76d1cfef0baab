/**
 * What a lock that was handed off within the process has to wait for before it may write guarded: its predecessors'
 * claims are still there until their deletion is acknowledged, and so would their late guarded writes succeed.
 */
import { EMPTY, Observable } from 'rxjs';
import type { HeldLock } from '../api/lock.js';

/** On the lock itself and not beside it: a backend may be of another copy of the package (import and require). */
const SETTLED = Symbol.for('rxlock.settled');

export const settlesWith = (held: HeldLock, settled$: Observable<unknown>): void => {
  Object.defineProperty(held, SETTLED, { value: settled$ });
};

/** Completes when nothing of those who held before, in this process, can reach the server any more. */
export const settled = (held: HeldLock): Observable<unknown> => {
  const found: unknown = Reflect.get(held, SETTLED);
  return isSubscribable(found) ? new Observable((subscriber) => found.subscribe(subscriber)) : EMPTY;
};

const isSubscribable = (found: unknown): found is Pick<Observable<unknown>, 'subscribe'> =>
  typeof found === 'object' && found !== null && 'subscribe' in found;
