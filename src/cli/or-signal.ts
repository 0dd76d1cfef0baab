/**
 * Work that ends by itself or by a signal.
 */
import { codeOf } from './exit.js';
import type { Signals } from './signals.js';

/** Resolves with the result, or with the exit code of the first signal, if that comes first. */
export function orSignal<T>(signals: Signals, result: Promise<T>): Promise<T | number> {
  return new Promise((resolve, reject) => {
    const stop = signals.each((signal) => resolve(codeOf(signal)));
    result.then(resolve, reject).finally(stop);
  });
}
