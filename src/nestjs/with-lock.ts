import { defer, isObservable } from 'rxjs';
import { checkedObject } from '../api/known-options.js';
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
  /** Makes the lock from the key; a mutex by default. Example: `(locks, key) => locks.semaphore(key, 3)`. */
  readonly lock?: LockOf | undefined;
  /**
   * What the method returns. By default it is read from the compiled types (`emitDecoratorMetadata`, and a return type
   * in the source); without those it is a promise.
   */
  readonly returns?: Form | undefined;
}

/**
 * Runs each call of the method under the lock of that key, and releases when the call has ended: when its promise has
 * settled, or its Observable has ended. An Observable contends for the lock when it is subscribed to.
 *
 * ```text
 * call a    --h=====x            h: held   =: the method runs   x: released
 * call b    --w------h=====x     w: waits, in this process or another one
 * ```
 *
 * Rejects as `lock.use` does, and errors as `usingLock` does: at a loss at once, even if the method goes on. So give
 * `heldLock()?.signal` to everything that can be aborted. With `onBusy: 'skip'`, a call that finds the lock taken
 * resolves with `undefined`, or completes without a value.
 *
 * You choose the key; it is not derived from names in the code, so that a renamed class and an older version still
 * exclude each other. The order of `@Cron` and other decorators does not matter.
 *
 * @param key the key of the lock, or a function that makes it from the arguments; `this` is the object
 * @throws InvalidOptionError at the decoration, for unknown options, and for anything but a method
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
  options: WithLockOptions = {},
): MethodDecoratorFor<A> {
  checkedKeyOf('@WithLock', key);
  checkedObject(options, ['wait', 'signal']);
  const { lock: lockOf = mutex, returns, ...contention } = options;
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

/** Throws an InvalidOptionError if the key is neither a string nor a function. */
export function checkedKeyOf(decorator: string, key: unknown): void {
  if (typeof key === 'string' || typeof key === 'function') return;
  throw new InvalidOptionError('key', key, `give ${decorator} a text, or a function that makes it of the arguments.`);
}

/** Refuses an unexpected Observable: the lock would be released before anybody subscribes to it. */
export function checkedPromise(result: unknown, what: string): unknown {
  if (!isObservable(result)) return result;
  const advice = "write its return type in the source (with emitDecoratorMetadata), or give { returns: 'observable' }.";
  throw new InvalidOptionError('method', what, '', `${what} returned an Observable, and nothing in it ran: ${advice}`);
}
