/**
 * The locks of the API: stream, promise and block over one target.
 */
import {
  EMPTY,
  catchError,
  combineLatest,
  distinctUntilChanged,
  isObservable,
  lastValueFrom,
  map,
  scan,
  throwError,
} from 'rxjs';
import type { Observable } from 'rxjs';
import { AlreadyLockedError, InvalidOptionError, LockTimeoutError } from '../api/errors.js';
import { writable } from '../api/json.js';
import type { AllLock, HeldLock, Lock, LockState } from '../api/lock.js';
import { checkedAcquireOptions, checkedRevokeRequest } from '../api/options.js';
import type { ContendOptions, RevokeRequest, SkipOptions } from '../api/options.js';
import { checkedFunction } from '../api/shapes.js';
import { inSubscriberContext } from '../platform/in-context.js';

import type { Holder, Ownership } from '../api/ownership.js';
import type { ForeignClaims } from '../backend/port.js';
import type { RevokeOptions } from '../api/revocation.js';
import type { LockTarget } from './target.js';
import { contend } from './contender.js';
import { holdOf } from './hold.js';
import type { LocksRuntime } from './locks-runtime.js';
import { revoked$ } from './features/revoke.js';
import type { View } from './queue/key-queue.js';
import { isSameOwnership, ownershipOf, ownershipOfAll } from '../rules/ownership.js';

abstract class BaseLock implements Lock {
  readonly key: string;
  readonly #runtime: LocksRuntime;
  readonly #target: LockTarget;

  constructor(runtime: LocksRuntime, target: LockTarget) {
    this.#runtime = runtime;
    this.key = target.key;
    this.#target = target;
  }

  abstract ownership$(): Observable<Ownership>;

  /** Asks the holders of its key, or of each of its keys. */
  abstract revoked$(others: ForeignClaims, demand: RevokeRequest): Observable<readonly Holder[]>;

