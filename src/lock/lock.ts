/**
 * A name and a way to contend for it, in the forms users like: stream, promise, block.
 */
import { combineLatest, distinctUntilChanged, forkJoin, lastValueFrom, map } from 'rxjs';
import type { Observable } from 'rxjs';
import { InvalidOptionError } from '../core/errors.js';
import type { AllLock, HeldLock, Lock, LockState } from '../core/lock.js';
import { checkedContention, checkedDemand } from '../core/options.js';
import type { ContendOptions, Demand } from '../core/options.js';
import { isSameOwnership, ownershipOf, ownershipOfAll } from '../core/ownership.js';
import type { Holder, Ownership } from '../core/ownership.js';
import type { Others } from '../core/port.js';
import type { RevokeOptions } from '../core/revocation.js';
import type { Claimable, OneKey } from './claim.js';
import { contend } from './contend.js';
import type { Arena } from './contend.js';
import { revoked$ } from './revoke.js';

abstract class Contendable implements Lock {
  readonly key: string;
  readonly #arena: Arena;
  readonly #what: Claimable;

  constructor(arena: Arena, what: Claimable) {
    this.#arena = arena;
    this.key = what.key;
    this.#what = what;
  }

  abstract ownership$(): Observable<Ownership>;

  /** Of one key, or of each. */
  abstract revoked$(others: Others, demand: Demand): Observable<readonly Holder[]>;

  lock$(options: ContendOptions = {}): Observable<LockState> {
    return contend(this.#arena, this.#what, checkedContention(options));
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
    return acquired.then((held) => runHeld(this.#arena, held, body));
  }

  revoke(options: RevokeOptions): Promise<readonly Holder[]> {
    const demand = checkedDemand(options);
    const { others, name } = this.#arena.engine.backend;
    if (others) return lastValueFrom(this.revoked$(others, demand));
    const advice = `claims on ${name} have no room for a request. Have the holder watch something else, or use etcd v3.`;
    throw new InvalidOptionError('key', this.key, advice);
  }
}

/** The lock of a key. */
export class KeyLock extends Contendable {
  readonly #arena: Arena;
  readonly #one: OneKey;

  constructor(arena: Arena, one: OneKey) {
    super(arena, one);
    this.#arena = arena;
    this.#one = one;
  }

  /** What is contended for, if it is a lock of these `Locks`. */
  in(arena: Arena): OneKey | undefined {
    return this.#arena === arena ? this.#one : undefined;
  }

  revoked$(others: Others, demand: Demand): Observable<readonly Holder[]> {
    return revoked$(this.#arena, this.key, others, demand);
  }

  ownership$(): Observable<Ownership> {
    const { key } = this;
    const { engine, lines } = this.#arena;
    return lines.view$(key).pipe(
      map((view): Ownership => {
        if (view.status === 'unknown') return { status: 'unknown', key, cause: view.cause };
        return ownershipOf(view.queue, engine.backend.leasePer === 'session');
      }),
      distinctUntilChanged(isSameOwnership),
    );
  }
}

/** Several of them as one. */
export class LockOfAll extends Contendable implements AllLock {
  readonly members: readonly KeyLock[];

  constructor(arena: Arena, what: Claimable, members: readonly KeyLock[]) {
    super(arena, what);
    this.members = members;
  }

  revoked$(others: Others, demand: Demand): Observable<readonly Holder[]> {
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
function runHeld<T>({ engine }: Arena, held: HeldLock, body: (held: HeldLock) => T | PromiseLike<T>): Promise<T> {
  const { key, signal } = held;
  return new Promise<T>((resolve, reject) => {
    const lost = (): void => reject(signal.reason);
    if (signal.aborted) return lost();
    signal.addEventListener('abort', lost);

    const ended = (outcome: 'resolved' | 'rejected', settle: () => void, cause?: unknown): void => {
      // It is rejected for a lock that is not ours any more: then the signal aborts, or has aborted, and that rejects.
      held
        .release({ handOn: outcome === 'resolved' })
        .then(settle, () => engine.report({ type: 'late-result', key, outcome, cause }));
    };
    const running = new Promise<T>((done) => done(body(held)));
    running.then(
      (value) => ended('resolved', () => resolve(value)),
      (error: unknown) => ended('rejected', () => reject(error), error),
    );
  });
}
