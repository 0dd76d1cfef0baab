/**
 * A lock that was handed off inside the process must wait before it writes under a guard. Until the server has
 * acknowledged the releases of its predecessors, their claims are still there, and their late guarded writes would
 * succeed.
 */
import { EMPTY, Observable } from 'rxjs';
import type { HeldLock } from '../api/lock.js';

/** A property of the held lock, since the backend may be of another copy of the package (import and require). */
const SETTLED = Symbol.for('rxlock.settled');

export const settlesWith = (held: HeldLock, settled$: Observable<unknown>): void => {
  Object.defineProperty(held, SETTLED, { value: settled$ });
};

/** Completes when no guarded write of an earlier holder in this process can succeed any more. */
export const settled = (held: HeldLock): Observable<unknown> => {
  const found: unknown = Reflect.get(held, SETTLED);
  return isSubscribable(found) ? new Observable((subscriber) => found.subscribe(subscriber)) : EMPTY;
};

const isSubscribable = (found: unknown): found is Pick<Observable<unknown>, 'subscribe'> =>
  typeof found === 'object' && found !== null && 'subscribe' in found;
