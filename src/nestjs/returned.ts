/**
 * Checks the result of a decorated method.
 */
import { isObservable } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { InvalidOptionError } from '../index.js';

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

/** The result, if it is an Observable or a promise; otherwise throws an InvalidOptionError. */
export function asInput(result: unknown, what: string): ObservableInput<unknown> {
  if (isObservable(result) || isPromise(result)) return result;
  throw new InvalidOptionError('method', result, '', `${what} returned neither a promise nor an Observable.`);
}
