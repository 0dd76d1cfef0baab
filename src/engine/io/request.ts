/**
 * Requests to the server: attempts, deadlines, retries. The only retry policy of the engine.
 */
import { Observable, Subscription, throwError } from 'rxjs';
import type { Observer, Subscriber } from 'rxjs';
import { BackendError } from '../../api/errors.js';
import { namedReasonOf } from '../../api/texts.js';
import type { Runtime } from '../runtime.js';
import type { Limiter, LimitedJob } from './limiter.js';
import type { DeadlineListener } from './deadlines.js';
import { backoff } from '../../time/backoff.js';

/** The number of attempts before the user is told, unless the deadline of a lease comes first. */
export const ATTEMPTS = 5;

/** A request, and the rule that says whether to repeat it. */
export interface Request<T> {
  /** For errors: "renew". */
  readonly what: string;
  /** How long an attempt may take, milliseconds; after that it counts as failed. */
  readonly timeout: number;
  /** Limits how many attempts are under way; no limit if left out. */
  readonly limiter?: Limiter | undefined;
  /** Whether it is answered without the server. Then its answer does not prove that the server can be reached. */
  readonly isLocal?: boolean | undefined;
  /** Sends one attempt. The first value is the answer. */
  send(): Observable<T>;
  /** Whether to make another attempt. {@link retryFewTimes} is the usual rule. */
  again(error: BackendError, failures: number): boolean;
  /** An attempt failed, whether or not there will be another. */
  failed?(error: BackendError): void;
}

/** Whether asking again may help. */
export const isRetryable = (error: unknown): error is BackendError => error instanceof BackendError && error.retryable;

export const retryFewTimes = (error: BackendError, failures: number): boolean => error.retryable && failures < ATTEMPTS;

/** For requests that somebody makes again later anyway. */
export const noRetry = (): boolean => false;

/**
 * Emits the answer. After a failure the request is repeated with back-off and jitter, as long as `again` says so.
 * Errors with a BackendError.
 */
export const request = <T>(runtime: Runtime, ask: Request<T>): Observable<T> =>
  new Observable((subscriber) => {
    const asking = new RunningRequest(runtime, ask, subscriber);
    asking.begin();
    return asking;
  });

/** One object and not a pipeline, for speed: every acquire and every release comes through here. */
class RunningRequest<T> implements Observer<T>, DeadlineListener, LimitedJob {
  readonly #runtime: Runtime;
  readonly #ask: Request<T>;
  readonly #subscriber: Subscriber<T>;
  #failures = 0;
  /** The number of answers, to any request, when the attempt was sent. */
  #answersBefore = 0;
  /** The running attempt, or the pause before the next. */
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
    // If the attempt failed within the call, `#step` is already the pause before the next.
    if (this.#failures === failures) this.#step = attempt;
    if (this.#subscriber.closed) attempt.unsubscribe();
  }

  /**
   * An error thrown by `send` is a failure of this attempt. It must not reach the request whose end admitted this one.
   */
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
    const message = `${backend.name} failed at "${what}": ${namedReasonOf(error)}`;
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
