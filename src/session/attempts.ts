/**
 * One attempt, and the next. The retry policy of the engine, in one place.
 */
import { Observable, retry, throwError } from 'rxjs';
import type { MonoTypeOperatorFunction } from 'rxjs';
import { BackendError } from '../core/errors.js';
import { backoff } from '../core/timing.js';
import type { Engine } from './engine.js';

/** How many times something is asked for before the user is told, where no deadline of a lease says so first. */
export const ATTEMPTS = 5;

/** One answer, in time, or a retryable BackendError. */
export function attempt<T>(engine: Engine, what: string, ms: number, source$: Observable<T>): Observable<T> {
  const { backend, time } = engine;
  const late = (): Error =>
    new BackendError(
      `${backend.name} did not answer "${what}" within ${Math.round(ms)} ms. ` +
        'Is the server up, and are hosts and firewall right?',
      { retryable: true },
    );
  const ours = (error: unknown): BackendError =>
    error instanceof BackendError
      ? error
      : new BackendError(`${backend.name} failed at "${what}": ${String(error)}`, { retryable: true, cause: error });
  // By hand and not from operators: each lock taken and each given back comes through here.
  return new Observable((subscriber) => {
    subscriber.add(
      source$.subscribe({
        next: (answer) => {
          subscriber.next(answer);
          subscriber.complete();
        },
        error: (error: unknown) => subscriber.error(ours(error)),
      }),
    );
    if (!subscriber.closed) subscriber.add(time.after(ms).subscribe(() => subscriber.error(late())));
  });
}

/** Whether asking again may help. */
export const isRetryable = (error: unknown): error is BackendError => error instanceof BackendError && error.retryable;

/** When to ask again, and who hears of a failure. */
export interface RetryPolicy {
  again(error: BackendError, failures: number): boolean;
  failed?(error: BackendError): void;
}

/** Before the user is told. */
export const aFewTimes: RetryPolicy = { again: (error, failures) => error.retryable && failures < ATTEMPTS };

/** Asks again after a failure of the backend, with back-off and jitter: a few times, or as the policy says. */
export function retried<T>(engine: Engine, { again, failed }: RetryPolicy = aFewTimes): MonoTypeOperatorFunction<T> {
  const { time, settings } = engine;
  return retry({
    delay: (error: unknown, failures) => {
      if (!(error instanceof BackendError)) return throwError(() => error);
      failed?.(error);
      if (!again(error, failures)) return throwError(() => error);
      return time.after(backoff(failures, settings.ttl, settings.random));
    },
  });
}
