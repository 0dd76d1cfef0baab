/**
 * What ends by itself or by a signal.
 */
import { codeOf } from './exit.js';
import type { Signals } from './signals.js';

/** What it resolves to, or the exit code for the signal that came first. */
export function orSignal<T>(signals: Signals, result: Promise<T>): Promise<T | number> {
  return new Promise((resolve, reject) => {
    const stop = signals.each((signal) => resolve(codeOf(signal)));
    result.then(resolve, reject).finally(stop);
  });
}
