/**
 * Taking part in what one of a fleet does for all: until somebody has done it, or it is our turn to do it.
 */
import { EMPTY, Observable, Subscription, catchError, merge, of, switchMap, take, throwError } from 'rxjs';
import type { Subscriber } from 'rxjs';
import { LockLostError } from '../../api/errors.js';
import type { HeldLock, Lock } from '../../api/lock.js';
import type { OnceState } from '../../api/once.js';
import type { ContendOptions } from '../../api/options.js';
import type { Marker, MarkerView } from '../../backend/port.js';
import { inSubscriberContext } from '../../platform/in-context.js';
import { backoff } from '../../time/backoff.js';
import { aborted, unwrapped } from '../aborts.js';
import { closed$ } from '../contenders.js';
import { isRetryable, noRetry, retryFewTimes } from '../io/request.js';
import type { LocksRuntime } from '../locks-runtime.js';
import type { MarkerWatches } from './marker-watches.js';
import { resultOf } from './run-result.js';

export const turn$ = <T>(
  runtime: LocksRuntime,
  watches: MarkerWatches,
  lock: () => Lock,
  options: ContendOptions,
): Observable<OnceState<T>> =>
  new Observable<OnceState<T>>((subscriber) => {
    new Turn(runtime, watches, lock(), options, subscriber).begin();
  }).pipe(inSubscriberContext());

/**
 * | asked first | while it waits                      | once it holds                                          |
 * | ----------- | ----------------------------------- | ------------------------------------------------------ |
 * | done: that  | the marker is followed; done: that  | asked again; done: that, and the lock is given back    |
 * | else: waits | else: holds                         | else: our turn. Lost before the answer: it waits again |
 */
class Turn<T> {
  readonly #runtime: LocksRuntime;
  readonly #watches: MarkerWatches;
  readonly #lock: Lock;
  readonly #options: ContendOptions;
  readonly #subscriber: Subscriber<OnceState<T>>;
  readonly #started: number;
  readonly #contending = new Subscription();
  #following: Subscription | undefined;
  /** What was answered first: nothing older counts. */
  #first: MarkerView | undefined;
  /** Held, and not known yet whether it is to be run. */
  #isChecking = false;

  constructor(
    runtime: LocksRuntime,
    watches: MarkerWatches,
    lock: Lock,
    options: ContendOptions,
    subscriber: Subscriber<OnceState<T>>,
  ) {
    this.#runtime = runtime;
    this.#watches = watches;
    this.#lock = lock;
    this.#options = options;
    this.#subscriber = subscriber;
    this.#started = runtime.time.now();
  }

  begin(): void {
    const { contenders } = this.#runtime;
    const { key } = this.#lock;
    const { signal, waitSignal } = this.#options;
    // It is looked at before anything is left on the server, so the claim comes last and leaves first.
    this.#subscriber.add(() => this.#stop());
    if (this.#runtime.isClosed()) return this.#contend();
    const ended$ = merge(aborted(signal), aborted(waitSignal), closed$(contenders, key));
    const asked$ = this.#watches.read$(key, noRetry).pipe(
      // A wait is waited: while the server cannot be asked, it is contended for as any lock is.
      catchError((error: unknown) => (isRetryable(error) ? of(undefined) : throwError(() => error))),
    );
    this.#subscriber.add(
      merge(ended$, asked$)
        .pipe(take(1))
        .subscribe({
          next: (view) => {
            this.#first = view;
            if (view?.marker) this.#done(view.marker);
            else this.#contend();
          },
          error: (error: unknown) => this.#subscriber.error(unwrapped(error)),
        }),
    );
  }

  #stop(): void {
    this.#following?.unsubscribe();
    this.#contending.unsubscribe();
  }

  #contend(): void {
    const { wait = Infinity } = this.#options;
    const left = Math.max(0, wait - (this.#runtime.time.now() - this.#started));
    const round = new Subscription();
    this.#contending.add(round);
    round.add(
      this.#lock.lock$({ ...this.#options, wait: left }).subscribe({
        next: (state) => {
          if (state.status === 'held') return this.#check(state.held, round);
          this.#follow();
          this.#subscriber.next(state);
        },
        error: (error: unknown) => {
          this.#contending.remove(round);
          this.#ended(error);
        },
        // Given back by its user, or others hold it and it is skipped.
        complete: () => this.#subscriber.complete(),
      }),
    );
  }

  /** Whoever held before may have done it: asked before anything is run. */
  #check(held: HeldLock, round: Subscription): void {
    this.#isChecking = true;
    const again = ({ retryable }: { readonly retryable: boolean }): boolean => retryable && held.isHeld();
    // For its user the wait goes on until the answer, and ends with its signal.
    const checked$ = merge(aborted(this.#options.waitSignal), this.#watches.read$(this.#lock.key, again));
    round.add(
      checked$.pipe(take(1)).subscribe({
        next: ({ marker }) => {
          if (marker) this.#done(marker);
          else if (held.isHeld()) this.#run(held);
        },
        error: (error: unknown) => {
          // As long as it is held it is asked again, so the loss is about to be told.
          if (isRetryable(error)) return;
          this.#contending.unsubscribe();
          this.#subscriber.error(unwrapped(error));
        },
      }),
    );
  }

  #run(held: HeldLock): void {
    this.#isChecking = false;
    this.#following?.unsubscribe();
    this.#subscriber.next({ status: 'held', key: this.#lock.key, held });
  }

  #done(marker: Marker): void {
    const { key } = this.#lock;
    this.#stop();
    this.#subscriber.next({ status: 'done', key, result: resultOf<T>(key, marker) });
    this.#subscriber.complete();
  }

  /** Lost before its user knew that it was held: that is a wait which goes on. */
  #ended(error: unknown): void {
    const isAborted = this.#options.signal?.aborted === true;
    if (!this.#isChecking || isAborted || !(error instanceof LockLostError)) return this.#subscriber.error(error);
    this.#isChecking = false;
    const { time, settings } = this.#runtime;
    const awake = time.awake();
    this.#contending.add(awake);
    this.#contending.add(
      time.after(backoff(1, settings.ttl, settings.random)).subscribe(() => {
        awake.unsubscribe();
        this.#contend();
      }),
    );
  }

  /** All who wait in one `Locks` are told by one watch, and need not take their turn one by one. */
  #follow(): void {
    if (this.#following) return;
    const { key } = this.#lock;
    const first$ = this.#first ? of(this.#first) : this.#watches.read$(key, retryFewTimes);
    this.#following = new Subscription();
    this.#following.add(
      first$
        .pipe(
          switchMap((first) => (first.marker ? of(first) : this.#watches.follow$(key, first))),
          // It will be asked for once it holds.
          catchError(() => EMPTY),
        )
        .subscribe(({ marker }) => {
          if (marker) this.#done(marker);
        }),
    );
  }
}
