import { defer } from 'rxjs';
import { checkedObject } from '../api/known-options.js';
import { checkedKeep, checkedRunOptions } from '../api/run-options.js';
import { runOnce } from '../index.js';
import type { Once, OnceOptions, RunOptions } from '../index.js';
import { holding, holding$ } from './held-lock.js';
import { injectLocksInto, locksOf } from './inject-locks.js';
import { checkedMethod, formOf, keyFor, markForm, wrapped } from './method.js';
import type { Call, Form, KeyOf, MethodDecoratorFor } from './method.js';
import { asInput } from './returned.js';
import { checkedKeyOf, checkedPromise } from './with-lock.js';

/** The options of {@link RunOnce}. */
export interface RunOnceOptions extends OnceOptions, RunOptions {
  /** What the method returns, as in {@link WithLock}. */
  readonly returns?: Form | undefined;
}

/**
 * Runs the method once in the whole fleet for each key, and not again for `keep` milliseconds. Every call gets the
 * result of that one run, as JSON carries it. If the run fails or its process dies, the next call runs the method.
 *
 * ```text
 * instance a   --r===A         r: runs   A: its value
 * instance b   --------A       without running
 * instance c   -------------A  late, while it is kept: at once
 * ```
 *
 * For a schedule, put the tick into the key. Round it, so that it is the same in all instances: their clocks differ a
 * little, and a timer may fire a millisecond early. With `onBusy: 'skip'`, an instance that finds the method running
 * does not wait; then nobody runs it if the runner dies.
 *
 * @param key the key of the work, or a function that makes it from the arguments; `this` is the object
 * @param options.keep how long the work stays done, milliseconds
 * @throws InvalidOptionError at the decoration
 * @example
 * class Reports {
 *   @RunOnce(() => `reports/${String(Math.round(Date.now() / 60_000))}`, { keep: 3_600_000 })
 *   async send(): Promise<void> {
 *     await fetch('http://127.0.0.1/report');
 *   }
 * }
 */
export function RunOnce<A extends readonly unknown[] = []>(
  key: KeyOf<A>,
  given: RunOnceOptions,
): MethodDecoratorFor<A> {
  checkedKeyOf('@RunOnce', key);
  checkedObject(given, ['keep', 'signal']);
  const { keep, returns, ...options } = given;
  checkedKeep({ keep });
  checkedRunOptions(options);

  return (prototype, name, descriptor) => {
    const { what, method } = checkedMethod('@RunOnce', prototype, name, descriptor);
    const form = formOf(prototype, name, returns);
    const onceFor = (call: Call): Once<unknown> => locksOf(call.self, what).once(keyFor(key, call), { keep });

    const aroundPromise = async (call: Call): Promise<unknown> =>
      onceFor(call).run((held) => holding(held, () => checkedPromise(call.run(), what)), options);
    const aroundObservable = (call: Call): unknown =>
      defer(() => runOnce(onceFor(call), (held) => holding$(held, () => asInput(call.run(), what)), options));

    injectLocksInto(prototype);
    descriptor.value = wrapped(method, form === 'promise' ? aroundPromise : aroundObservable);
    markForm(descriptor.value, form);
  };
}
