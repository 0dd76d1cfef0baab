/**
 * A contender, from its subscription to its end: the stream behind `lock$`.
 */
import { Observable, Subscription } from 'rxjs';
import type { Subscriber } from 'rxjs';
import { AlreadyLockedError, LockLostError, LocksClosedError } from '../api/errors.js';
import type { LockState } from '../api/lock.js';
import type { AcquireOptions } from '../api/options.js';
import type { Holder } from '../api/ownership.js';
import type { Queue } from '../backend/port.js';
import type { Revocation } from '../api/revocation.js';
import { settlesWith } from '../backend/settled.js';
import { isRetryable } from './io/request.js';
import { ClaimLost } from './session.js';
import type { Session } from './session.js';
import type { SessionUser, Sessions } from './sessions.js';
import type { ClaimParts, LockTarget, Claimant, ContestedClaim, Stage } from './claim.js';
import { endings } from './endings.js';
import { Hold } from './hold.js';
import type { Holding } from './hold.js';
import type { Turn } from './queue/key-queue.js';
import type { LocalTurn, LocalQueue } from './slot/local-queue.js';
import { holdersOf } from '../rules/ownership.js';
import { backoff } from '../time/backoff.js';

/** What all contenders of one `Locks` share. */
export interface Arena extends ClaimParts {
  readonly sessions: Sessions;
  readonly ranks: LocalQueue;
  /** Who contends or holds, to be ended by a close. */
  readonly contenders: Contenders;
}

/** Who can be ended from outside. */
export interface Closable {
  close(): void;
}

export interface Contenders {
  add(contender: Closable): void;
  delete(contender: Closable): void;
}

export function contend(arena: Arena, lock: LockTarget, contention: AcquireOptions): Observable<LockState> {
  return new Observable((subscriber) => {
    const contender = new Contender(arena, lock, contention, subscriber);
    contender.begin();
    return contender;
  });
}

/**
 * One object and not a pipeline: ten thousand locks may be held, and forty thousand taken a second.
 *
 * ```text
 * begin -> session -> claim -> waiting -> held -> released
 *   ^                  |          |         |
 *   +--- a pause <-----+----------+         +-> lost
 * ```
 */
class Contender implements Closable, SessionUser, Claimant, Holding {
  readonly #arena: Arena;
  readonly #key: string;
  readonly #lock: LockTarget;
  readonly #contention: AcquireOptions;
  readonly #subscriber: Subscriber<LockState>;
  readonly #started: number;
  #ending: Subscription | undefined;
  /** Where the queue has one place: in which order those of this `Locks` try to get it. Who tries once just tries. */
  #turn: LocalTurn | undefined;
  /** The claim of this round, in the session of this round. */
  #entry: ContestedClaim | undefined;
  /** Until the next round: a pause, or a watch of a queue that does not let in. */
  #between: Subscription | undefined;
  #hold: Hold | undefined;
  /** What was asked for, of this round's claim. */
  #revocation: Revocation | undefined;
  /** Who was seen to be in the way; nothing before the server has answered. */
  #inTheWay: readonly Holder[] | undefined;
  #isReleasing = false;

  constructor(arena: Arena, lock: LockTarget, contention: AcquireOptions, subscriber: Subscriber<LockState>) {
    this.#arena = arena;
    this.#key = lock.key;
    this.#lock = lock;
    this.#contention = contention;
    this.#subscriber = subscriber;
    this.#started = arena.engine.time.now();
  }

  get keys(): readonly string[] {
    return this.#lock.keys;
  }

