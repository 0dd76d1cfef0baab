/**
 * A claim where a key has one slot: it tries; if refused, it watches until the slot is free, then tries again.
 */
import { Subscription } from 'rxjs';
import type { Revocation } from '../../api/revocation.js';
import type { Queue } from '../../backend/port.js';
import { holdersOf } from '../../rules/ownership.js';
import { backoff } from '../../time/backoff.js';
import { Claim } from '../claim.js';
import type { ClaimOptions } from '../claim.js';
import type { ContendingClaim, QueuedRequest } from '../contending-claim.js';
import type { ClaimState, OnClaimState } from '../claim-state.js';
import type { LocksRuntime } from '../locks-runtime.js';
import type { Session } from '../session.js';
import type { LocalQueue, LocalTurn } from './local-queue.js';

export class SlotClaim implements ContendingClaim {
  listener: OnClaimState;
  state: ClaimState | undefined;
  readonly revocation: Revocation | undefined = undefined;
  readonly #runtime: LocksRuntime;
  readonly #options: ClaimOptions;
  readonly #key: string;
  /** Its turn among the contenders of this `Locks`. `undefined` for a contender that tries once: it needs no turn. */
  readonly #turn: LocalTurn | undefined;
  /** The claim of this round. */
  #claim: Claim | undefined;
  /** A pause, or the watch of the slot, until the next round. */
  #between: Subscription | undefined;
  #isAnswered = false;
  #isHeld = false;
  #isLeaving = false;

  constructor(runtime: LocksRuntime, localQueue: LocalQueue, options: ClaimOptions, listener: OnClaimState) {
    this.#runtime = runtime;
    this.#options = options;
    this.listener = listener;
    this.#key = options.specs[0]?.key ?? '';
    this.#turn = options.isTry ? undefined : localQueue.join(this.#key);
  }

  get session(): Session | undefined {
    return this.#claim?.session;
  }

  get token(): bigint | undefined {
    return this.#claim?.token;
  }

  get queued(): QueuedRequest | undefined {
    return this.#claim?.queued;
  }

  get ids(): readonly string[] {
    return this.#claim?.ids ?? [];
  }

  isGone(): void {
    this.#claim?.isGone();
  }

  begin(): void {
    if (this.#isFirst()) this.#try();
    else this.#standBy(-1n);
  }

  leave(handOff: boolean, keepUntil?: number): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#between?.unsubscribe();
    // A holder keeps its turn until its claim has left.
    if (!this.#isHeld) this.#turn?.leave(false);
    if (this.#claim) this.#claim.leave(handOff, keepUntil);
    else this.#tell({ status: 'left' });
  }

  #try(): void {
    this.#between = undefined;
    const claim = new Claim(this.#runtime, this.#options, (state) => {
      if (this.#claim === claim) this.#onClaim(state);
    });
    this.#claim = claim;
    claim.begin();
  }

  #onClaim(state: ClaimState): void {
    switch (state.status) {
      case 'refused':
        this.#isAnswered = true;
        return this.#options.isTry ? this.#tell(state) : this.#refused(state.queues ?? []);
      case 'lost':
        // The lease ran out before the server ever answered: another round would not help, so report the failure.
        return this.#isAnswered || !state.loss.cause
          ? this.#tell(state)
          : this.#tell({ status: 'failed', error: state.loss.cause });
      case 'first':
        this.#isAnswered = true;
        this.#isHeld = true;
        return this.#tell(state);
      case 'left':
        // Who did not hold has left its turn before.
        this.#turn?.leave(this.state?.status !== 'lost');
        return this.#tell(state);
      case 'blocked':
      case 'wanted':
      case 'failed':
        return this.#tell(state);
    }
  }

  #tell(state: ClaimState): void {
    this.state = state;
    this.listener(state);
  }

  #isFirst(): boolean {
    return this.#turn?.isFirst() ?? true;
  }

  #refused([queue]: readonly Queue[]): void {
    this.#endRound();
    // The slot became free again between the refusal and the read.
    if (!queue || queue.claims.length === 0) return this.#again();
    this.#tell({ status: 'blocked', holders: holdersOf(queue) });
    if (!this.#isLeaving) this.#standBy(queue.revision);
  }

  #endRound(): void {
    const claim = this.#claim;
    this.#claim = undefined;
    claim?.leave(false);
  }

  #again(): void {
    if (this.#isLeaving) return;
    const { time, settings } = this.#runtime;
    this.#between = time.after(backoff(1, settings.ttl, settings.random)).subscribe(() => this.#try());
  }

  /** Watches until the slot is free and it is our turn, then begins another round. */
  #standBy(after: bigint): void {
    const outside = new Subscription();
    this.#between = outside;
    const enter = (isHandedOn: boolean): void => {
      outside.unsubscribe();
      if (isHandedOn) this.#try();
      else this.#again();
    };
    // Until the first view arrives: a contender whose turn comes simply tries.
    let isFree = true;
    outside.add(
      this.#turn?.first$.subscribe((isHandedOn) => {
        if (isHandedOn || isFree) enter(isHandedOn);
      }),
    );
    outside.add(
      this.#runtime.queues.view$(this.#key).subscribe((view) => {
        if (view.status !== 'known' || view.queue.revision < after) return;
        isFree = view.queue.claims.length === 0;
        if (isFree && this.#isFirst()) enter(false);
        else this.#tell({ status: 'blocked', holders: holdersOf(view.queue) });
      }),
    );
  }
}
