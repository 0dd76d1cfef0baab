/**
 * Requests to the server: attempts, deadlines, retries. The only retry policy of the engine.
 */
import { Observable, Subscription, throwError } from 'rxjs';
import type { Observer, Subscriber } from 'rxjs';
import { BackendError } from '../../api/errors.js';
import type { Runtime } from '../runtime.js';
import type { Limiter, LimitedJob } from './limiter.js';
import type { DeadlineListener } from './deadlines.js';
import { backoff } from '../../time/backoff.js';

/** How many attempts are made before the user is told, where the deadline of a lease does not end them sooner. */
export const ATTEMPTS = 5;

/** A request, and how often it is repeated. */
export interface Request<T> {
  /** For errors: "renew". */
  readonly what: string;
  /** How long an attempt may take, milliseconds: then it counts as failed. */
  readonly timeout: number;
  /** Limits how many attempts are under way, where there may be too many. */
  readonly limiter?: Limiter | undefined;
  /** Whether it is answered without the server. Then the answer does not show that the server is there. */
  readonly isLocal?: boolean | undefined;
  /** One attempt: its first answer counts. */
  send(): Observable<T>;
  /** Whether asking again may help. {@link retryFewTimes} before the user is told. */
  again(error: BackendError, failures: number): boolean;
  /** An attempt failed, whether or not there will be another. */
  failed?(error: BackendError): void;
}

/** Whether asking again may help. */
export const isRetryable = (error: unknown): error is BackendError => error instanceof BackendError && error.retryable;

export const retryFewTimes = (error: BackendError, failures: number): boolean => error.retryable && failures < ATTEMPTS;

/** For requests that are made again later anyway. */
export const noRetry = (): boolean => false;

/** Emits the first answer. After a failure the request is repeated, with back-off and jitter. Errors with a BackendError. */
export const request = <T>(runtime: Runtime, ask: Request<T>): Observable<T> =>
  new Observable((subscriber) => {
    const asking = new RunningRequest(runtime, ask, subscriber);
    asking.begin();
    return asking;
  });

/** One object and not a pipeline: each lock taken and each given back comes through here. */
class RunningRequest<T> implements Observer<T>, DeadlineListener, LimitedJob {
  readonly #runtime: Runtime;
  readonly #ask: Request<T>;
  readonly #subscriber: Subscriber<T>;
  #failures = 0;
  /** How many answers there had been to anything when the attempt was sent. */
  #answersBefore = 0;
  /** The attempt under way, or the pause before the next. */
  #step = Subscription.EMPTY;

  constructor(runtime: Runtime, ask: Request<T>, subscriber: Subscriber<T>) {
    this.#runtime = runtime;
    this.#ask = ask;
    this.#subscriber = subscriber;
  }

  begin(): void {
    const { limiter } = this.#ask;
    if (limiter) limiter.enter(this);
    else this.admitted();
  }

  unsubscribe(): void {
    this.#attemptIsOver();
    this.#step.unsubscribe();
  }

  admitted(): void {
    this.#runtime.deadlines.set(this.#ask.timeout, this);
    const failures = this.#failures;
    this.#answersBefore = this.#runtime.connection.answers;
    const attempt = this.#runtime.context(() => this.#sent().subscribe(this));
    // Unless it failed at once, and the pause before the next one has begun.
    if (this.#failures === failures) this.#step = attempt;
    if (this.#subscriber.closed) attempt.unsubscribe();
  }

  /** What it throws is a failure of this attempt. It must not reach the request that made room for this one. */
  #sent(): Observable<T> {
    try {
      return this.#ask.send();
    } catch (error) {
      return throwError(() => error);
    }
  }

  next(answer: T): void {
    if (this.#ask.isLocal !== true) this.#runtime.connection.answered();
    this.#subscriber.next(answer);
    this.#subscriber.complete();
  }

  error(error: unknown): void {
    const { backend } = this.#runtime;
    const { what } = this.#ask;
    if (error instanceof BackendError) return this.#failed(error);
    const message = `${backend.name} failed at "${what}": ${String(error)}`;
    this.#failed(new BackendError(message, { retryable: true, cause: error }));
  }

  complete(): void {
    // After an answer nothing is left to do. Without an answer, the timeout ends the attempt.
  }

  timedOut(): void {
    const { backend } = this.#runtime;
    const { what, timeout } = this.#ask;
    this.#step.unsubscribe();
    const message =
      `${backend.name} did not answer "${what}" within ${Math.round(timeout)} ms. ` +
      'Is the server up, and are hosts and firewall right?';
    this.#failed(new BackendError(message, { retryable: true }));
  }

  #failed(error: BackendError): void {
    this.#attemptIsOver();
    this.#failures += 1;
    if (error.retryable) this.#runtime.connection.failed(error, this.#answersBefore);
    this.#ask.failed?.(error);
    if (this.#subscriber.closed) return;
    if (!this.#ask.again(error, this.#failures)) return this.#subscriber.error(error);
    const { time, settings } = this.#runtime;
    const pause = backoff(this.#failures, settings.ttl, settings.random);
    this.#step = time.after(pause).subscribe(() => this.begin());
  }

  #attemptIsOver(): void {
    this.#runtime.deadlines.clear(this.#ask.timeout, this);
    this.#ask.limiter?.leave(this);
  }
}
