/**
 * A queue followed, or many: read, then watched; read again when the watch breaks, is found silent, or has gone on for long.
 */
import type { Observable, Observer, Subscription } from 'rxjs';
import { BackendError } from '../../api/errors.js';
import { attemptOf } from '../../rules/timing.js';
import type { EngineParts } from '../runtime.js';
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
  readonly #engine: EngineParts;
  readonly #ear: WatchHandler<View>;
  /** The watch, or the pause before the next one; nothing once stopped. */
  #step: Subscription | undefined;
  /** Counts the steps: a watch may break, or be given up, while it begins. */
  #steps = 0;
  #failures = 0;
  #readAgainAt = 0;

  constructor(engine: EngineParts, ear: WatchHandler<View>) {
    this.#engine = engine;
    this.#ear = ear;
  }

  /** @param from a complete view that only needs going on from */
  start(from?: View): void {
    const { time, deadlines, settings } = this.#engine;
    this.stop();
    const step = this.#steps;
    this.#readAgainAt = time.now() + settings.ttl * (1 + settings.random());
    deadlines.set(this.#answerTime, this);
    const watch = this.#ear.watch(this.#answerTime, from).subscribe(this);
    if (step === this.#steps) this.#step = watch;
    else watch.unsubscribe();
  }

  stop(): void {
    this.#steps += 1;
    this.#engine.deadlines.clear(this.#answerTime, this);
    this.#step?.unsubscribe();
    this.#step = undefined;
  }

  /** Against an event that got lost: events say that something changed, reads say what is. */
  readAgainIfDue(): void {
    if (this.#engine.time.now() >= this.#readAgainAt) this.start();
  }

  /** What it is told can be relied on no more; it reads again, after a pause. */
  broken(reason: unknown): void {
    const cause = reason instanceof Error ? reason : new Error(String(reason));
    const { time, settings } = this.#engine;
    this.stop();
    this.#failures += 1;
    const pause = backoff(this.#failures, settings.ttl, settings.random);
    this.#step = time.after(pause).subscribe(() => this.start());
    this.#ear.unknown(cause, this.#failures);
  }

  next(view: View): void {
    this.#engine.deadlines.clear(this.#answerTime, this);
    this.#failures = 0;
    this.#ear.seen(view);
  }

  error(cause: unknown): void {
    this.broken(cause);
  }

  complete(): void {
    // The backend was closed: nothing more is seen.
  }

  timedOut(): void {
    this.broken(silenceOf(this.#engine.backend.name, this.#ear.key, this.#answerTime));
  }

  get #answerTime(): number {
    return attemptOf(this.#engine.settings.ttl);
  }
}

const silenceOf = (server: string, key: string, ms: number): BackendError =>
  new BackendError(`${server} did not say within ${Math.round(ms)} ms who holds "${key}".`, { retryable: true });
