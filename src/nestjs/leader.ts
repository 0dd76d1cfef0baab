/**
 * Runs one method while this instance leads, from the start of the application to its shutdown.
 */
import type { LoggerService } from '@nestjs/common';
import {
  EMPTY,
  Observable,
  Subject,
  catchError,
  defer,
  finalize,
  from,
  isObservable,
  lastValueFrom,
  retry,
  takeUntil,
  throwError,
  using,
} from 'rxjs';
import { namedReasonOf } from '../api/texts.js';
import { whileLeader } from '../index.js';
import type { HeldLock, LeaderOptions, Lock } from '../index.js';
import type { Time } from '../time/clock.js';
import { holding, holding$ } from './held-lock.js';
import { asInput } from './returned.js';

/** The pause after a failure of the method, before it contends again, milliseconds. */
const PAUSE = 1000;

export interface Leadership {
  readonly what: string;
  readonly lock: Lock;
  readonly options: LeaderOptions;
  readonly time: Time;
  readonly logger: LoggerService;
  /** Calls the method. */
  run(held: HeldLock): unknown;
}

export class Leader {
  readonly #leadership: Leadership;
  /** Aborts at the shutdown: the method must not start any more. */
  readonly #stopping = new AbortController();
  readonly #stopped = new Subject<void>();
  readonly #over = new Subject<never>();
  /** The signal of the running method. */
  #running: AbortController | undefined;
  #isOver = false;

  constructor(leadership: Leadership) {
    this.#leadership = leadership;
  }

  /** Starts without waiting; errors are logged. */
  start(): void {
    const { what, lock, options, logger } = this.#leadership;
    const waitSignal = either(options.waitSignal, this.#stopping);
    whileLeader(lock, (held) => this.#led(held), { ...options, waitSignal })
      .pipe(
        retry({ delay: (error: unknown) => this.#afterFailure(error) }),
        catchError((error: unknown) => {
          if (!this.#stopping.signal.aborted) logger.error(`${what} contends no more: ${namedReasonOf(error)}`, error);
          return EMPTY;
        }),
        takeUntil(this.#over),
        finalize(() => {
          this.#isOver = true;
          this.#over.complete();
        }),
      )
      .subscribe();
  }

  /** Ends the wait, and asks a running method to end. Resolves when it has ended, or after `drain` milliseconds. */
  async stop(drain: number): Promise<void> {
    const { time } = this.#leadership;
    const reason = new Error('the application shuts down');
    this.#stopping.abort(reason);
    this.#running?.abort(reason);
    this.#stopped.next();
    if (this.#isOver) return;
    await lastValueFrom(this.#over.pipe(takeUntil(time.after(drain))), { defaultValue: undefined });
    this.#over.complete();
  }

  #led(held: HeldLock): Observable<unknown> {
    const { run, what } = this.#leadership;
    return defer(() => {
      const running = new AbortController();
      const theirs = stoppable(held, running);
      this.#running = running;
      const made = holding(theirs, () => run(theirs));
      // A promise is awaited in any case: its work is under the lock.
      return isObservable(made) ? this.#untilStopped(holding$(theirs, () => made)) : from(asInput(made, what));
    }).pipe(
      catchError((cause: unknown) => throwError(() => new MethodFailed(what, { cause }))),
      finalize(() => (this.#running = undefined)),
    );
  }

  /** Completes at a stop, after the source was torn down: only then is the lock released. */
  #untilStopped(source$: Observable<unknown>): Observable<unknown> {
    return new Observable((subscriber) => {
      const running = source$.subscribe({
        next: (value) => subscriber.next(value),
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      });
      subscriber.add(running);
      subscriber.add(
        this.#stopped.subscribe(() => {
          running.unsubscribe();
          subscriber.complete();
        }),
      );
    });
  }

  #afterFailure(error: unknown): Observable<unknown> {
    const { time, logger } = this.#leadership;
    if (!(error instanceof MethodFailed)) return throwError(() => error);
    logger.error(`${error.message} failed: ${namedReasonOf(error.cause)}`, error.cause);
    if (this.#stopping.signal.aborted) return EMPTY;
    return using(
      () => time.awake(),
      () => time.after(PAUSE).pipe(takeUntil(this.#stopped)),
    );
  }
}

/** Marks an error of the method, to tell it from an error of the lock. */
class MethodFailed extends Error {}

/** The held lock, with a signal that aborts at a stop as well. */
function stoppable(held: HeldLock, running: AbortController): HeldLock {
  const { signal } = held;
  if (signal.aborted) running.abort(signal.reason);
  else signal.addEventListener('abort', () => running.abort(signal.reason), { once: true });
  return new Proxy(held, {
    get: (target, name) => (name === 'signal' ? running.signal : (Reflect.get(target, name) as unknown)),
  });
}

/** A signal that aborts with either of the two. */
function either(theirs: AbortSignal | undefined, ours: AbortController): AbortSignal {
  if (theirs?.aborted) ours.abort(theirs.reason);
  else theirs?.addEventListener('abort', () => ours.abort(theirs.reason), { once: true });
  return ours.signal;
}
