/**
 * The turns that one `Locks` wants of one key: one of them contends on the server, the others wait here, in the order of
 * their subscription. So a process costs the server what one waiter costs, however many wait in it.
 */
import { Subscription } from 'rxjs';
import type { Queue } from '../../backend/port.js';
import { holdersOf } from '../../rules/ownership.js';
import { Claim } from '../claim.js';
import type { ClaimState } from '../claim-state.js';
import { ATTEMPTS } from '../io/request.js';
import type { LocksRuntime } from '../locks-runtime.js';
import type { View } from '../queue/key-queue.js';
import type { TurnClaim, TurnOrder } from './turn-claim.js';

/**
 * | phase      | means                                             | leads to                                         |
 * | ---------- | ------------------------------------------------- | ------------------------------------------------ |
 * | idle       | nobody contends: the first is about to, if any    | contending                                       |
 * | contending | the claim of one of us is on its way or in        | standing by: refused, since others are there     |
 * |            |                                                   | held: it is first                                |
 * |            |                                                   | idle: it has left, or was lost                   |
 * | standingBy | `until` is the claim of another `Locks` that holds | contending, at the tail, once that one is gone   |
 * | held       | one of us holds                                   | idle: its claim has left                         |
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
  /** Those that wait or hold, the oldest subscription first. */
  readonly #turns: TurnClaim[] = [];
  #phase: Phase = IDLE;
  /** Until the next one contends: whoever leaves in the same moment does not send anything first. */
  #next: Subscription | undefined;
  /** Until those behind one that has left are told so. */
  #telling: Subscription | undefined;
  #watching: Subscription | undefined;
  #queue: Queue | undefined;
  /** How often in a row nobody could be told who holds. */
  #silences = 0;

  constructor(runtime: LocksRuntime, key: string, empty: () => void) {
    this.#runtime = runtime;
    this.#key = key;
    this.#empty = empty;
  }

  join(turn: TurnClaim): void {
    let at = this.#turns.length;
    while (at > 0 && (this.#turns[at - 1]?.place ?? 0) > turn.place) at -= 1;
    this.#turns.splice(at, 0, turn);
    if (this.#phase.name === 'idle' && !this.#next) return this.#contend(true);
    this.#tellWaiting(at);
    this.#watchIfNeeded();
  }

  leave(turn: TurnClaim, handOff: boolean, keepUntil: number | undefined): void {
    const phase = this.#phase;
    const at = this.#turns.indexOf(turn);
    if (at >= 0) this.#turns.splice(at, 1);
    if (!('turn' in phase) || phase.turn !== turn) turn.tell({ status: 'left' });
    // The next one contends when that has left: in the queue it would get ahead of other processes.
    else if (phase.name === 'held') phase.claim.leave(handOff, keepUntil);
    else this.#leaves(turn, phase.claim);
    this.#tellSoon();
    this.#tidy();
  }

  /** One that contends and does not hold. */
  #leaves(turn: TurnClaim, claim: Claim): void {
    const heir = this.#oldestLike(turn);
    if (heir) {
      this.#entrust(claim, turn, heir, 'contending');
      turn.tell({ status: 'left' });
      if (claim.state?.status === 'blocked' && heir.claim === claim) heir.tellBlocked(claim.state);
      return;
    }
    this.#isOver(claim, turn);
    claim.leave(false);
    this.#contendSoon(true);
  }

  #oldestLike({ shape }: TurnClaim): TurnClaim | undefined {
    return this.#turns.find((turn) => turn.shape === shape);
  }

  #entrust(claim: Claim, from: TurnClaim, to: TurnClaim, name: 'contending' | 'held'): void {
    from.claim = undefined;
    to.claim = claim;
    this.#phase = { name, turn: to, claim };
  }

  /** The claim is nobody's any more. Who had it is told when it has left. */
  #isOver(claim: Claim, turn: TurnClaim): void {
    this.#phase = IDLE;
    claim.listener = (state) => {
      if (state.status === 'left') turn.tell(state);
    };
  }

  /** Once for all who leave in this moment. */
  #tellSoon(): void {
    this.#telling ??= this.#runtime.time.after(0).subscribe(() => {
      this.#telling = undefined;
      this.#tellWaiting();
    });
  }

  #contendSoon(isTry: boolean): void {
    if (this.#next || this.#turns.length === 0) return;
    this.#next = this.#runtime.time.after(0).subscribe(() => {
      this.#next = undefined;
      if (this.#phase.name === 'idle') this.#contend(isTry);
    });
  }

  #contend(isTry: boolean): void {
    const [turn] = this.#turns;
    // Whoever waits is about to be told so.
    if (!turn || this.#runtime.isClosing()) return;
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
        return this.#watchIfNeeded();
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

  #standBy(turn: TurnClaim, claim: Claim, { holders, queues }: Extract<ClaimState, { status: 'refused' }>): void {
    turn.claim = undefined;
    this.#isOver(claim, turn);
    this.#phase = { name: 'standingBy', until: holders[0]?.fencingToken };
    // Of a try nothing is there, so nobody waits for that.
    claim.listener = () => undefined;
    claim.leave(false);
    const [queue] = queues ?? [];
    // What is watched may have told already what came after this answer.
    if (queue && queue.revision >= (this.#queue?.revision ?? 0n)) this.#queue = queue;
    this.#contendIfFree();
    this.#tellWaiting();
    this.#watchIfNeeded(queue);
  }

  /** Who came first of those who ask for the same holds first, also where a younger one contended meanwhile. */
  #hold(turn: TurnClaim, claim: Claim, state: ClaimState): void {
    const oldest = this.#oldestLike(turn) ?? turn;
    this.#entrust(claim, turn, oldest, 'held');
    oldest.tell(state);
    this.#tellWaiting();
    this.#watchIfNeeded();
  }

  /** Its own user decides whether it goes on. Others who have not been told anything either get on no better. */
  #again(turn: TurnClaim, claim: Claim, state: Extract<ClaimState, { status: 'lost' | 'failed' }>): void {
    turn.claim = undefined;
    this.#isOver(claim, turn);
    claim.leave(false);
    this.#contendSoon(true);
    turn.tell(state);
    if (state.status === 'failed') this.#failUntold(state.error);
    this.#tidy();
  }

  #failUntold(error: unknown): void {
    for (const turn of [...this.#turns]) if (!turn.state) turn.tell({ status: 'failed', error });
  }

  #onView(view: View): void {
    if (view.status === 'unknown') {
      this.#silences += 1;
      if (this.#silences >= ATTEMPTS) this.#failUntold(view.cause);
      return;
    }
    this.#silences = 0;
    this.#queue = view.queue;
    this.#contendIfFree();
    this.#tellWaiting();
  }

  /** Whoever held is gone, and is not known to have done it. */
  #contendIfFree(): void {
    const phase = this.#phase;
    if (phase.name !== 'standingBy' || !this.#queue) return;
    if (this.#queue.claims.some(({ token }) => token === phase.until)) return;
    this.#phase = IDLE;
    this.#contend(false);
  }

  /** Behind all claims in the queue, since the next one queues at its tail, and behind those who came before here. */
  #tellWaiting(from = 0): void {
    const queue = this.#queue;
    if (!queue || queue.claims.length === 0) return;
    const holders = holdersOf(queue);
    // The one whose claim is in the queue is counted there.
    const { token } = this.#turns.find(({ claim }) => claim) ?? {};
    const isIn = token !== undefined && queue.claims.some((claim) => claim.token === token);
    const counted = isIn ? this.#turns.findIndex(({ claim }) => claim) : Infinity;
    for (const [i, turn] of this.#turns.slice(from).entries()) {
      // Others are told on the way, and may have this one leave, or hold.
      if (turn.claim || turn.isLeaving) continue;
      const before = from + i - Number(counted < from + i);
      turn.tellBlocked({ status: 'blocked', ahead: queue.claims.length + before, holders });
    }
  }

  #watchIfNeeded(from?: Queue): void {
    if (this.#watching || !this.#isWatchNeeded()) return;
    const watching = new Subscription();
    this.#watching = watching;
    watching.add(this.#runtime.queues.view$(this.#key, false, from).subscribe((view) => this.#onView(view)));
  }

  /** One that contends alone is told by its claim. */
  #isWatchNeeded(): boolean {
    return this.#phase.name === 'standingBy' ? this.#turns.length > 0 : this.#turns.some(({ claim }) => !claim);
  }

  #tidy(): void {
    if (this.#turns.length === 0) {
      if (this.#phase.name === 'standingBy') this.#phase = IDLE;
      this.#next?.unsubscribe();
      this.#next = undefined;
      this.#telling?.unsubscribe();
      this.#telling = undefined;
    }
    if (!this.#isWatchNeeded()) {
      this.#watching?.unsubscribe();
      this.#watching = undefined;
      this.#queue = undefined;
      this.#silences = 0;
    }
    if (this.#turns.length === 0 && this.#phase === IDLE) this.#empty();
  }
}
