/**
 * One attempt, and the next. The retry policy of the engine, in one place.
 */
import { catchError, retry, throwError } from 'rxjs';
import type { MonoTypeOperatorFunction, Observable } from 'rxjs';
import { within } from '../core/clock.js';
import { BackendError } from '../core/errors.js';
import { backoff } from '../core/timing.js';
import type { Engine } from './engine.js';

/** How many times something is asked for before the user is told, where no deadline of a lease says so first. */
const ATTEMPTS = 5;

/** One answer, in time, or a retryable BackendError. */
export function attempt<T>(engine: Engine, what: string, ms: number, source$: Observable<T>): Observable<T> {
  const late = (): Error =>
    new BackendError(
      `${engine.backend.name} did not answer "${what}" within ${Math.round(ms)} ms. ` +
        'Is the server up, and are hosts and firewall right?',
      { retryable: true },
    );
  const ours = (error: unknown): BackendError =>
    error instanceof BackendError
      ? error
      : new BackendError(`${engine.backend.name} failed at "${what}": ${String(error)}`, {
          retryable: true,
          cause: error,
        });
  return source$.pipe(
    catchError((error: unknown) => throwError(() => ours(error))),
    within(engine.time, ms, late),
  );
}

/** Whether asking again may help. */
export const isRetryable = (error: unknown): error is BackendError => error instanceof BackendError && error.retryable;

/** When to ask again, and who hears of a failure. */
export interface RetryPolicy {
  again(error: BackendError, failures: number): boolean;
  failed?(error: BackendError): void;
}

const aFewTimes: RetryPolicy = { again: (error, failures) => error.retryable && failures < ATTEMPTS };

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
