/**
 * What one of a fleet does for all.
 */
import { EMPTY, catchError, concat, defer, distinctUntilChanged, lastValueFrom, map, of, switchMap } from 'rxjs';
import type { Observable } from 'rxjs';
import { RunResultError } from '../../api/errors.js';
import type { HeldLock, Lock } from '../../api/lock.js';
import type { Once, OnceResult, OnceState } from '../../api/once.js';
import { checkedRunOptions } from '../../api/run-options.js';
import type { RunOptions } from '../../api/run-options.js';
import { checkedFunction, checkedHeld } from '../../api/shapes.js';
import type { Lease, Markers } from '../../backend/port.js';
import { inSubscriberContext } from '../../platform/in-context.js';
import { retryFewTimes } from '../io/request.js';
import { KeyLock, checkedResult, runHeld } from '../lock.js';
import type { LocksRuntime } from '../locks-runtime.js';
import { leaseId } from '../sessions.js';
import { LockTarget } from '../target.js';
import { marked$ } from './mark.js';
import type { MarkerWatches } from './marker-watches.js';
import { completed, failed, failureOf, resultOf } from './run-result.js';
import { turn$ } from './turn.js';
import type { TurnQueues } from './turn-queues.js';

export class KeyOnce<T> implements Once<T> {
  readonly key: string;
  readonly keep: number;
  readonly lock: Lock;
  readonly result$: Observable<OnceResult<T> | undefined>;
  readonly #runtime: LocksRuntime;
  readonly #markers: Markers;
  readonly #watches: MarkerWatches;
  readonly #turns: TurnQueues;
  readonly #target: LockTarget;

  constructor(
    runtime: LocksRuntime,
    { markers, watches, turns }: { markers: Markers; watches: MarkerWatches; turns: TurnQueues },
    key: string,
    keep: number,
  ) {
    this.key = key;
    this.keep = keep;
    this.#runtime = runtime;
    this.#markers = markers;
    this.#watches = watches;
    this.#turns = turns;
    this.#target = new LockTarget(runtime, [{ key, kind: 'mutex' }]);
    this.lock = new KeyLock(runtime, this.#target);
    const views$ = watches
      .read$(key, retryFewTimes)
      .pipe(switchMap((now) => concat(of(now), watches.follow$(key, now))));
    this.result$ = watches.untilStopped(views$).pipe(
      distinctUntilChanged((a, b) => a.marker?.token === b.marker?.token),
      map(({ marker }) => marker && resultOf<T>(key, marker)),
      inSubscriberContext(),
    );
  }

  turn$(options: RunOptions = {}): Observable<OnceState<T>> {
    const { contend } = checkedRunOptions(options);
    const lock = (): Lock => new KeyLock(this.#runtime, this.#turns.target(this.key));
    return turn$<T>(this.#runtime, this.#watches, lock, contend);
  }

  mark$(held: HeldLock, value?: T): Observable<never> {
    return this.#written$(held, (at) => completed(this.key, held, at, value));
  }

  markFailed$(held: HeldLock, error: unknown): Observable<never> {
    return this.#written$(held, (at) => failed(held, at, error));
  }

  run(body: (held: HeldLock) => T | PromiseLike<T>, options: RunOptions = {}): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      checkedFunction('body', body, 'give a function that does the work, and the options after it.');
      const { failures } = checkedRunOptions(options);
      let isRunning = false;
      this.turn$(options).subscribe({
        next: (state) => {
          if (state.status === 'done') {
            const failure = failureOf(state.result);
            return failure ? reject(failure) : resolve(state.result.value);
          }
          if (state.status !== 'held') return;
          isRunning = true;
          runHeld(this.#runtime, this.#target, state.held, (held) => this.#run(body, held, failures)).then(
            resolve,
            reject,
          );
        },
        error: reject,
        // Skipped. After a run its own end counts.
        complete: () => {
          if (!isRunning) resolve(undefined);
        },
      });
    });
  }

  async #run(body: (held: HeldLock) => T | PromiseLike<T>, held: HeldLock, failures: 'retry' | 'count'): Promise<T> {
    const counted = async (error: unknown): Promise<never> => {
      const marked$ = failures === 'count' && held.isHeld() ? this.markFailed$(held, error) : EMPTY;
      // What it failed with is what counts.
      await lastValueFrom(marked$.pipe(catchError(() => EMPTY)), { defaultValue: undefined });
      throw error;
    };
    let value: T;
    try {
      value = checkedResult(await body(held));
    } catch (error) {
      return counted(error);
    }
    // Given back by the body, or lost: then it is not done, and the end of the lock tells so.
    if (!held.isHeld()) return value;
    try {
      await lastValueFrom(this.mark$(held, value), { defaultValue: undefined });
    } catch (error) {
      if (error instanceof RunResultError) return counted(error);
      throw error;
    }
    return value;
  }

  /** @param write what the marker says, as of now */
  #written$(held: HeldLock, write: (at: Date) => string): Observable<never> {
    checkedHeld(held);
    return defer(() => {
      const { key } = this;
      const { settings, time } = this.#runtime;
      const lease: Lease = { id: leaseId(), ttl: this.keep, owner: settings.owner, key: undefined };
      return marked$(this.#runtime, this.#markers, held, { key, lease, value: write(time.date()) });
    }).pipe(inSubscriberContext());
  }
}
