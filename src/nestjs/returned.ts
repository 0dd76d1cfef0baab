/**
 * What a decorated method has returned, where something to subscribe to was expected.
 */
import { isObservable } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { InvalidOptionError } from '../index.js';

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

/** An Observable or a promise, or an error that says what came instead. */
export function asInput(result: unknown, what: string): ObservableInput<unknown> {
  if (isObservable(result) || isPromise(result)) return result;
  throw new InvalidOptionError('method', result, '', `${what} returned neither a promise nor an Observable.`);
}
