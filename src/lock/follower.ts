/**
 * One queue followed: read, then watched; read again when the watch breaks, is found silent, or has gone on for long.
 */
import { Subscription } from 'rxjs';
import { BackendError } from '../core/errors.js';
import type { Queue } from '../core/port.js';
import { backoff } from '../core/timing.js';
import type { Engine } from '../session/engine.js';

/** Who hears what a follower finds out. */
export interface Ear {
  seen(queue: Queue): void;
  /** Nobody knows at the moment. It goes on trying; `failures` in a row so far. */
  unknown(cause: Error, failures: number): void;
}

export class Follower {
  #watch = new Subscription();
  #failures = 0;
  #readAgainAt = 0;
  readonly #engine: Engine;
  readonly #key: string;
  readonly #ear: Ear;

  constructor(engine: Engine, key: string, ear: Ear) {
    this.#engine = engine;
    this.#key = key;
    this.#ear = ear;
  }

  /** @param from a complete view of the queue that only needs going on from */
  start(from?: Queue): void {
    const { backend, time, settings } = this.#engine;
    const answerTime = settings.ttl / 6;
    const watch = new Subscription();
    this.#watch.unsubscribe();
    this.#watch = watch;
    this.#readAgainAt = time.now() + settings.ttl * (1 + settings.random());

    const silence = time.after(answerTime).subscribe(() => this.broken(silenceOf(backend.name, this.#key, answerTime)));
    watch.add(silence);
    watch.add(
      backend.queue(this.#key, answerTime, from).subscribe({
        next: (queue) => {
          silence.unsubscribe();
          this.#failures = 0;
          if (!watch.closed) this.#ear.seen(queue);
        },
        error: (cause: unknown) => this.broken(cause),
      }),
    );
  }

  stop(): void {
    this.#watch.unsubscribe();
  }

  /** Against an event that got lost: events say that something changed, reads say what is. */
  readAgainIfDue(): void {
    if (!this.#watch.closed && this.#engine.time.now() >= this.#readAgainAt) this.start();
  }

  /** What it is told can be relied on no more; it reads again, after a pause. */
  broken(reason: unknown): void {
    if (this.#watch.closed) return;
    const cause = reason instanceof Error ? reason : new Error(String(reason));
    const { time, settings } = this.#engine;
    this.#failures += 1;
    this.#watch.unsubscribe();
    this.#watch = time.after(backoff(this.#failures, settings.ttl, settings.random)).subscribe(() => this.start());
    this.#ear.unknown(cause, this.#failures);
  }
}

const silenceOf = (server: string, key: string, ms: number): BackendError =>
  new BackendError(`${server} did not say within ${Math.round(ms)} ms who holds "${key}".`, { retryable: true });
