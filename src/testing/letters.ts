/**
 * States of locks as letters of a marble diagram, so that an assertion fits on one line.
 */
import { catchError, map, throwError } from 'rxjs';
import type { MonoTypeOperatorFunction, Observable } from 'rxjs';
import { LockError, LockLostError } from '../api/errors.js';
import type { LockState } from '../api/lock.js';
import type { Ownership } from '../api/ownership.js';

/**
 * The states of a contender: `w` waiting, `h` held. Its errors are those of {@link errorCodes}.
 *
 * @example
 * testScheduler.run(({ expectObservable }) => {
 *   expectObservable(stateLetters(locks.mutex('k').lock$()), '--^---!').toBe('--h');
 * });
 */
export const stateLetters = (states$: Observable<LockState>): Observable<'w' | 'h'> =>
  states$.pipe(
    map(({ status }) => (status === 'held' ? 'h' : 'w')),
    errorCodes(),
  );

const SEEN = { free: 'f', held: 'h', unknown: 'u' } as const satisfies Record<Ownership['status'], string>;

/**
 * What an observer sees: `f` free, `h` held, `u` unknown.
 *
 * @example
 * testScheduler.run(({ expectObservable }) => {
 *   expectObservable(ownershipLetters(locks.mutex('k').ownership$()), '^---!').toBe('f');
 * });
 */
export const ownershipLetters = (ownership$: Observable<Ownership>): Observable<'f' | 'h' | 'u'> =>
  ownership$.pipe(map(({ status }) => SEEN[status]));

/**
 * Turns each error of rxlock into its code, with the reason if it has one: `LOCK_TIMEOUT`, `LOCK_LOST expired`. Useful
 * since most test frameworks compare only the message of an error. Other errors pass unchanged.
 *
 * @example
 * testScheduler.run(({ cold, expectObservable }) => {
 *   const work$ = cold('a-b-c').pipe(withLock(locks.mutex('k'), { wait: 0 }), errorCodes());
 *   expectObservable(work$).toBe('#', undefined, 'ALREADY_LOCKED');
 * });
 */
export const errorCodes =
  <T>(): MonoTypeOperatorFunction<T> =>
  (source$) =>
    source$.pipe(catchError((error: unknown) => throwError(() => codeOf(error))));

function codeOf(error: unknown): unknown {
  if (error instanceof LockLostError) return `${error.code} ${error.reason}`;
  return error instanceof LockError ? error.code : error;
}
