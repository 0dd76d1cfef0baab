/**
 * A name and a way to contend for it, in the forms users like: stream, promise, block.
 */
import { combineLatest, distinctUntilChanged, map } from 'rxjs';
import type { Observable } from 'rxjs';
import type { AllLock, HeldLock, Lock, LockState } from '../core/lock.js';
import { checkedContention } from '../core/options.js';
import type { ContendOptions } from '../core/options.js';
import { isSameOwnership, ownershipOf, ownershipOfAll } from '../core/ownership.js';
import type { Ownership } from '../core/ownership.js';
import type { Claimable, OneKey } from './claim.js';
import { contend } from './contend.js';
import type { Arena } from './contend.js';

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
