/**
 * A name and a way to contend for it, in the forms users like: stream, promise, block.
 */
import { combineLatest, distinctUntilChanged, forkJoin, lastValueFrom, map } from 'rxjs';
import type { Observable } from 'rxjs';
import { InvalidOptionError } from '../api/errors.js';
import type { AllLock, HeldLock, Lock, LockState } from '../api/lock.js';
import { checkedAcquireOptions, checkedRevokeRequest } from '../api/options.js';
import type { ContendOptions, RevokeRequest } from '../api/options.js';
import type { Holder, Ownership } from '../api/ownership.js';
import type { ForeignClaims } from '../backend/port.js';
import type { RevokeOptions } from '../api/revocation.js';
import type { LockTarget } from './target.js';
import { contend } from './contender.js';
import type { LocksRuntime } from './locks-runtime.js';
import { revoked$ } from './features/revoke.js';
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

  /** Of one key, or of each. */
  abstract revoked$(others: ForeignClaims, demand: RevokeRequest): Observable<readonly Holder[]>;

  lock$(options: ContendOptions = {}): Observable<LockState> {
    return contend(this.#runtime, this.#target, checkedAcquireOptions(options));
  }

  acquire(options?: ContendOptions): Promise<HeldLock> {
    const states$ = this.lock$(options);
    // Never unsubscribed: it ends with the release, the loss, the abort or the close.
    return new Promise((resolve, reject) => {
      states$.subscribe({
        next: (state) => {
          if (state.status === 'held') resolve(state.held);
        },
        error: reject,
      });
    });
  }

  use<T>(body: (held: HeldLock) => T | PromiseLike<T>, options?: ContendOptions): Promise<T> {
    const acquired = this.acquire(options);
    return acquired.then((held) => runHeld(this.#runtime, held, body));
  }

  revoke(options: RevokeOptions): Promise<readonly Holder[]> {
    const demand = checkedRevokeRequest(options);
    const { others, name } = this.#runtime.backend;
    if (others) return lastValueFrom(this.revoked$(others, demand));
    const advice = `claims on ${name} have no room for a request. Have the holder watch something else, or use etcd v3.`;
    throw new InvalidOptionError('key', this.key, advice);
  }
}

/** The lock of a key. */
export class KeyLock extends BaseLock {
  readonly #runtime: LocksRuntime;
  readonly #target: LockTarget;

  constructor(runtime: LocksRuntime, target: LockTarget) {
    super(runtime, target);
    this.#runtime = runtime;
    this.#target = target;
  }

  /** What is contended for, if it is a lock of these `Locks`. */
  in(runtime: LocksRuntime): LockTarget | undefined {
    return this.#runtime === runtime ? this.#target : undefined;
  }

  revoked$(others: ForeignClaims, demand: RevokeRequest): Observable<readonly Holder[]> {
    return revoked$(this.#runtime, this.key, others, demand);
  }

  ownership$(): Observable<Ownership> {
    const { key } = this;
    const { queues, localQueue } = this.#runtime;
    return queues.view$(key).pipe(
      map((view): Ownership => {
        if (view.status === 'unknown') return { status: 'unknown', key, cause: view.cause };
        return ownershipOf(view.queue, localQueue === undefined);
      }),
      distinctUntilChanged(isSameOwnership),
    );
  }
}

/** Several of them as one. */
export class LockOfAll extends BaseLock implements AllLock {
  readonly members: readonly KeyLock[];

  constructor(runtime: LocksRuntime, target: LockTarget, members: readonly KeyLock[]) {
    super(runtime, target);
    this.members = members;
  }

  revoked$(others: ForeignClaims, demand: RevokeRequest): Observable<readonly Holder[]> {
    return forkJoin(this.members.map((member) => member.revoked$(others, demand))).pipe(
      map((holders) => holders.flat()),
    );
  }

  ownership$(): Observable<Ownership> {
    return combineLatest(this.members.map((member) => member.ownership$())).pipe(
      map((states) => ownershipOfAll(this.key, states)),
      distinctUntilChanged(isSameOwnership),
    );
  }
}

/** Settles as the body does, after the release; or at the loss, whatever the body does then. */
function runHeld<T>(
  { report }: LocksRuntime,
  held: HeldLock,
  body: (held: HeldLock) => T | PromiseLike<T>,
): Promise<T> {
  const { key, signal } = held;
  return new Promise<T>((resolve, reject) => {
    const lost = (): void => reject(signal.reason);
    if (signal.aborted) return lost();
    signal.addEventListener('abort', lost);

    const ended = (outcome: 'resolved' | 'rejected', settle: () => void, cause?: unknown): void => {
      // It is rejected for a lock that is not ours any more: then the signal aborts, or has aborted, and that rejects.
      held
        .release({ handOff: outcome === 'resolved' })
        .then(settle, () => report({ type: 'late-result', key, outcome, cause }));
    };
    const running = new Promise<T>((done) => done(body(held)));
    running.then(
      (value) => ended('resolved', () => resolve(value)),
      (error: unknown) => ended('rejected', () => reject(error), error),
    );
  });
}
