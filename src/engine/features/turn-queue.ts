/**
 * The turns that one `Locks` wants of one key: one of them contends on the server, the others wait here, in the order of
 * their subscription. So a process costs the server what one waiter costs, however many wait in it.
 */
import type { Subscription } from 'rxjs';
import { Claim } from '../claim.js';
import type { ClaimState } from '../claim-state.js';
import type { LocksRuntime } from '../locks-runtime.js';
import type { TurnClaim, TurnOrder } from './turn-claim.js';
import { TurnCrowd } from './turn-crowd.js';

/**
 * | phase      | means                                              | leads to                                        |
 * | ---------- | -------------------------------------------------- | ----------------------------------------------- |
 * | idle       | nobody contends: the first is about to, if any     | contending                                      |
 * | contending | the claim of one of us is on its way or in         | standingBy: refused, since others are there     |
 * |            |                                                    | held: it is first                               |
 * |            |                                                    | idle: it has left, or was lost                  |
 * | standingBy | `until` is the claim of another one, which holds   | contending, at the tail, once that one is gone  |
 * | held       | one of us holds                                    | idle: its claim has left                        |
 *
 * The first to contend only tries, which writes nothing while another process holds: of a fleet that waits for one
 * result, one claim is in the queue. When that one is gone without a result, each process queues at the tail, so no
 * process gets ahead of another one again and again.
 *
 * Who contends and goes leaves its claim to the next who asks for the same, with its place in the queue.
 */
type Phase =
  | { readonly name: 'idle' }
  | { readonly name: 'standingBy'; readonly until: bigint | undefined }
  | { readonly name: 'contending' | 'held'; readonly turn: TurnClaim; readonly claim: Claim };

const IDLE: Phase = { name: 'idle' };

export class TurnQueue implements TurnOrder {
  readonly #runtime: LocksRuntime;
  readonly #key: string;
  readonly #empty: () => void;
  readonly #crowd: TurnCrowd;
  #phase: Phase = IDLE;
  /** Until the next one contends: whoever leaves in the same moment does not send anything first. */
  #next: Subscription | undefined;

  constructor(runtime: LocksRuntime, key: string, empty: () => void) {
    this.#runtime = runtime;
    this.#key = key;
    this.#empty = empty;
    this.#crowd = new TurnCrowd(runtime, key, () => this.#contendIfFree());
  }

  join(turn: TurnClaim): void {
    const at = this.#crowd.add(turn);
    if (this.#phase.name === 'idle' && !this.#next) return this.#contend(true);
    this.#crowd.tell(at);
    this.#crowd.watch();
  }

  leave(turn: TurnClaim, handOff: boolean, keepUntil: number | undefined): void {
    const phase = this.#phase;
    this.#crowd.delete(turn);
    if (!('turn' in phase) || phase.turn !== turn) turn.tell({ status: 'left' });
    // The next one contends when that has left: in the queue it would get ahead of other processes.
    else if (phase.name === 'held') phase.claim.leave(handOff, keepUntil);
    else this.#leaves(turn, phase.claim);
    this.#crowd.tellSoon();
    this.#tidy();
  }

  /** One that contends and does not hold. */
  #leaves(turn: TurnClaim, claim: Claim): void {
    const heir = this.#crowd.oldestLike(turn);
    if (heir) {
      this.#entrust(claim, turn, heir, 'contending');
      turn.tell({ status: 'left' });
      if (claim.state?.status === 'blocked' && heir.claim === claim) heir.tellBlocked(claim.state);
      return;
    }
    this.#partWith(claim, turn);
    this.#contendSoon(true);
  }

  #entrust(claim: Claim, from: TurnClaim, to: TurnClaim, name: 'contending' | 'held'): void {
    from.claim = undefined;
    to.claim = claim;
    this.#phase = { name, turn: to, claim };
  }

  /** The claim is nobody's any more, and leaves. Who had it is told when it has left. */
  #partWith(claim: Claim, turn: TurnClaim): void {
    turn.claim = undefined;
    this.#phase = IDLE;
    claim.listener = (state) => {
      if (state.status === 'left' && turn.isLeaving) turn.tell(state);
    };
    claim.leave(false);
  }

  #contendSoon(isTry: boolean): void {
    if (this.#next || !this.#crowd.first) return;
    this.#next = this.#runtime.time.after(0).subscribe(() => {
      this.#next = undefined;
      if (this.#phase.name === 'idle') this.#contend(isTry);
    });
  }

  #contend(isTry: boolean): void {
    const turn = this.#crowd.first;
    if (!turn) return;
    const specs = [{ key: this.#key, kind: 'mutex' }] as const;
    const claim = new Claim(this.#runtime, { specs, isTry, shape: undefined, meta: turn.meta }, (state) =>
      this.#onClaim(claim, state),
    );
    turn.claim = claim;
    this.#phase = { name: 'contending', turn, claim };
    claim.begin();
  }

  #onClaim(claim: Claim, state: ClaimState): void {
    const phase = this.#phase;
    if (!('turn' in phase) || phase.claim !== claim) return;
    const { turn } = phase;
    switch (state.status) {
      case 'refused':
        return this.#standBy(turn, claim, state);
      case 'blocked':
        turn.tellBlocked(state);
        return this.#crowd.watch();
      case 'first':
        return this.#hold(turn, claim, state);
      case 'wanted':
        return turn.tell(state);
      case 'lost':
      case 'failed':
        return phase.name === 'held' ? turn.tell(state) : this.#again(turn, claim, state);
      case 'left':
        this.#phase = IDLE;
        this.#contendSoon(false);
        turn.tell(state);
        return this.#tidy();
    }
  }

  /** A try that was refused has left nothing on the server. */
  #standBy(turn: TurnClaim, claim: Claim, { holders, queues }: Extract<ClaimState, { status: 'refused' }>): void {
    this.#partWith(claim, turn);
    this.#phase = { name: 'standingBy', until: holders[0]?.fencingToken };
    const [queue] = queues ?? [];
    if (queue) this.#crowd.shown(queue);
    this.#contendIfFree();
    this.#crowd.tell();
    this.#crowd.watch(queue);
  }

  /** Whoever held is gone, and is not known to have done it. */
  #contendIfFree(): void {
    const phase = this.#phase;
    if (phase.name !== 'standingBy' || !this.#crowd.isGone(phase.until)) return;
    this.#phase = IDLE;
    this.#contend(false);
  }

  /** Who came first of those who ask for the same holds first, also where a younger one contended meanwhile. */
  #hold(turn: TurnClaim, claim: Claim, state: ClaimState): void {
    const oldest = this.#crowd.oldestLike(turn) ?? turn;
    this.#entrust(claim, turn, oldest, 'held');
    oldest.tell(state);
    this.#crowd.tell();
    this.#crowd.watch();
  }

  /** Its own user decides whether it goes on. */
  #again(turn: TurnClaim, claim: Claim, state: Extract<ClaimState, { status: 'lost' | 'failed' }>): void {
    this.#partWith(claim, turn);
    this.#contendSoon(true);
    turn.tell(state);
    if (state.status === 'failed') this.#crowd.failUntold(state.error);
    this.#tidy();
  }

  #tidy(): void {
    this.#crowd.tidy();
    if (this.#crowd.first) return;
    if (this.#phase.name === 'standingBy') this.#phase = IDLE;
    this.#next?.unsubscribe();
    this.#next = undefined;
    if (this.#phase === IDLE) this.#empty();
  }
}
