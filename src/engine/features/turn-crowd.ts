/**
 * Those of one `Locks` who want the turn of a key, in the order of their subscription, and what they are told of the
 * queue on the server while they wait.
 */
import { Subscription } from 'rxjs';
import type { Queue } from '../../backend/port.js';
import { holdersOf } from '../../rules/ownership.js';
import { ATTEMPTS } from '../io/request.js';
import type { LocksRuntime } from '../locks-runtime.js';
import type { View } from '../queue/key-queue.js';
import type { TurnClaim } from './turn-claim.js';

export class TurnCrowd {
  readonly #runtime: LocksRuntime;
  readonly #key: string;
  readonly #changed: () => void;
  /** Those that wait or hold, the oldest subscription first. */
  readonly #turns: TurnClaim[] = [];
  #watching: Subscription | undefined;
  #queue: Queue | undefined;
  /** Until those behind one that has left are told so. */
  #telling: Subscription | undefined;
  /** How often in a row nobody could be told who holds. */
  #silences = 0;

  /** @param changed the queue on the server is another one than before */
  constructor(runtime: LocksRuntime, key: string, changed: () => void) {
    this.#runtime = runtime;
    this.#key = key;
    this.#changed = changed;
  }

  get first(): TurnClaim | undefined {
    return this.#turns[0];
  }

  /** The oldest of those who ask for the same. */
  oldestLike({ shape }: TurnClaim): TurnClaim | undefined {
    return this.#turns.find((turn) => turn.shape === shape);
  }

  /** At its place; says which that is. */
  add(turn: TurnClaim): number {
    let at = this.#turns.length;
    while ((this.#turns[at - 1]?.place ?? 0) > turn.place) at -= 1;
    this.#turns.splice(at, 0, turn);
    return at;
  }

  delete(turn: TurnClaim): void {
    const at = this.#turns.indexOf(turn);
    if (at >= 0) this.#turns.splice(at, 1);
  }

  /** Whether a claim is known to be gone from the queue. */
  isGone(token: bigint | undefined): boolean {
    return this.#queue !== undefined && !this.#queue.claims.some((claim) => claim.token === token);
  }

  /** As an answer has shown it: what is watched may have told already what came after that. */
  shown(queue: Queue): void {
    if (queue.revision >= (this.#queue?.revision ?? 0n)) this.#queue = queue;
  }

  /** Behind all claims in the queue, since the next one queues at its tail, and behind those who came before here. */
  tell(from = 0): void {
    const queue = this.#queue;
    if (!queue || queue.claims.length === 0) return;
    const holders = holdersOf(queue);
    // The one whose claim is in the queue is counted there.
    const { token } = this.#turns.find(({ claim }) => claim) ?? {};
    const isIn = !this.isGone(token);
    const counted = isIn ? this.#turns.findIndex(({ claim }) => claim) : Infinity;
    for (const [i, turn] of this.#turns.slice(from).entries()) {
      // Others are told on the way, and may have this one leave, or hold.
      if (turn.claim || turn.isLeaving) continue;
      const before = from + i - Number(counted < from + i);
      turn.tellBlocked({ status: 'blocked', ahead: queue.claims.length + before, holders });
    }
  }

  /** Once for all who leave in this moment. */
  tellSoon(): void {
    this.#telling ??= this.#runtime.time.after(0).subscribe(() => {
      this.#telling = undefined;
      this.tell();
    });
  }

  /** Who has not been told anything yet gets on no better than one who was refused an answer. */
  failUntold(error: unknown): void {
    for (const turn of [...this.#turns]) if (!turn.state) turn.tell({ status: 'failed', error });
  }

  /** Whoever contends by itself is told by its claim, so nobody watches for it alone. */
  watch(from?: Queue): void {
    if (this.#watching || this.#isAlone()) return;
    const watching = new Subscription();
    this.#watching = watching;
    watching.add(this.#runtime.queues.view$(this.#key, false, from).subscribe((view) => this.#seen(view)));
  }

  /** Ends what nobody needs any more. */
  tidy(): void {
    if (this.#turns.length === 0) {
      this.#telling?.unsubscribe();
      this.#telling = undefined;
    }
    if (!this.#isAlone()) return;
    this.#watching?.unsubscribe();
    this.#watching = undefined;
    this.#queue = undefined;
    this.#silences = 0;
  }

  #isAlone(): boolean {
    return this.#turns.every(({ claim }) => claim);
  }

  #seen(view: View): void {
    if (view.status === 'unknown') {
      this.#silences += 1;
      if (this.#silences >= ATTEMPTS) this.failUntold(view.cause);
      return;
    }
    this.#silences = 0;
    this.#queue = view.queue;
    this.#changed();
    this.tell();
  }
}
