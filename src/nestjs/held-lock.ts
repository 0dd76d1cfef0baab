/**
 * The lock under which a decorated method runs, for the functions that it calls.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Observable, from } from 'rxjs';
import type { ObservableInput, ObservedValueOf } from 'rxjs';
import type { HeldLock } from '../index.js';

/** The global property of the storage, shared by all copies of the package. */
const CONTEXT = Symbol.for('rxlock.nestjs.heldLock');

function context(): AsyncLocalStorage<HeldLock> {
  const there: unknown = Reflect.get(globalThis, CONTEXT);
  if (there instanceof AsyncLocalStorage) return there as AsyncLocalStorage<HeldLock>;
  const made = new AsyncLocalStorage<HeldLock>();
  Object.defineProperty(globalThis, CONTEXT, { value: made });
  return made;
}

/**
 * The lock of the decorated method that calls this, directly or not; of several, the innermost. `undefined` elsewhere.
 * Use its `signal`, which aborts at a loss, and its `fencingToken`.
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

/** Runs the work with the lock as {@link heldLock}. */
export const holding = <T>(held: HeldLock, work: () => T): T => context().run(held, work);

/** Subscribes with the lock as {@link heldLock}, since a lazy stream does its work when it is subscribed to. */
export const holding$ = <O extends ObservableInput<unknown>>(
  held: HeldLock,
  work: () => O,
): Observable<ObservedValueOf<O>> =>
  new Observable((subscriber) => holding(held, () => from(work()).subscribe(subscriber)));
