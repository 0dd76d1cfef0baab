import { defer, isObservable } from 'rxjs';
import { checkedAcquireOptions } from '../api/options.js';
import { checkedFunction } from '../api/shapes.js';
import { InvalidOptionError, usingLock } from '../index.js';
import type { ContendOptions, Lock } from '../index.js';
import { holding, holding$ } from './held-lock.js';
import { injectLocksInto, locksOf } from './inject-locks.js';
import { checkedMethod, formOf, keyFor, markForm, mutex, wrapped } from './method.js';
import type { Call, Form, KeyOf, LockOf, MethodDecoratorFor } from './method.js';
import { asInput } from './returned.js';

/** The options of {@link WithLock}. */
export interface WithLockOptions extends ContendOptions {
  /** Which lock of that key, a mutex by default: `(locks, key) => locks.semaphore(key, 3)`. */
  readonly lock?: LockOf | undefined;
  /**
   * What the method returns. Read from the types where the compiler writes them down (`emitDecoratorMetadata`, and the
   * return type said in the source); a promise where nothing is known.
   */
  readonly returns?: Form | undefined;
}

/**
 * Runs each call of the method while it holds the lock of that key, and gives it back when the method has ended: when
 * its promise has settled, or its Observable has ended, which contends for the lock once it is subscribed to.
 *
 * ```text
 * call a    --h=====x            h: held   =: the method runs   x: released
 * call b    --w------h=====x     w: waits, in this process or another one
 * ```
 *
 * Rejects as `lock.use` does, errors as `usingLock` does: at a loss at once, whatever the method does then; give
 * `heldLock()?.signal` to what can be aborted. With `onBusy: 'skip'` a call that finds the lock taken gives `undefined`,
 * or completes without a value.
 *
 * The key is yours, so that a rename in the code takes no lock away from a version that still runs. With `@Cron` and
 * other decorators it goes in either order.
 *
 * @param key of the lock; or how it is made of the arguments, `this` being the object
 * @throws InvalidOptionError at the decoration, for unknown options, or anything but a method
 * @example
 * class Invoices {
 *   @WithLock((id: string) => `invoices/${id}`, { wait: 5_000 })
 *   async bill(id: string): Promise<void> {
 *     await fetch(`http://127.0.0.1/bill/${id}`);
 *   }
 * }
 */
export function WithLock<A extends readonly unknown[] = []>(
  key: KeyOf<A>,
  { lock: lockOf = mutex, returns, ...contention }: WithLockOptions = {},
): MethodDecoratorFor<A> {
  checkedKeyOf('@WithLock', key);
  checkedFunction('lock', lockOf, 'give a function that makes the lock: (locks, key) => locks.writeLock(key).');
  checkedAcquireOptions(contention);

  return (prototype, name, descriptor) => {
    const { what, method } = checkedMethod('@WithLock', prototype, name, descriptor);
    const form = formOf(prototype, name, returns);
    const lockFor = (call: Call): Lock => lockOf(locksOf(call.self, what), keyFor(key, call));

    const aroundPromise = async (call: Call): Promise<unknown> =>
      lockFor(call).use((held) => holding(held, () => checkedPromise(call.run(), what)), contention);
    const aroundObservable = (call: Call): unknown =>
      defer(() => usingLock(lockFor(call), (held) => holding$(held, () => asInput(call.run(), what)), contention));

    injectLocksInto(prototype);
    descriptor.value = wrapped(method, form === 'promise' ? aroundPromise : aroundObservable);
    markForm(descriptor.value, form);
  };
}

/** Of a decorator: a text or a function. */
export function checkedKeyOf(decorator: string, key: unknown): void {
  if (typeof key === 'string' || typeof key === 'function') return;
  throw new InvalidOptionError('key', key, `give ${decorator} a text, or a function that makes it of the arguments.`);
}

/** An Observable where nobody expected one: it would be given back with the lock, and run without. */
export function checkedPromise(result: unknown, what: string): unknown {
  if (!isObservable(result)) return result;
  const advice = "write its return type in the source (with emitDecoratorMetadata), or give { returns: 'observable' }.";
  throw new InvalidOptionError('method', what, '', `${what} returned an Observable, and nothing in it ran: ${advice}`);
}
