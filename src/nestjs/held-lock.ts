/**
 * The lock under which a method runs, for whatever it calls.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Observable, from } from 'rxjs';
import type { ObservableInput, ObservedValueOf } from 'rxjs';
import type { HeldLock } from '../index.js';

/** Where the process keeps it, for all copies of the package. */
const CONTEXT = Symbol.for('rxlock.nestjs.heldLock');

function context(): AsyncLocalStorage<HeldLock> {
  const there: unknown = Reflect.get(globalThis, CONTEXT);
  if (there instanceof AsyncLocalStorage) return there as AsyncLocalStorage<HeldLock>;
  const made = new AsyncLocalStorage<HeldLock>();
  Object.defineProperty(globalThis, CONTEXT, { value: made });
  return made;
}

/**
 * The lock that the decorated method holds by which this is called, of several the innermost; nothing elsewhere. For its
 * `signal`, which aborts at a loss, and its `fencingToken`.
 *
 * @example
 * class Reports {
 *   @WithLock('reports/nightly')
 *   async send(): Promise<void> {
 *     await fetch('http://127.0.0.1/report', { signal: heldLock()?.signal ?? null });
 *   }
 * }
 */
export const heldLock = (): HeldLock | undefined => context().getStore();

/** Works under the lock. */
export const holding = <T>(held: HeldLock, work: () => T): T => context().run(held, work);

/** Subscribes under the lock: what is lazy works when it is subscribed to. */
export const holding$ = <O extends ObservableInput<unknown>>(
  held: HeldLock,
  work: () => O,
): Observable<ObservedValueOf<O>> =>
  new Observable((subscriber) => holding(held, () => from(work()).subscribe(subscriber)));
