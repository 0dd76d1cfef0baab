/**
 * Follows one queue or many: reads, then watches. Reads again when the watch breaks, when it is found silent, and now
 * and then.
 */
import type { Observable, Observer, Subscription } from 'rxjs';
import { BackendError } from '../../api/errors.js';
import type { Runtime } from '../runtime.js';
import { asError } from '../as-error.js';
import type { DeadlineListener } from '../io/deadlines.js';
import { backoff } from '../../time/backoff.js';

/** The user of a {@link ListWatch}. */
export interface WatchHandler<View> {
  /** The key, for error messages. */
  readonly key: string;
  /** Reads and watches; with `from`, it only watches from there on. */
  watch(timeout: number, from: View | undefined): Observable<View>;
  seen(view: View): void;
  /** The state is not known at the moment. More attempts follow; `failures` counts those that failed in a row. */
  unknown(cause: Error, failures: number): void;
}

export class ListWatch<View> implements Observer<View>, DeadlineListener {
  readonly #runtime: Runtime;
  readonly #handler: WatchHandler<View>;
  /** The watch, or the pause before the next one; `undefined` once stopped. */
  #step: Subscription | undefined;
  /** Counts starts and stops, to see whether a watch broke or was stopped within the call that began it. */
  #steps = 0;
  #failures = 0;
  #readAgainAt = 0;
  /** The number of answers, to any request, when the current watch began. */
  #answersBefore = 0;
  /** How long the first answer of the current watch may take, milliseconds. */
  #timeout = 0;
  /** `pausing`: between a failure and the next attempt. */
  #state: 'stopped' | 'watching' | 'pausing' = 'stopped';

  constructor(runtime: Runtime, handler: WatchHandler<View>) {
    this.#runtime = runtime;
    this.#handler = handler;
  }

  /** @param from a complete view; then the queue is watched from there on, and not read */
  start(from?: View): void {
    const { time, deadlines, settings, timing } = this.#runtime;
    this.stop();
    this.#state = 'watching';
    const step = this.#steps;
    this.#readAgainAt = time.now() + timing.ttl * (1 + settings.random());
    this.#timeout = timing.attempt;
    this.#answersBefore = this.#runtime.connection.answers;
    deadlines.set(this.#timeout, this);
    const watch = this.#runtime.context(() => this.#handler.watch(this.#timeout, from).subscribe(this));
    if (step === this.#steps) this.#step = watch;
    else watch.unsubscribe();
  }

  stop(): void {
    this.#steps += 1;
    this.#state = 'stopped';
    this.#runtime.deadlines.clear(this.#timeout, this);
    this.#step?.unsubscribe();
    this.#step = undefined;
  }

  /** Reads now and then, in case an event was lost. */
  readAgainIfDue(): void {
    if (this.#runtime.time.now() >= this.#readAgainAt) this.start();
  }

  /**
   * The watch cannot be relied on any more: reads again after a pause. The failed request that showed this has already
   * reported whether the server answers.
   */
  broken(reason: unknown): void {
    // One silence counts once: a probe without an answer breaks the watch, and the watch then reports it a second time.
    // A stopped watch stays stopped.
    if (this.#state !== 'watching') return;
    const cause = asError(reason);
    const { time, settings } = this.#runtime;
    this.stop();
    this.#state = 'pausing';
    this.#failures += 1;
    const pause = backoff(this.#failures, settings.ttl, settings.random);
    this.#step = time.after(pause).subscribe(() => this.start());
    this.#handler.unknown(cause, this.#failures);
  }

  next(view: View): void {
    this.#runtime.deadlines.clear(this.#timeout, this);
    this.#failures = 0;
    this.#runtime.connection.answered();
    this.#handler.seen(view);
  }

  error(reason: unknown): void {
    const { connection } = this.#runtime;
    connection.failed(asError(reason), connection.answers);
    this.broken(reason);
  }

  complete(): void {
    // The backend was closed: no more views will come.
  }

  timedOut(): void {
    const silence = silenceOf(this.#runtime.backend.name, this.#handler.key, this.#timeout);
    this.#runtime.connection.failed(silence, this.#answersBefore);
    this.broken(silence);
  }
}

const silenceOf = (server: string, key: string, ms: number): BackendError =>
  new BackendError(`${server} did not say within ${Math.round(ms)} ms who holds "${key}".`, { retryable: true });
