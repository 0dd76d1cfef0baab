/**
 * A contender, from its subscription to its end: the stream behind `lock$`.
 */
import { platform } from '#platform';
import { Observable } from 'rxjs';
import type { Subscriber, Subscription } from 'rxjs';
import { AlreadyLockedError, LockLostError, LocksClosedError } from '../api/errors.js';
import type { LockState } from '../api/lock.js';
import type { AcquireOptions } from '../api/options.js';
import type { Holder } from '../api/ownership.js';
import type { Revocation } from '../api/revocation.js';
import { settlesWith } from '../backend/settled.js';
import { at } from '../time/clock.js';
import { backoff } from '../time/backoff.js';
import type { ContendingClaim } from './claim.js';
import type { ClaimState, OnClaimState } from './claim-state.js';
import { traced } from './channels.js';
import type { ContentionTrace } from './channels.js';
import type { Closable, Exchangeable } from './contenders.js';
import { Aborted, unwrapped } from './aborts.js';
import { endings } from './endings.js';
import { Hold } from './hold.js';
import type { Holding } from './hold.js';
import { isRetryable } from './io/request.js';
import type { LocksRuntime } from './locks-runtime.js';
import { ClaimLost } from './session.js';
import type { LockTarget } from './target.js';

export function contend(runtime: LocksRuntime, target: LockTarget, options: AcquireOptions): Observable<LockState> {
  return new Observable((subscriber) => {
    const contender = new Contender(runtime, target, options, subscriber);
    contender.begin();
    return contender;
  });
}

/**
 * What a contender is doing, and what it has for that.
 *
 * | phase      | begins with                   | leads to                                                    |
 * | ---------- | ----------------------------- | ----------------------------------------------------------- |
 * | idle       | the subscription              | contending, over                                            |
 * | contending | a claim is on its way         | waiting, held, refused, paused, over                        |
 * | waiting    | others are in the way         | held, refused, paused, over                                 |
 * | paused     | the claim was lost            | contending, over                                            |
 * | refused    | it will not hold              | over, once its claim has left: nobody runs into it then     |
 * | held       | the claim is first            | releasing, over                                             |
 * | releasing  | `held.release()`              | over, once its claim has left                               |
 * | over       | the end of the subscription   |                                                             |
 */
type Phase =
  | { readonly name: 'idle' | 'over' }
  | { readonly name: 'contending' | 'waiting'; readonly claim: ContendingClaim }
  | { readonly name: 'paused'; readonly pause: Subscription }
  | {
      readonly name: 'refused';
      readonly claim: ContendingClaim;
      readonly error: unknown;
      readonly patience: Subscription;
    }
  | { readonly name: 'held'; readonly claim: ContendingClaim; readonly hold: Hold }
  | {
      readonly name: 'releasing';
      readonly claim: ContendingClaim;
      readonly hold: Hold;
      readonly patience: Subscription;
    };

const IDLE: Phase = { name: 'idle' };
const OVER: Phase = { name: 'over' };

/** One object and not a pipeline: ten thousand locks may be held, and forty thousand taken a second. */
class Contender implements Closable, Exchangeable, Holding {
  readonly #runtime: LocksRuntime;
  readonly #target: LockTarget;
  readonly #options: AcquireOptions;
  readonly #subscriber: Subscriber<LockState>;
  readonly #started: number;
  /** What its user runs in: answers are delivered by anybody. */
  readonly #context = platform.captureContext();
  /** What it asks for: contenders of one shape may exchange their claims. Nothing for a try. */
  readonly #shape: string | undefined;
  /** Where somebody listens. */
  #trace: ContentionTrace | undefined;
  #endings: Subscription | undefined;
  #phase: Phase = IDLE;
  /** Who was seen to be in the way; nothing before the server has answered. */
  #inTheWay: readonly Holder[] | undefined;

  constructor(runtime: LocksRuntime, target: LockTarget, options: AcquireOptions, subscriber: Subscriber<LockState>) {
    this.#runtime = runtime;
    this.#target = target;
    this.#options = options;
    this.#subscriber = subscriber;
    this.#started = runtime.time.now();
    this.#shape = options.wait === 0 ? undefined : target.shape(options.meta);
  }

  get keys(): readonly string[] {
    return this.#target.keys;
  }

  get claim(): ContendingClaim | undefined {
    return 'claim' in this.#phase ? this.#phase.claim : undefined;
  }

  get waitsWith(): ContendingClaim | undefined {
    const phase = this.#phase;
    return phase.name === 'contending' || phase.name === 'waiting' ? phase.claim : undefined;
  }

