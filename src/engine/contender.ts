/**
 * A contender, from its subscription to its end: the stream behind `lock$`.
 */
import { platform } from '#platform';
import { Observable, Subscription } from 'rxjs';
import type { Subscriber } from 'rxjs';
import { AlreadyLockedError, LockLostError, LocksClosedError } from '../api/errors.js';
import type { Relation } from '../api/errors.js';
import type { WithdrawnReason } from '../api/events.js';
import type { LockState } from '../api/lock.js';
import type { AcquireOptions } from '../api/options.js';
import type { Holder } from '../api/ownership.js';
import type { Revocation } from '../api/revocation.js';
import { settlesWith } from '../backend/settled.js';
import { at } from '../time/clock.js';
import { backoff } from '../time/backoff.js';
import { waitsForItself } from './bodies.js';
import type { Nesting } from './bodies.js';
import type { ContendingClaim } from './contending-claim.js';
import type { ClaimState, OnClaimState } from './claim-state.js';
import { traced } from './channels.js';
import type { ContentionTrace } from './channels.js';
import type { Closable, Exchangeable } from './contenders.js';
import { Aborted, unwrapped } from './aborts.js';
import { withdrawnReason } from './withdrawn.js';
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
 * The phase of a contender, with the data of that phase.
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

const waitingForSame = (key: string): string =>
  `"${key}" is held by the same Locks. If the contender runs inside the body of that holder, it waits for ever, since ` +
  'locks are not reentrant; otherwise nothing is wrong. This note is reported once.';

/**
 * Milliseconds between two checks. Timers stand still while the machine sleeps; so an overdue lock is noticed this soon
 * after it wakes.
 */
const LOOK_EVERY = 1000;

const waitingForItself = (key: string): string =>
  `A contender for "${key}" runs inside the body that holds it, so it waits for itself: locks are not reentrant. ` +
  'Acquire the lock once, outside, or pass the held lock on.';

const IDLE: Phase = { name: 'idle' };
const OVER: Phase = { name: 'over' };

/**
 * One object and not a pipeline, for memory and speed: ten thousand locks may be held, and forty thousand acquired in a
 * second.
 */
class Contender implements Closable, Exchangeable, Holding {
  readonly #runtime: LocksRuntime;
  readonly #target: LockTarget;
  readonly #options: AcquireOptions;
  readonly #subscriber: Subscriber<LockState>;
  readonly #started: number;
  /** The async context of the subscriber. Answers arrive in other contexts. */
  readonly #context = platform.captureContext();
  /** What it asks for: contenders of the same shape may exchange their claims. `undefined` for a try. */
  readonly #shape: string | undefined;
  /** The holds in whose bodies it was subscribed to. */
  readonly #nesting: Nesting | undefined;
  /** Set if a diagnostics channel has subscribers. */
  #trace: ContentionTrace | undefined;
  #endings: Subscription | undefined;
  /** The timer of `atMost`. */
  #overdue: Subscription | undefined;
  #phase: Phase = IDLE;
  /** Whether its one event was reported: `acquired` or `withdrawn`. */
  #isDecided = false;
  /** The holders seen last; `undefined` until the server has answered. */
  #inTheWay: readonly Holder[] | undefined;

