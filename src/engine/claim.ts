/**
 * One claim, from entering the queue to leaving it.
 */
import { EMPTY, defer, of, switchMap, tap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { AcquireOptions } from '../api/options.js';
import type {
  ClaimRequest,
  EnqueueResult,
  DequeueResult,
  LockBackend,
  Queue,
  QueuedClaim,
  LockSpec,
} from '../backend/port.js';
import type { Revocation } from '../api/revocation.js';
import { request } from './io/request.js';
import { AcquireRelease } from './io/acquire-release.js';
import type { Resource } from './io/acquire-release.js';
import type { EngineParts } from './runtime.js';
import type { Limiter } from './io/limiter.js';
import type { Session } from './session.js';
import type { HandedOff, KeyQueue, WaiterListener, Turn } from './queue/key-queue.js';
import type { KeyQueues } from './queue/key-queues.js';
import type { LockKind } from '../api/ownership.js';

/** Where the claim stands: not let in, since the queue has one place; or its turn. */
export type Stage = Turn | { readonly status: 'refused'; readonly queue: Queue };

export type Proclaim = NonNullable<LockBackend['proclaim']>;

/** What one contends with in one round: a claim, or several at once. */
export interface ContestedClaim {
  readonly session: Session;
  /** The token, once it is in. */
  readonly token: bigint | undefined;
  begin(): void;
  /** With `handOff`, who is right behind it here holds at once. */
  leave(handOff: boolean): void;
}

/** Who contends, and hears what becomes of it. */
export interface Claimant {
  /** Where it stands now. */
  staged(entry: ContestedClaim, stage: Stage): void;
  /** Somebody wants it, who holds it or would if the other keys were free. */
  asked(entry: ContestedClaim, revocation: Revocation): void;
  /** It could not enter, or nobody knows any more where it stands. */
  failed(error: unknown): void;
  /** It begins to leave: from now on it is not held. */
  leaving(entry: ContestedClaim): void;
  /** It has left, or nothing more can be done about it. */
  left(entry: ContestedClaim): void;
}

/** What is contended for. */
export interface LockTarget {
  /** As users are told of it. */
  readonly key: string;
  readonly keys: readonly string[];
  /** What to contend with in this session. */
  claim(session: Session, contention: AcquireOptions, claimant: Claimant): ContestedClaim;
}

/** What a claim needs of those around it. */
export interface ClaimParts {
  readonly engine: EngineParts;
  readonly lines: KeyQueues;
  /** Whether the `Locks` is being closed: then the end of its lease takes all claims along. */
  isClosed(): boolean;
  /** A claim id that no other claim of this `Locks` has. */
  nextClaimId(): string;
}

/** A key, and what is wanted of it. */
export class KeyTarget implements LockTarget, LockSpec {
  constructor(
    readonly parts: ClaimParts,
    readonly key: string,
    readonly kind: LockKind,
    readonly permits: number | undefined,
    readonly value?: string,
  ) {}

  get keys(): readonly string[] {
    return [this.key];
  }

  claim(session: Session, contention: AcquireOptions, claimant: Claimant): ContestedClaim {
    return new Entry(this.parts, session, claimOf(this, session, contention), contention.wait === 0, claimant);
  }
}

export const claimOf = (
  { parts, key, kind, permits, value }: KeyTarget,
  { lease }: Session,
  { meta }: AcquireOptions,
): ClaimRequest => ({
  key,
  kind,
  permits,
  value,
  lease,
  id: parts.nextClaimId(),
  since: parts.engine.time.date(),
  meta,
});

/** A claim that is contended with, until {@link Entry.leave}: then it leaves, in the background, whatever was under way. */
export class Entry implements ContestedClaim, Resource<EnqueueResult>, WaiterListener {
  readonly session: Session;
  readonly #parts: ClaimParts;
  readonly #claim: ClaimRequest;
  readonly #claimant: Claimant;
  /** The answer to entering must show the queue: who tries once does not wait for a watch. */
  readonly #isTry: boolean;
  readonly #line: KeyQueue;
  readonly #bracket: AcquireRelease<EnqueueResult>;
  #mine: QueuedClaim | undefined;
  #handsOff = false;
  #handedOff: HandedOff | undefined;

  constructor(parts: ClaimParts, session: Session, claim: ClaimRequest, isTry: boolean, claimant: Claimant) {
    this.#parts = parts;
    this.session = session;
    this.#claim = claim;
    this.#isTry = isTry;
    this.#claimant = claimant;
    this.#line = parts.lines.at(claim.key);
    this.#line.keep();
    this.#bracket = new AcquireRelease(parts.engine, this);
  }

  get what(): string {
    return `enter ${this.#claim.key}`;
  }

  get timeout(): number {
    return this.session.timing.attempt;
  }

  get limiter(): Limiter {
    return this.#parts.engine.limiter;
  }

  get token(): bigint | undefined {
    return this.#mine?.token;
  }

  begin(): void {
    this.#bracket.begin();
  }

  leave(handOff: boolean): void {
    this.#handsOff = handOff;
    this.#bracket.release();
    if (this.#handedOff) this.#line.notifyNext();
  }

  /**
   * Writes another value over it, asked until answered or no longer ours. Emits whether it was: if not, somebody else
   * has deleted it or written over it, and the claimant is told so.
   */
  proclaimed$(proclaim: Proclaim, value: string): Observable<boolean> {
    return defer(() => {
      const mine = this.#mine && this.#line.rewriting(this.#mine, value);
      if (!mine || !this.session.isAlive()) return of(false);
      return request(this.#parts.engine, {
        what: `proclaim at ${this.#claim.key}`,
        timeout: this.timeout,
        send: () => proclaim(this.#claim, mine, value, this.timeout),
        again: ({ retryable }) => retryable && this.session.isAlive(),
      }).pipe(
        switchMap(({ claim, revision }) => {
          if (!this.#line.rewritten(mine, claim, revision)) return of(false);
          // What is there is what an earlier proclamation wrote, whose answer was lost.
          return claim?.value === value ? of(true) : this.proclaimed$(proclaim, value);
        }),
      );
    });
  }

  send(): Observable<EnqueueResult> {
    const { backend } = this.#parts.engine;
    return backend.enqueue(this.#claim, this.timeout, this.#isTry || !this.#line.isLive);
  }

  use(answer: EnqueueResult): void {
    switch (answer.status) {
      case 'refused':
        return this.#claimant.staged(this, { status: 'refused', queue: answer.queue });
      case 'lease-gone':
        // All that is on it is told, this one, too.
        return this.session.gone();
      case 'entered':
        this.#mine = answer.claim;
        return this.#line.join(answer.claim, answer.revision, this.session.lease, answer.queue, this);
    }
  }

  told(turn: Turn): void {
    this.#claimant.staged(this, turn);
  }

  asked(revocation: Revocation): void {
    this.#claimant.asked(this, revocation);
  }

  failed(error: unknown): void {
    this.#claimant.failed(error);
  }

  stop(): void {
    if (this.#mine) this.#line.leaves(this.#mine);
  }

  dispose(answer: EnqueueResult | undefined, isClear: boolean): Observable<unknown> {
    this.#claimant.leaving(this);
    const there = answer?.status === 'entered' ? answer.claim : undefined;
    // An attempt that was not answered may arrive after all, and must find its claim withdrawn.
    const entered = isClear ? there : undefined;
    this.#handedOff = this.#handsOff && entered ? this.#line.handOff(entered) : undefined;
    return this.#isWorthLeaving(answer, isClear) ? this.#left$(entered) : EMPTY;
  }

  disposed(): void {
    this.#handedOff?.over();
    this.#line.release();
    this.#claimant.left(this);
  }

  /**
   * There is nothing to leave for a claim that was not let in, nor on a lease shared with others that has ended or is
   * about to: its revoke takes all its claims along.
   */
  #isWorthLeaving(answer: EnqueueResult | undefined, isClear: boolean): boolean {
    const { engine, isClosed } = this.#parts;
    if (answer?.status === 'lease-gone' || (answer?.status === 'refused' && isClear)) return false;
    return engine.backend.leasePer === 'claim' || (this.session.isAlive() && !isClosed());
  }

  #left$(entered: QueuedClaim | undefined): Observable<DequeueResult> {
    const successor = this.#handedOff?.successor;
    const left$ = withdrawn$(this.#parts, this.session, {
      what: `leave ${this.#claim.key}`,
      send: (timeout) => this.#parts.engine.backend.dequeue(this.#claim, entered, timeout, successor),
    });
    if (!successor) return left$;
    return left$.pipe(
      tap((answer) => {
        if (answer.successor === 'gone') this.#line.gone(successor);
      }),
    );
  }
}

/** How claims are taken out. */
export interface Withdrawal<T> {
  readonly what: string;
  send(timeout: number): Observable<T>;
}

/** Asked until acknowledged, whatever the answer, or until the lease has run out: nothing else would ever free the key. */
export function withdrawn$<T>(parts: ClaimParts, session: Session, { what, send }: Withdrawal<T>): Observable<T> {
  const { time } = parts.engine;
  const { attempt, ttl } = session.timing;
  const giveUpAt = time.now() + 2 * ttl;
  return request(parts.engine, {
    what,
    timeout: attempt,
    send: () => send(attempt),
    // Refused for good, too: a server out of space, a role that is changed, are put right some day.
    again: () => time.now() < giveUpAt || session.isAlive(),
  });
}
