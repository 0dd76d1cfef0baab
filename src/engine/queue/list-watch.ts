/**
 * A queue followed, or many: read, then watched; read again when the watch breaks, is found silent, or has gone on for long.
 */
import type { Observable, Observer, Subscription } from 'rxjs';
import { BackendError } from '../../api/errors.js';
import type { Runtime } from '../runtime.js';
import type { DeadlineListener } from '../io/deadlines.js';
import { backoff } from '../../time/backoff.js';

/** Who hears what a follower finds out. */
export interface WatchHandler<View> {
  /** For errors. */
  readonly key: string;
  /** Reads and watches, once; with `from`, it only needs going on from there. */
  watch(timeout: number, from: View | undefined): Observable<View>;
  seen(view: View): void;
  /** Nobody knows at the moment. It goes on trying; `failures` in a row so far. */
  unknown(cause: Error, failures: number): void;
}

export class ListWatch<View> implements Observer<View>, DeadlineListener {
  readonly #runtime: Runtime;
  readonly #handler: WatchHandler<View>;
  /** The watch, or the pause before the next one; nothing once stopped. */
  #step: Subscription | undefined;
  /** Counts the steps: a watch may break, or be given up, while it begins. */
  #steps = 0;
  #failures = 0;
  #readAgainAt = 0;
  /** How many answers there had been to anything when the step began. */
  #answersBefore = 0;
  /** How long an answer may take, of the step under way. */
  #timeout = 0;
  /** `pausing`: between a failure and the next attempt. */
  #state: 'stopped' | 'watching' | 'pausing' = 'stopped';

  constructor(runtime: Runtime, handler: WatchHandler<View>) {
    this.#runtime = runtime;
    this.#handler = handler;
  }

  /** @param from a complete view that only needs going on from */
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

  /** Against an event that got lost: events say that something changed, reads say what is. */
  readAgainIfDue(): void {
    if (this.#runtime.time.now() >= this.#readAgainAt) this.start();
  }

  /**
   * What it is told can be relied on no more; it reads again, after a pause. The failed request that showed this has told
   * whether the server answers.
   */
  broken(reason: unknown): void {
    // One silence is one failure: a probe without an answer breaks the watch, and says so, too. It may also be answered
    // when nobody follows any more: what is stopped stays so.
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
    // The backend was closed: nothing more is seen.
  }

  timedOut(): void {
    const silence = silenceOf(this.#runtime.backend.name, this.#handler.key, this.#timeout);
    this.#runtime.connection.failed(silence, this.#answersBefore);
    this.broken(silence);
  }
}

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

const silenceOf = (server: string, key: string, ms: number): BackendError =>
  new BackendError(`${server} did not say within ${Math.round(ms)} ms who holds "${key}".`, { retryable: true });
