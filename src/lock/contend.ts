/**
 * A contender, from its subscription to its end: the stream behind `lock$`.
 */
import { Observable, Subscription } from 'rxjs';
import type { Subscriber } from 'rxjs';
import { AlreadyLockedError, LockLostError, LocksClosedError } from '../core/errors.js';
import type { LockState } from '../core/lock.js';
import type { Contention } from '../core/options.js';
import { holdersOf } from '../core/ownership.js';
import type { Holder } from '../core/ownership.js';
import type { Queue } from '../core/port.js';
import type { Revocation } from '../core/revocation.js';
import { settlesWith } from '../core/settled.js';
import { backoff } from '../core/timing.js';
import { isRetryable } from '../session/attempts.js';
import { PlaceLost } from '../session/session.js';
import type { Session } from '../session/session.js';
import type { SessionUser, Sessions } from '../session/sessions.js';
import type { ClaimParts, Claimable, Claimant, Contested, Stage } from './claim.js';
import { endings } from './endings.js';
import { Hold } from './hold.js';
import type { Holding } from './hold.js';
import type { Turn } from './line.js';
import type { Rank, Ranks } from './ranks.js';

/** What all contenders of one `Locks` share. */
export interface Arena extends ClaimParts {
  readonly sessions: Sessions;
  readonly ranks: Ranks;
  /** Who contends or holds, to be ended by a close. */
  readonly contenders: Contenders;
}

/** Who can be ended from outside. */
export interface Contender {
  close(): void;
}

export interface Contenders {
  add(contender: Contender): void;
  delete(contender: Contender): void;
}

export function contend(arena: Arena, lock: Claimable, contention: Contention): Observable<LockState> {
  return new Observable((subscriber) => {
    const contender = new Contending(arena, lock, contention, subscriber);
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
class Contending implements Contender, SessionUser, Claimant, Holding {
  readonly #arena: Arena;
  readonly #key: string;
  readonly #lock: Claimable;
  readonly #contention: Contention;
  readonly #subscriber: Subscriber<LockState>;
  readonly #started: number;
  #ending: Subscription | undefined;
  /** Where the queue has one place: in which order those of this `Locks` try to get it. Who tries once just tries. */
  #rank: Rank | undefined;
  /** The claim of this round, in the session of this round. */
  #entry: Contested | undefined;
  /** Until the next round: a pause, or a watch of a queue that does not let in. */
  #between: Subscription | undefined;
  #hold: Hold | undefined;
  /** What was asked for, of this round's claim. */
  #revocation: Revocation | undefined;
  /** Who was seen to be in the way; nothing before the server has answered. */
  #inTheWay: readonly Holder[] | undefined;
  #isReleasing = false;

  constructor(arena: Arena, lock: Claimable, contention: Contention, subscriber: Subscriber<LockState>) {
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
    if (this.#arena.engine.backend.leasePer === 'claim' && wait > 0) this.#rank = this.#arena.ranks.join(this.#key);
    if (this.#isFirst()) this.#contend();
    else this.#standBy(-1n);
  }

  /** Its subscriber is gone: the claim leaves, in the background. */
  unsubscribe(): void {
    this.#arena.contenders.delete(this);
    this.#ending?.unsubscribe();
    this.#endRound();
    // Who has held makes room when its claim has left.
    if (!this.#hold) this.#rank?.leave();
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

  staged(entry: Contested, stage: Stage): void {
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
          entry.session.isAlive() ? new PlaceLost(stage.reason, undefined, stage.by) : new PlaceLost('expired'),
        );
    }
  }

  asked(entry: Contested, revocation: Revocation): void {
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
    return this.#rank?.isFirst() ?? true;
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
    outside.add(this.#rank?.first$.subscribe(() => isFree && enter()));
    outside.add(
      this.#arena.lines.view$(this.#key).subscribe((view) => {
        if (view.status !== 'known' || view.queue.revision < after) return;
        isFree = view.queue.claims.length === 0;
        if (isFree && this.#isFirst()) enter();
        else this.#waiting(holdersOf(view.queue));
      }),
    );
  }

  #held(entry: Contested, { settled$ }: Extract<Turn, { status: 'first' }>): void {
    const { token, session } = entry;
    if (token === undefined) return;
    if (!session.isAlive()) return this.failed(new PlaceLost('expired'));
    const key = this.#key;
    // The holder before us in this same `Locks` was told of the close a moment before we are.
    if (this.#arena.isClosed()) return this.close();
    const { engine } = this.#arena;
    const hold = new Hold(engine, key, session, token, this);
    this.#hold = hold;
    if (settled$) settlesWith(hold.held, settled$);
    engine.report({ type: 'acquired', key, fencingToken: token, waited: hold.since - this.#started });
    this.#subscriber.next({ status: 'held', key, held: hold.held });
    this.#tellAsked();
  }

  /** Asked for by the user. The acknowledgement is waited for until the lease has run out. */
  release(handOn: boolean): void {
    this.#endHold();
    this.#isReleasing = true;
    this.#entry?.leave(handOn);
  }

  leaving(entry: Contested): void {
    // An entry of an earlier round may still be leaving; what it says is not about this round's hold.
    if (this.#entry === entry) this.#endHold();
  }

  left(entry: Contested): void {
    if (this.#entry === entry) this.#left();
  }

  /** The claim is out of the queue, or not worth waiting for any more. */
  #left(): void {
    if (this.#hold) this.#rank?.leave();
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
    const error = cause ?? (hold.isHeld() ? undefined : this.#lostBy(hold, new PlaceLost('expired')));
    hold.end(error);
    const held = time.now() - hold.since;
    if (error instanceof LockLostError) report({ type: 'lost', key, reason: error.reason, held });
    else report({ type: 'released', key, held });
  }

  /** What a failure means: the loss of what was held, another round for who was queued, or the end. */
  failed(error: unknown): void {
    const hold = this.#hold;
    if (error instanceof PlaceLost && hold) {
      if (hold.isOver) this.#left();
      else this.#fail(this.#lostBy(hold, error));
    } else if (
      error instanceof PlaceLost &&
      this.#arena.engine.backend.leasePer === 'claim' &&
      !this.#inTheWay &&
      error.cause
    ) {
      // Its own lease ran out unanswered before anybody ever answered: a new one, which costs nothing, would not help.
      this.#fail(error.cause);
    } else if (error instanceof PlaceLost || (this.#inTheWay && isRetryable(error))) {
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

  #lostBy({ held: { key, fencingToken } }: Hold, { reason, cause, by }: PlaceLost): LockLostError {
    return new LockLostError({ key, reason, fencingToken, cause, by });
  }
}