  lock$(options: ContendOptions = {}): Observable<LockState> {
    const contention = checkedAcquireOptions(options);
    const { backend } = this.#runtime;
    if (contention.atLeast > 0 && !backend.keep) {
      const advice = `${backend.name} cannot keep a lock after its release. Leave it out, and hold the lock for that long.`;
      throw new InvalidOptionError('atLeast', contention.atLeast, advice);
    }
    const states$ = contend(this.#runtime, this.#target, contention);
    if (options.onBusy !== 'skip') return states$;
    return states$.pipe(catchError((error: unknown) => (isBusy(error) ? EMPTY : throwError(() => error))));
  }

  acquire(options: SkipOptions): Promise<HeldLock | undefined>;
  acquire(options?: ContendOptions & { readonly onBusy?: 'error' | undefined }): Promise<HeldLock>;
  acquire(options?: ContendOptions): Promise<HeldLock | undefined>;
  acquire(options?: ContendOptions): Promise<HeldLock | undefined> {
    // Never unsubscribed: the stream ends with the release, the loss, the abort or the close. An error thrown here
    // rejects.
    return new Promise((resolve, reject) => {
      this.lock$(options).subscribe({
        next: (state) => {
          if (state.status === 'held') resolve(state.held);
        },
        error: reject,
        // Skipped. After a release the promise is settled already.
        complete: () => resolve(undefined),
      });
    });
  }

  use<T>(body: (held: HeldLock) => T | PromiseLike<T>, options: SkipOptions): Promise<T | undefined>;
  use<T>(
    body: (held: HeldLock) => T | PromiseLike<T>,
    options?: ContendOptions & { readonly onBusy?: 'error' | undefined },
  ): Promise<T>;
  use<T>(body: (held: HeldLock) => T | PromiseLike<T>, options?: ContendOptions): Promise<T | undefined>;
  async use<T>(body: (held: HeldLock) => T | PromiseLike<T>, options?: ContendOptions): Promise<T | undefined> {
    checkedFunction('body', body, 'give a function that does the work, and the options after it.');
    const held = await this.acquire(options);
    return held && runHeld(this.#runtime, this.#target, held, body);
  }

  async revoke(options: RevokeOptions): Promise<readonly Holder[]> {
    const demand = checkedRevokeRequest(options);
    const { others, name } = this.#runtime.backend;
    if (others) return lastValueFrom(this.revoked$(others, demand));
    const advice = `claims on ${name} cannot carry a request. Let the holder watch something else, or use etcd v3.`;
    throw new InvalidOptionError('key', this.key, advice);
  }
}

const isBusy = (error: unknown): boolean => error instanceof AlreadyLockedError || error instanceof LockTimeoutError;

/** The lock of a key. */
export class KeyLock extends BaseLock {
  readonly #runtime: LocksRuntime;
  readonly #target: LockTarget;

  constructor(runtime: LocksRuntime, target: LockTarget) {
    super(runtime, target);
    this.#runtime = runtime;
    this.#target = target;
  }

  /** The target of the lock, if the lock belongs to this `Locks`. */
  in(runtime: LocksRuntime): LockTarget | undefined {
    return this.#runtime === runtime ? this.#target : undefined;
  }

  revoked$(others: ForeignClaims, demand: RevokeRequest): Observable<readonly Holder[]> {
    return revoked$(this.#runtime, this.key, others, demand);
  }

  ownership$(): Observable<Ownership> {
    const { key } = this;
    const { queues, localQueue, time } = this.#runtime;
    return queues.view$(key, true).pipe(
      scan<View, Ownership, undefined>((before: Ownership | undefined, view) => {
        if (view.status === 'unknown') return writable({ status: 'unknown', key, cause: view.cause });
        return ownershipOf(view.queue, localQueue === undefined, { before, now: time.date() });
      }, undefined),
      distinctUntilChanged(isSameOwnership),
      inSubscriberContext(),
    );
  }
}

/** Several locks as one. */
export class LockOfAll extends BaseLock implements AllLock {
  readonly members: readonly KeyLock[];

  constructor(runtime: LocksRuntime, target: LockTarget, members: readonly KeyLock[]) {
    super(runtime, target);
    this.members = members;
  }

  revoked$(others: ForeignClaims, demand: RevokeRequest): Observable<readonly Holder[]> {
    return combineLatest(this.members.map((member) => member.revoked$(others, demand))).pipe(
      map((holders) => holders.flat()),
    );
  }

  ownership$(): Observable<Ownership> {
    return combineLatest(this.members.map((member) => member.ownership$())).pipe(
      map((states) => ownershipOfAll(this.key, states)),
      distinctUntilChanged(isSameOwnership),
      inSubscriberContext(),
    );
  }
}

/** Settles as the body does, after the release; at a loss it rejects at once, whatever the body does then. */
export function runHeld<T>(
  { report, bodies }: LocksRuntime,
  { kind }: LockTarget,
  held: HeldLock,
  body: (held: HeldLock) => T | PromiseLike<T>,
): Promise<T> {
  const { key, signal, owner, fencingToken } = held;
  const hold = holdOf(held);
  return new Promise<T>((resolve, reject) => {
    const lost = (): void => reject(signal.reason);
    if (signal.aborted) return lost();
    signal.addEventListener('abort', lost);

    const ended = (outcome: 'resolved' | 'rejected', settle: () => void, cause?: unknown): void => {
      // `release()` rejects for a lock that was lost: the signal aborts then, or has aborted, and its listener rejects.
      held
        .release({ handOff: outcome === 'resolved' })
        .then(settle, () => report({ type: 'late-result', key, kind, owner, fencingToken, outcome, cause }));
    };
    const running = new Promise<T>((done) => done(hold ? bodies.run(hold, () => body(held)) : body(held))).then(
      checkedResult,
    );
    running.then(
      (value) => ended('resolved', () => resolve(value)),
      (error: unknown) => ended('rejected', () => reject(error), error),
    );
  });
}

/** Refuses a stream or a generator: the body has made it, but nobody runs it under the lock. */
export function checkedResult<T>(result: T): T {
  const isLazy = isObservable(result) || isGenerator(result);
  if (!isLazy) return result;
  const advice =
    'the stream was not subscribed to, and the lock is released. Use usingLock(lock, body), or await the stream in the body.';
  throw new InvalidOptionError('body', result, '', `The body of use() returned a stream: ${advice}`);
}

const isGenerator = (value: unknown): boolean =>
  Object.prototype.toString.call(value) === '[object Generator]' ||
  Object.prototype.toString.call(value) === '[object AsyncGenerator]';