  begin(): void {
    this.#trace = traced(this.#runtime, this.#target, this.#options.wait);
    if (this.#trace) this.#trace.begin(() => this.#begin());
    else this.#begin();
  }

  #begin(): void {
    const { contenders, time, backend } = this.#runtime;
    const { key } = this.#target;
    if (this.#runtime.isClosed()) return this.#fail(new LocksClosedError({ key }));
    contenders.add(this);
    const { wait, signal } = this.#options;
    if (signal || (wait > 0 && wait < Infinity)) {
      this.#endings = endings({
        time,
        key,
        contention: this.#options,
        serverName: backend.name,
        isHeld: () => this.#phase.name === 'held' || this.#phase.name === 'releasing',
        outage: () => this.#runtime.connection.cause,
        inTheWay: () => this.#inTheWay,
      }).subscribe({
        // Who aborts is not kept waiting.
        error: (error: unknown) => (error instanceof Aborted ? this.#fail(error) : this.#refuse(error)),
      });
    }
    if (this.#subscriber.closed) return;
    if (this.#shape !== undefined) contenders.order.join(this.#shape, this);
    this.#contend();
  }

  /** Its subscriber is gone: the claim leaves, in the background. */
  unsubscribe(): void {
    this.#runtime.contenders.delete(this);
    this.#waitsNoMore();
    this.#endings?.unsubscribe();
    this.#endHold();
    this.#trace?.over();
    this.#leave();
    this.#phase = OVER;
  }

  close(): void {
    this.#fail(new LocksClosedError({ key: this.#target.key }));
  }

  exchanged(claim: ContendingClaim): void {
    const phase = this.#phase;
    if (phase.name !== 'contending' && phase.name !== 'waiting') return;
    this.#phase = { name: phase.name, claim };
    claim.listener = this.#listenTo(claim);
  }

  /** Asked for by the user. The acknowledgement is waited for until the lease has run out. */
  release(handOff: boolean): void {
    const phase = this.#phase;
    if (phase.name !== 'held') return;
    this.#endHold();
    const { time } = this.#runtime;
    const patience = at(time, phase.hold.held.validUntil).subscribe(() => this.#left());
    this.#phase = { ...phase, name: 'releasing', patience };
    phase.claim.leave(handOff);
  }

  #contend(): void {
    const claim = this.#target.claim(this.#options, this.#shape, () => undefined);
    claim.listener = this.#listenTo(claim);
    this.#phase = { name: 'contending', claim };
    claim.begin();
  }

  #listenTo(claim: ContendingClaim): OnClaimState {
    return (state) => this.#onClaim(claim, state);
  }

  #onClaim(claim: ContendingClaim, state: ClaimState): void {
    const phase = this.#phase;
    // A claim of an earlier round may still be leaving: what becomes of it is not about this round.
    if (!('claim' in phase) || phase.claim !== claim) return;
    switch (state.status) {
      case 'blocked':
        return this.#wait(claim, state);
      case 'refused':
        return this.#refuse(new AlreadyLockedError({ key: this.#target.key, holders: state.holders }));
      case 'first':
        return this.#takesTurnOf(claim).#hold(claim, state);
      case 'wanted':
        return this.#askBack(state.revocation);
      case 'lost':
        return this.#lost(state.loss);
      case 'failed':
        return this.#failed(state.error);
      case 'left':
        return this.#left();
    }
  }

  /** Who was there before, of those who ask for the same, holds first: it gets this claim, and this one the other's. */
  #takesTurnOf(claim: ContendingClaim): Contender {
    if (this.#shape === undefined) return this;
    for (const oldest of this.#runtime.contenders.order.waiting(this.#shape)) {
      if (oldest === this) return this;
      const theirs = oldest.waitsWith;
      if (!theirs || !(oldest instanceof Contender)) continue;
      oldest.exchanged(claim);
      this.exchanged(theirs);
      if (theirs.state?.status === 'blocked') this.#wait(theirs, theirs.state);
      return oldest;
    }
    return this;
  }