  constructor(runtime: LocksRuntime, target: LockTarget, options: AcquireOptions, subscriber: Subscriber<LockState>) {
    this.#runtime = runtime;
    this.#target = target;
    this.#options = options;
    this.#subscriber = subscriber;
    this.#started = runtime.time.now();
    this.#shape = options.wait === 0 ? undefined : target.shape(options.meta);
    this.#nesting = runtime.bodies.current;
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
    if (this.#runtime.isClosing()) return this.#fail(new LocksClosedError({ key }));
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
        relation: (holders) => this.#relationTo(holders),
      }).subscribe({
        // After an abort the user is told at once. Otherwise the claim leaves first.
        error: (error: unknown) => (error instanceof Aborted ? this.#fail(error) : this.#refuse(error)),
      });
    }
    if (this.#subscriber.closed) return;
    if (this.#shape !== undefined) contenders.order.join(this.#shape, this);
    this.#contend();
  }

  /** The user unsubscribed: the claim leaves the queue in the background. */
  unsubscribe(): void {
    this.#runtime.contenders.delete(this);
    this.#waitsNoMore();
    this.#endings?.unsubscribe();
    // A refused contender reports what it was refused for.
    if (this.#phase.name === 'refused') this.#withdrawn(this.#phase.error);
    else this.#withdrawn(undefined, 'unsubscribed');
    this.#endHold();
    this.#leave();
    this.#phase = OVER;
  }

  drain(): void {
    const { name } = this.#phase;
    if (name === 'idle' || name === 'contending' || name === 'waiting' || name === 'paused') this.close();
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

  /** The user called `release()`. Waits for the acknowledgement, until the lease has run out at the latest. */
  release(handOff: boolean): void {
    const phase = this.#phase;
    if (phase.name !== 'held') return;
    this.#endHold();
    const { time } = this.#runtime;
    const { claim, hold } = phase;
    const { session } = claim;
    const patience = new Subscription();
    this.#phase = { name: 'releasing', claim, hold, patience };
    claim.leave(handOff, this.#keepUntil(hold));
    // No timer where the acknowledgement came within the call.
    if (!patience.closed) patience.add(at(time, session?.validUntil() ?? 0).subscribe(() => this.#left()));
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
    // A claim of an earlier round may still be leaving: its states are not about this round.
    if (!('claim' in phase) || phase.claim !== claim) return;
    switch (state.status) {
      case 'blocked':
        return this.#wait(claim, state);
      case 'refused':
        return this.#refuse(this.#busy(state.holders));
      case 'first':
        // The claim is another contender's now: that one is told.
        if (this.#exchanges(claim)) return claim.listener(state);
        return this.#hold(claim, state);
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

  /**
   * Of all contenders that ask for the same, the oldest holds first. If that is another one, it gets this claim, and this
   * contender waits on with the claim of the oldest. Returns whether that was so.
   */
  #exchanges(claim: ContendingClaim): boolean {
    if (this.#shape === undefined) return false;
    for (const oldest of this.#runtime.contenders.order.waiting(this.#shape)) {
      if (oldest === this) return false;
      const theirs = oldest.waitsWith;
      if (!theirs) continue;
      oldest.exchanged(claim);
      this.exchanged(theirs);
      if (theirs.state?.status === 'blocked') this.#wait(theirs, theirs.state);
      return true;
    }
    return false;
  }

  #wait(claim: ContendingClaim, { holders, ahead }: Extract<ClaimState, { status: 'blocked' }>): void {
    const { key, kind } = this.#target;
    if (this.waitsWith !== claim) return;
    if (this.#options.wait === 0) return this.#refuse(this.#busy(holders));
    const known = ahead === undefined ? {} : { ahead };
    this.#phase = { name: 'waiting', claim };
    if (!this.#inTheWay) {
      const { report, settings } = this.#runtime;
      report({ type: 'queued', key, kind, owner: settings.owner, ...known });
      this.#noteRelationTo(holders);
    }
    this.#inTheWay = holders;
    this.#context(() => this.#subscriber.next({ status: 'waiting', key, holders, ...known }));
  }

  #hold(claim: ContendingClaim, { settled$ }: Extract<ClaimState, { status: 'first' }>): void {
    const { token, session } = claim;
    if (this.waitsWith !== claim || token === undefined || !session) return;
    // All on it are told, in their order: alone, it would be behind who came later, and again on what has ended.
    if (!session.isAlive()) return session.expired();
    const { key, kind } = this.#target;
    const { time, settings, report, bodies } = this.#runtime;
    const { atMost } = this.#options;
    // During a close, the holder ahead of us in the same `Locks` ended first, and handed off to us.
    if (this.#runtime.isClosing()) return this.close();
    this.#waitsNoMore();
    const hold = new Hold(this.#runtime, key, session, token, this, atMost);
    this.#phase = { name: 'held', claim, hold };
    // Before the user is told, since the user may proclaim at once.
    this.#target.heldBy(claim);
    if (settled$) settlesWith(hold.held, settled$);
    if (atMost < Infinity) {
      this.#overdue = at(time, hold.overdueAt, LOOK_EVERY).subscribe(() => this.#lost(new ClaimLost('overdue')));
    }
    const { owner } = settings;
    this.#isDecided = true;
    report({ type: 'acquired', key, kind, owner, fencingToken: token, waitedFor: hold.since - this.#started });
    const tell = (): void => bodies.run(hold, () => this.#subscriber.next({ status: 'held', key, held: hold.held }));
    const trace = this.#trace;
    this.#context(trace ? () => trace.held(token, tell) : tell);
    if (claim.revocation) this.#askBack(claim.revocation);
  }

  /**
   * Somebody asks the holder to release. Ignored while the contender still waits: with several keys, a request for one
   * can come early.
   */
  #askBack(revocation: Revocation): void {
    const phase = this.#phase;
    if (phase.name !== 'held' || phase.hold.isOver) return;
    const { key, kind } = this.#target;
    const { owner, fencingToken } = phase.hold.held;
    this.#runtime.report({ type: 'revocation', key, kind, owner, fencingToken, revocation });
    phase.hold.asked(revocation);
  }

  /**
   * It will not hold. The user is told once the claim has left the queue, so that nobody finds it there afterwards; or
   * after the time of one attempt at the latest.
   */
  #refuse(error: unknown): void {
    const claim = this.waitsWith;
    if (!claim) return this.#fail(error);
    const { time, timing } = this.#runtime;
    this.#waitsNoMore();
    const patience = time.after(timing.attempt).subscribe(() => this.#fail(error));
    this.#phase = { name: 'refused', claim, error, patience };
    claim.leave(false);
  }

  /** The claim is lost: the end for a holder, another round for a waiter. */
  #lost(loss: ClaimLost): void {
    const phase = this.#phase;
    if (phase.name === 'held') return this.#fail(this.#lostBy(phase.hold, loss));
    if (this.waitsWith) return this.#again(loss);
    this.#left();
  }

  #failed(error: unknown): void {
    if (this.#phase.name === 'refused') return;
    // A finite wait goes on, for instance while a server starts. An endless wait goes on only if the contender was in
    // the queue: otherwise a wrong address or a full server would look like a long queue.
    const { wait } = this.#options;
    const isPatient = wait > 0 && (wait < Infinity || this.#inTheWay !== undefined);
    if (isPatient && isRetryable(error)) this.#again(error);
    else this.#fail(error);
  }

  /** The claim has left the queue, or is no longer waited for. */
  #left(): void {
    const phase = this.#phase;
    if (phase.name === 'refused') return this.#fail(phase.error);
    if (phase.name !== 'releasing') return;
    phase.hold.left();
    this.#context(() => this.#subscriber.complete());
  }

  #busy(holders: readonly Holder[]): AlreadyLockedError {
    return new AlreadyLockedError({ key: this.#target.key, holders, relation: this.#relationTo(holders) });
  }

  /** Reports that the contender waits for itself, or perhaps does. An endless wait has no error that could say so. */
  #noteRelationTo(holders: readonly Holder[]): void {
    const { report, bodies } = this.#runtime;
    const { key } = this.#target;
    const relation = this.#relationTo(holders);
    if (relation === 'itself') return report({ type: 'note', message: waitingForItself(key) });
    const isEndless = relation === 'same' && this.#options.wait === Infinity;
    if (isEndless && bodies.isFirstNote()) report({ type: 'note', message: waitingForSame(key) });
  }

  /** How the holders are related to this contender, for messages. */
  #relationTo(inTheWay: readonly Holder[]): Relation {
    const { keys } = this.#target;
    if (waitsForItself(this.#nesting, keys, inTheWay)) return 'itself';
    const ours = keys.flatMap((key) => this.#runtime.queues.holdersAt(key));
    const isOurs = ({ fencingToken }: Holder): boolean => ours.some(({ mine }) => mine.token === fencingToken);
    return inTheWay.some(isOurs) ? 'same' : undefined;
  }

  /** Reports the event `withdrawn`, once, unless `acquired` was reported. */
  #withdrawn(cause: unknown, reason: WithdrawnReason = withdrawnReason(cause)): void {
    if (this.#isDecided) return;
    this.#isDecided = true;
    const { key, kind } = this.#target;
    const { time, settings, report } = this.#runtime;
    const waitedFor = time.now() - this.#started;
    const told = unwrapped(cause);
    this.#trace?.withdrawn(reason, told);
    report({
      type: 'withdrawn',
      key,
      kind,
      owner: settings.owner,
      reason,
      waitedFor,
      ...(told !== undefined && { cause: told }),
    });
  }

  #fail(error: unknown): void {
    this.#withdrawn(error);
    this.#endHold(error instanceof Error ? error : new Error('the lock ended', { cause: error }));
    this.#context(() => this.#subscriber.error(unwrapped(error)));
  }

  /** Contends again, at the tail of the queue. */
  #again(cause: Error): void {
    const { key, kind } = this.#target;
    const { time, settings, report } = this.#runtime;
    const { owner } = settings;
    const session = this.waitsWith?.session;
    if (this.#inTheWay || cause instanceof ClaimLost) report({ type: 'requeued', key, kind, owner, cause });
    this.#leave();
    if (this.#subscriber.closed) return;
    // No pause of its own here: the next session begins after a pause, and serves its users in the order in which they
    // joined.
    if (this.#shape !== undefined && !session?.isAlive()) return this.#contend();
    const pause = time.after(backoff(1, settings.ttl, settings.random)).subscribe(() => this.#contend());
    this.#phase = { name: 'paused', pause };
  }

  /** The claim of this round leaves the queue. */
  #leave(): void {
    const phase = this.#phase;
    this.#phase = IDLE;
    if (phase.name === 'paused') phase.pause.unsubscribe();
    if (phase.name === 'refused' || phase.name === 'releasing') phase.patience.unsubscribe();
    if (!('claim' in phase)) return;
    if (!('hold' in phase)) return phase.claim.leave(false);
    const { claim, hold } = phase;
    // The promise of `release()` still waits for the acknowledgement, even after the unsubscribe.
    claim.listener = ({ status }) => {
      if (status === 'left' || status === 'lost') hold.left();
    };
    claim.leave(false, this.#keepUntil(hold));
  }

  /** Until when the lock stays taken after its release (`atLeast`); 0 for no longer. A lost lock is not kept. */
  #keepUntil(hold: Hold): number {
    if (hold.isLost) return 0;
    const until = hold.since + this.#options.atLeast;
    return until > this.#runtime.time.now() ? until : 0;
  }

  #waitsNoMore(): void {
    if (this.#shape !== undefined) this.#runtime.contenders.order.leave(this.#shape, this);
  }

  /** Stops the work under the lock, before the claim leaves the queue and before the subscriber is told. */
  #endHold(cause?: Error): void {
    const phase = this.#phase;
    if (phase.name !== 'held' || phase.hold.isOver) return;
    const { hold } = phase;
    const { key, kind } = this.#target;
    const { time, report } = this.#runtime;
    this.#overdue?.unsubscribe();
    // A release after the deadline, before the late timer of the deadline, is a loss.
    const late = hold.lossByTime();
    const error = cause ?? (late && this.#lostBy(hold, new ClaimLost(late)));
    hold.end(error);
    this.#trace?.endHold(error);
    const { owner, fencingToken } = hold.held;
    const heldFor = time.now() - hold.since;
    const about = { key, kind, owner, fencingToken, heldFor } as const;
    if (!(error instanceof LockLostError)) return report({ type: 'released', ...about });
    const { reason, cause: why } = error;
    report({ type: 'lost', ...about, reason, ...(why !== undefined && { cause: why }) });
  }

  #lostBy({ held: { key, fencingToken } }: Hold, { reason, cause, by }: ClaimLost): LockLostError {
    return new LockLostError({ key, reason, fencingToken, cause, by });
  }
}