  begin(): void {
    if (this.#arena.isClosed()) return this.#fail(new LocksClosedError({ key: this.#key }));
    this.#arena.contenders.add(this);
    const { wait, signal } = this.#contention;
    if (signal || (wait > 0 && wait < Infinity)) {
      const { time, backend } = this.#arena.engine;
      this.#ending = endings({
        time,
        key: this.#key,
        contention: this.#contention,
        serverName: backend.name,
        isHeld: () => this.#hold !== undefined,
        inTheWay: () => this.#inTheWay,
      }).subscribe({ error: (error: unknown) => this.#fail(error) });
    }
    if (this.#subscriber.closed) return;
    if (this.#arena.engine.backend.leasePer === 'claim' && wait > 0) this.#turn = this.#arena.ranks.join(this.#key);
    if (this.#isFirst()) this.#contend();
    else this.#standBy(-1n);
  }

  /** Its subscriber is gone: the claim leaves, in the background. */
  unsubscribe(): void {
    this.#arena.contenders.delete(this);
    this.#ending?.unsubscribe();
    this.#endRound();
    // Who has held makes room when its claim has left.
    if (!this.#hold) this.#turn?.leave();
  }

  close(): void {
    this.#fail(new LocksClosedError({ key: this.#key }));
  }

  #contend(): void {
    this.#between = undefined;
    this.#arena.sessions.join(this, this.#key);
  }

  /** The claim leaves before its session does. */
  #endRound(): void {
    this.#revocation = undefined;
    this.#between?.unsubscribe();
    this.#entry?.leave(false);
    this.#arena.sessions.leave(this);
  }

  opened(session: Session): void {
    this.#entry = this.#lock.claim(session, this.#contention, this);
    this.#entry.begin();
  }

  ended(error: unknown): void {
    this.failed(error);
  }

  staged(entry: ContestedClaim, stage: Stage): void {
    switch (stage.status) {
      case 'refused':
        return this.#refused(stage.queue);
      case 'blocked':
        return this.#waiting(stage.holders, stage.ahead);
      case 'first':
        return this.#held(entry, stage);
      case 'gone':
        // Past the deadline it went with its lease, and the timer that would have said so is late.
        return this.failed(
          entry.session.isAlive() ? new ClaimLost(stage.reason, undefined, stage.by) : new ClaimLost('expired'),
        );
    }
  }

  asked(entry: ContestedClaim, revocation: Revocation): void {
    if (this.#entry !== entry) return;
    // Several keys may be asked for while others are still waited for.
    this.#revocation = revocation;
    this.#tellAsked();
  }

  #tellAsked(): void {
    const hold = this.#hold;
    const revocation = this.#revocation;
    if (!hold || hold.isOver || !revocation) return;
    this.#arena.engine.report({ type: 'revocation', key: this.#key, revocation });
    hold.asked(revocation);
  }

  #waiting(holders: readonly Holder[], ahead?: number): void {
    const key = this.#key;
    if (this.#contention.wait === 0) return this.#fail(new AlreadyLockedError({ key, holders }));
    const known = ahead === undefined ? {} : { ahead };
    if (!this.#inTheWay) this.#arena.engine.report({ type: 'queued', key, ...known });
    this.#inTheWay = holders;
    this.#subscriber.next({ status: 'waiting', key, holders, ...known });
  }

  #isFirst(): boolean {
    return this.#turn?.isFirst() ?? true;
  }

  /** By a queue with one place. */
  #refused(queue: Queue): void {
    this.#endRound();
    // Free again by the time somebody looked who has it.
    if (queue.claims.length === 0) return this.#again();
    this.#waiting(holdersOf(queue));
    if (this.#subscriber.closed) return;
    this.#standBy(queue.revision);
  }

  /** Watches until the place is free and nobody of this `Locks` came before, then another round begins. */
  #standBy(after: bigint): void {
    const outside = new Subscription();
    this.#between = outside;
    const enter = (): void => {
      outside.unsubscribe();
      this.#again();
    };
    // As long as nobody knows, who gets to be the first finds out by trying.
    let isFree = true;
    outside.add(this.#turn?.first$.subscribe(() => isFree && enter()));
    outside.add(
      this.#arena.lines.view$(this.#key).subscribe((view) => {
        if (view.status !== 'known' || view.queue.revision < after) return;
        isFree = view.queue.claims.length === 0;
        if (isFree && this.#isFirst()) enter();
        else this.#waiting(holdersOf(view.queue));
      }),
    );
  }

  #held(entry: ContestedClaim, { settled$ }: Extract<Turn, { status: 'first' }>): void {
    const { token, session } = entry;
    if (token === undefined) return;
    if (!session.isAlive()) return this.failed(new ClaimLost('expired'));
    const key = this.#key;
    // The holder before us in this same `Locks` was told of the close a moment before we are.
    if (this.#arena.isClosed()) return this.close();
    const { engine } = this.#arena;
    const hold = new Hold(engine, key, session, token, this);
    this.#hold = hold;
    if (settled$) settlesWith(hold.held, settled$);
    engine.report({ type: 'acquired', key, fencingToken: token, waitedFor: hold.since - this.#started });
    this.#subscriber.next({ status: 'held', key, held: hold.held });
    this.#tellAsked();
  }

  /** Asked for by the user. The acknowledgement is waited for until the lease has run out. */
  release(handOff: boolean): void {
    this.#endHold();
    this.#isReleasing = true;
    this.#entry?.leave(handOff);
  }

  leaving(entry: ContestedClaim): void {
    // An entry of an earlier round may still be leaving; what it says is not about this round's hold.
    if (this.#entry === entry) this.#endHold();
  }

  left(entry: ContestedClaim): void {
    if (this.#entry === entry) this.#left();
  }

  /** The claim is out of the queue, or not worth waiting for any more. */
  #left(): void {
    if (this.#hold) this.#turn?.leave();
    this.#hold?.left();
    if (this.#isReleasing) this.#subscriber.complete();
  }

  /** What is done under the lock stops here, before the claim leaves and before anybody downstream is told. */
  #endHold(cause?: Error): void {
    const hold = this.#hold;
    if (!hold || hold.isOver) return;
    const key = this.#key;
    const { time, report } = this.#arena.engine;
    // Given back after its deadline, before the timer that would have told so: that was a loss.
    const error = cause ?? (hold.isHeld() ? undefined : this.#lostBy(hold, new ClaimLost('expired')));
    hold.end(error);
    const heldFor = time.now() - hold.since;
    if (error instanceof LockLostError) report({ type: 'lost', key, reason: error.reason, heldFor });
    else report({ type: 'released', key, heldFor });
  }

  /** What a failure means: the loss of what was held, another round for who was queued, or the end. */
  failed(error: unknown): void {
    const hold = this.#hold;
    if (error instanceof ClaimLost && hold) {
      if (hold.isOver) this.#left();
      else this.#fail(this.#lostBy(hold, error));
    } else if (
      error instanceof ClaimLost &&
      this.#arena.engine.backend.leasePer === 'claim' &&
      !this.#inTheWay &&
      error.cause
    ) {
      // Its own lease ran out unanswered before anybody ever answered: a new one, which costs nothing, would not help.
      this.#fail(error.cause);
    } else if (error instanceof ClaimLost || (this.#inTheWay && isRetryable(error))) {
      this.#arena.engine.report({ type: 'requeued', key: this.#key, cause: error });
      this.#again();
    } else {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#endHold(error instanceof Error ? error : new Error(String(error)));
    this.#subscriber.error(error);
  }

  /** Another round, at the tail of the queue. */
  #again(): void {
    this.#endRound();
    if (this.#subscriber.closed) return;
    const { time, settings } = this.#arena.engine;
    this.#between = time.after(backoff(1, settings.ttl, settings.random)).subscribe(() => this.#contend());
  }

  #lostBy({ held: { key, fencingToken } }: Hold, { reason, cause, by }: ClaimLost): LockLostError {
    return new LockLostError({ key, reason, fencingToken, cause, by });
  }
}