  #wait(claim: ContendingClaim, { holders, ahead }: Extract<ClaimState, { status: 'blocked' }>): void {
    const { key } = this.#target;
    if (this.waitsWith !== claim) return;
    if (this.#options.wait === 0) return this.#refuse(new AlreadyLockedError({ key, holders }));
    const known = ahead === undefined ? {} : { ahead };
    this.#phase = { name: 'waiting', claim };
    if (!this.#inTheWay) this.#runtime.report({ type: 'queued', key, ...known });
    this.#inTheWay = holders;
    this.#context(() => this.#subscriber.next({ status: 'waiting', key, holders, ...known }));
  }

  #hold(claim: ContendingClaim, { settled$ }: Extract<ClaimState, { status: 'first' }>): void {
    const { token, session } = claim;
    if (this.waitsWith !== claim || token === undefined || !session) return;
    if (!session.isAlive()) return this.#lost(new ClaimLost('expired'));
    const { key } = this.#target;
    // The holder before us in this same `Locks` was told of the close a moment before we are.
    if (this.#runtime.isClosed()) return this.close();
    this.#waitsNoMore();
    const hold = new Hold(this.#runtime, key, session, token, this);
    this.#phase = { name: 'held', claim, hold };
    if (settled$) settlesWith(hold.held, settled$);
    this.#runtime.report({ type: 'acquired', key, fencingToken: token, waitedFor: hold.since - this.#started });
    const tell = (): void => this.#subscriber.next({ status: 'held', key, held: hold.held });
    const trace = this.#trace;
    this.#context(trace ? () => trace.held(token, tell) : tell);
    if (claim.revocation) this.#askBack(claim.revocation);
  }

  /** Somebody asks for what is held. Several keys may be asked for while others are still waited for. */
  #askBack(revocation: Revocation): void {
    const phase = this.#phase;
    if (phase.name !== 'held' || phase.hold.isOver) return;
    this.#runtime.report({ type: 'revocation', key: this.#target.key, revocation });
    phase.hold.asked(revocation);
  }

  /** It will not hold. Its user is told once its claim has left, or after the time of one attempt: others must not run into it. */
  #refuse(error: unknown): void {
    const claim = this.waitsWith;
    if (!claim) return this.#fail(error);
    const { time, timing } = this.#runtime;
    this.#waitsNoMore();
    const patience = time.after(timing.attempt).subscribe(() => this.#fail(error));
    this.#phase = { name: 'refused', claim, error, patience };
    claim.leave(false);
  }

  /** The loss of what was held, or another round for who was queued. */
  #lost(loss: ClaimLost): void {
    const phase = this.#phase;
    switch (phase.name) {
      case 'held':
        return this.#fail(this.#lostBy(phase.hold, loss));
      case 'releasing':
      case 'refused':
        return this.#left();
      case 'contending':
      case 'waiting':
        return this.#again(loss);
      case 'idle':
      case 'paused':
      case 'over':
        return;
    }
  }

  #failed(error: unknown): void {
    if (this.#phase.name === 'refused') return;
    // A wait is waited, also for a server that starts; without an end it is told after a few attempts.
    const { wait } = this.#options;
    const isPatient = this.#inTheWay !== undefined || (wait > 0 && wait < Infinity);
    if (isPatient && isRetryable(error)) this.#again(error);
    else this.#fail(error);
  }

  /** The claim is out of the queue, or not worth waiting for any more. */
  #left(): void {
    const phase = this.#phase;
    if (phase.name === 'refused') return this.#fail(phase.error);
    if (phase.name !== 'releasing') return;
    phase.hold.left();
    this.#context(() => this.#subscriber.complete());
  }

  #fail(error: unknown): void {
    this.#endHold(error instanceof Error ? error : new Error('the lock ended', { cause: error }));
    this.#trace?.failed(error);
    this.#context(() => this.#subscriber.error(unwrapped(error)));
  }

  /** Another round, at the tail of the queue. */
  #again(cause: Error): void {
    const { key } = this.#target;
    const { time, settings, report } = this.#runtime;
    const session = this.waitsWith?.session;
    if (this.#inTheWay || cause instanceof ClaimLost) report({ type: 'requeued', key, cause });
    this.#leave();
    if (this.#subscriber.closed) return;
    // The next session is begun after a pause, and all who wait for it are served in the order of their coming.
    if (this.#shape !== undefined && !session?.isAlive()) return this.#contend();
    const pause = time.after(backoff(1, settings.ttl, settings.random)).subscribe(() => this.#contend());
    this.#phase = { name: 'paused', pause };
  }

  /** The claim of this round leaves. */
  #leave(): void {
    const phase = this.#phase;
    this.#phase = IDLE;
    if (phase.name === 'paused') phase.pause.unsubscribe();
    if (phase.name === 'refused' || phase.name === 'releasing') phase.patience.unsubscribe();
    if (!('claim' in phase)) return;
    // Who waits for the acknowledgement of a release goes on waiting, though its stream is not subscribed to any more.
    if ('hold' in phase)
      phase.claim.listener = ({ status }) => {
        if (status === 'left' || status === 'lost') phase.hold.left();
      };
    phase.claim.leave(false);
  }

  #waitsNoMore(): void {
    if (this.#shape !== undefined) this.#runtime.contenders.order.leave(this.#shape, this);
  }

  /** What is done under the lock stops here, before the claim leaves and before anybody downstream is told. */
  #endHold(cause?: Error): void {
    const phase = this.#phase;
    if (phase.name !== 'held' || phase.hold.isOver) return;
    const { hold } = phase;
    const { key } = this.#target;
    const { time, report } = this.#runtime;
    // Given back after its deadline, before the timer that would have told so: that was a loss.
    const error = cause ?? (hold.isHeld() ? undefined : this.#lostBy(hold, new ClaimLost('expired')));
    hold.end(error);
    this.#trace?.endHold(error);
    const heldFor = time.now() - hold.since;
    if (error instanceof LockLostError) report({ type: 'lost', key, reason: error.reason, heldFor });
    else report({ type: 'released', key, heldFor });
  }

  #lostBy({ held: { key, fencingToken } }: Hold, { reason, cause, by }: ClaimLost): LockLostError {
    return new LockLostError({ key, reason, fencingToken, cause, by });
  }
}
