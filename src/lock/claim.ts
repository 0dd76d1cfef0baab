/**
 * One claim, from entering the queue to leaving it.
 */
import { EMPTY, defer, of, switchMap, tap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Contention } from '../core/options.js';
import type { Claim, Entered, Left, LockBackend, LockKind, Queue, QueuedClaim, Wanted } from '../core/port.js';
import type { Revocation } from '../core/revocation.js';
import { asked } from '../session/attempts.js';
import { Bracket } from '../session/bracket.js';
import type { Resource } from '../session/bracket.js';
import type { Engine } from '../session/engine.js';
import type { Gate } from '../session/gate.js';
import type { Session } from '../session/session.js';
import type { HandedOn, Line, Told, Turn } from './line.js';
import type { Lines } from './lines.js';

/** Where the claim stands: not let in, since the queue has one place; or its turn. */
export type Stage = Turn | { readonly status: 'refused'; readonly queue: Queue };

export type Proclaim = NonNullable<LockBackend['proclaim']>;

/** What one contends with in one round: a claim, or several at once. */
export interface Contested {
  readonly session: Session;
  /** The token, once it is in. */
  readonly token: bigint | undefined;
  begin(): void;
  /** With `handOn`, who is right behind it here holds at once. */
  leave(handOn: boolean): void;
}

/** Who contends, and hears what becomes of it. */
export interface Claimant {
  /** Where it stands now. */
  staged(entry: Contested, stage: Stage): void;
  /** Somebody wants it, who holds it or would if the other keys were free. */
  asked(entry: Contested, revocation: Revocation): void;
  /** It could not enter, or nobody knows any more where it stands. */
  failed(error: unknown): void;
  /** It begins to leave: from now on it is not held. */
  leaving(entry: Contested): void;
  /** It has left, or nothing more can be done about it. */
  left(entry: Contested): void;
}

/** What is contended for. */
export interface Claimable {
  /** As users are told of it. */
  readonly key: string;
  readonly keys: readonly string[];
  /** What to contend with in this session. */
  claim(session: Session, contention: Contention, claimant: Claimant): Contested;
}

/** What a claim needs of those around it. */
export interface ClaimParts {
  readonly engine: Engine;
  readonly lines: Lines;
  /** Whether the `Locks` is being closed: then the end of its lease takes all claims along. */
  isClosed(): boolean;
  /** A claim id that no other claim of this `Locks` has. */
  nextClaimId(): string;
}

/** A key, and what is wanted of it. */
export class OneKey implements Claimable, Wanted {
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

  claim(session: Session, contention: Contention, claimant: Claimant): Contested {
    return new Entry(this.parts, session, claimOf(this, session, contention), contention.wait === 0, claimant);
  }
}

export const claimOf = (
  { parts, key, kind, permits, value }: OneKey,
  { lease }: Session,
  { meta }: Contention,
): Claim => ({
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
export class Entry implements Contested, Resource<Entered>, Told {
  readonly session: Session;
  readonly #parts: ClaimParts;
  readonly #claim: Claim;
  readonly #claimant: Claimant;
  /** The answer to entering must show the queue: who tries once does not wait for a watch. */
  readonly #isTry: boolean;
  readonly #line: Line;
  readonly #bracket: Bracket<Entered>;
  #mine: QueuedClaim | undefined;
  #handsOn = false;
  #handedOn: HandedOn | undefined;

  constructor(parts: ClaimParts, session: Session, claim: Claim, isTry: boolean, claimant: Claimant) {
    this.#parts = parts;
    this.session = session;
    this.#claim = claim;
    this.#isTry = isTry;
    this.#claimant = claimant;
    this.#line = parts.lines.at(claim.key);
    this.#line.keep();
    this.#bracket = new Bracket(parts.engine, this);
  }

  get what(): string {
    return `enter ${this.#claim.key}`;
  }

  get within(): number {
    return this.session.timing.attempt;
  }

  get gate(): Gate {
    return this.#parts.engine.gate;
  }

  get token(): bigint | undefined {
    return this.#mine?.token;
  }

  begin(): void {
    this.#bracket.begin();
  }

  leave(handOn: boolean): void {
    this.#handsOn = handOn;
    this.#bracket.letGo();
    if (this.#handedOn) this.#line.settle();
  }

  /**
   * Writes another value over it, asked until answered or no longer ours. Emits whether it was: if not, somebody else
   * has deleted it or written over it, and the claimant is told so.
   */
  proclaimed$(proclaim: Proclaim, value: string): Observable<boolean> {
    return defer(() => {
      const mine = this.#mine && this.#line.rewriting(this.#mine, value);
      if (!mine || !this.session.isAlive()) return of(false);
      return asked(this.#parts.engine, {
        what: `proclaim at ${this.#claim.key}`,
        within: this.within,
        send: () => proclaim(this.#claim, mine, value, this.within),
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

  send(): Observable<Entered> {
    const { backend } = this.#parts.engine;
    return backend.enter(this.#claim, this.within, this.#isTry || !this.#line.isLive);
  }

  use(answer: Entered): void {
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

  giveBack(answer: Entered | undefined, isClear: boolean): Observable<unknown> {
    this.#claimant.leaving(this);
    const there = answer?.status === 'entered' ? answer.claim : undefined;
    // An attempt that was not answered may arrive after all, and must find its claim withdrawn.
    const entered = isClear ? there : undefined;
    this.#handedOn = this.#handsOn && entered ? this.#line.handOn(entered) : undefined;
    return this.#isWorthLeaving(answer, isClear) ? this.#left$(entered) : EMPTY;
  }

  over(): void {
    this.#handedOn?.over();
    this.#line.letGo();
    this.#claimant.left(this);
  }

  /**
   * There is nothing to leave for a claim that was not let in, nor on a lease shared with others that has ended or is
   * about to: its revoke takes all its claims along.
   */
  #isWorthLeaving(answer: Entered | undefined, isClear: boolean): boolean {
    const { engine, isClosed } = this.#parts;
    if (answer?.status === 'lease-gone' || (answer?.status === 'refused' && isClear)) return false;
    return engine.backend.leasePer === 'claim' || (this.session.isAlive() && !isClosed());
  }

  #left$(entered: QueuedClaim | undefined): Observable<Left> {
    const heir = this.#handedOn?.heir;
    const left$ = withdrawn$(this.#parts, this.session, {
      what: `leave ${this.#claim.key}`,
      send: (within) => this.#parts.engine.backend.leave(this.#claim, entered, within, heir),
    });
    if (!heir) return left$;
    return left$.pipe(
      tap((answer) => {
        if (answer.heir === 'gone') this.#line.gone(heir);
      }),
    );
  }
}

/** How claims are taken out. */
export interface Withdrawal<T> {
  readonly what: string;
  send(within: number): Observable<T>;
}

/** Asked until acknowledged, whatever the answer, or until the lease has run out: nothing else would ever free the key. */
export function withdrawn$<T>(parts: ClaimParts, session: Session, { what, send }: Withdrawal<T>): Observable<T> {
  const { time } = parts.engine;
  const { attempt, ttl } = session.timing;
  const giveUpAt = time.now() + 2 * ttl;
  return asked(parts.engine, {
    what,
    within: attempt,
    send: () => send(attempt),
    // Refused for good, too: a server out of space, a role that is changed, are put right some day.
    again: () => time.now() < giveUpAt || session.isAlive(),
  });
}
