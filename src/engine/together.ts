/**
 * Claims at several keys as one: in at all of them or at none, held once each of them is first.
 */
import { EMPTY, merge } from 'rxjs';
import type { Observable } from 'rxjs';
import type { AcquireOptions } from '../api/options.js';
import type { ClaimRequest, EnqueueAllResult, QueuedClaim, Together } from '../backend/port.js';
import type { Revocation } from '../api/revocation.js';
import { AcquireRelease } from './io/acquire-release.js';
import type { Resource } from './io/acquire-release.js';
import type { Limiter } from './io/limiter.js';
import type { Session } from './session.js';
import { claimOf, withdrawn$ } from './claim.js';
import type { ClaimParts, LockTarget, Claimant, ContestedClaim, KeyTarget } from './claim.js';
import type { KeyQueue, WaiterListener, Turn } from './queue/key-queue.js';

/** Keys that are wanted together. */
export class KeysTarget implements LockTarget {
  readonly key: string;
  readonly keys: readonly string[];
  readonly #parts: ClaimParts;
  readonly #together: Together;
  readonly #members: readonly KeyTarget[];

  constructor(parts: ClaimParts, together: Together, members: readonly KeyTarget[]) {
    this.#parts = parts;
    this.#together = together;
    this.#members = members;
    this.keys = members.map(({ key }) => key);
    this.key = this.keys.join(' + ');
  }

  claim(session: Session, contention: AcquireOptions, claimant: Claimant): ContestedClaim {
    const claims = this.#members.map((member) => claimOf(member, session, contention));
    return new Entries(this.#parts, this.#together, this.key, session, claims, claimant);
  }
}

/** One of the claims, in the line at its key. */
class Part implements WaiterListener {
  readonly line: KeyQueue;
  mine: QueuedClaim | undefined;
  /** What it was told last. */
  turn: Turn | undefined;

  constructor(
    readonly whole: Entries,
    parts: ClaimParts,
    claim: ClaimRequest,
  ) {
    this.line = parts.lines.at(claim.key);
    this.line.keep();
  }

  told(turn: Turn): void {
    this.turn = turn;
    this.whole.moved();
  }

  asked(revocation: Revocation): void {
    this.whole.asked(revocation);
  }

  failed(cause: Error): void {
    this.whole.failed(cause);
  }
}

/**
 * No deadlock, since all claims of a transaction have one revision, and that is their place in every queue: of two who
 * want the same keys one is before the other in all of them.
 */
class Entries implements ContestedClaim, Resource<EnqueueAllResult> {
  readonly session: Session;
  readonly what: string;
  readonly #parts: ClaimParts;
  readonly #together: Together;
  readonly #claims: readonly ClaimRequest[];
  readonly #claimant: Claimant;
  readonly #places: readonly Part[];
  readonly #bracket: AcquireRelease<EnqueueAllResult>;
  #isOver = false;

  constructor(
    parts: ClaimParts,
    together: Together,
    key: string,
    session: Session,
    claims: readonly ClaimRequest[],
    claimant: Claimant,
  ) {
    this.#parts = parts;
    this.#together = together;
    this.what = `enter ${key}`;
    this.session = session;
    this.#claims = claims;
    this.#claimant = claimant;
    this.#places = claims.map((claim) => new Part(this, parts, claim));
    this.#bracket = new AcquireRelease(parts.engine, this);
  }

  get timeout(): number {
    return this.session.timing.attempt;
  }

  get limiter(): Limiter {
    return this.#parts.engine.limiter;
  }

  get token(): bigint | undefined {
    return this.#places[0]?.mine?.token;
  }

  begin(): void {
    this.#bracket.begin();
  }

  /** Never handed off timeout the process: the acknowledgement comes first. */
  leave(): void {
    this.#bracket.release();
  }

  send(): Observable<EnqueueAllResult> {
    return this.#together.enqueue(this.#claims, this.timeout);
  }

  use(answer: EnqueueAllResult): void {
    // All that is on it is told, this one, too.
    if (answer.status === 'lease-gone') return this.session.gone();
    this.#places.forEach((part, i) => (part.mine = answer.places[i]?.claim));
    for (const [i, part] of this.#places.entries()) {
      if (part.mine) part.line.join(part.mine, answer.revision, this.session.lease, answer.places[i]?.queue, part);
      // Others are told on the way, and may have ended this one.
      if (this.#isOver) return;
    }
  }

  /** One of the claims was told where it stands. */
  moved(): void {
    const turns = this.#places.flatMap(({ turn }) => turn ?? []);
    const gone = turns.find(({ status }) => status === 'gone');
    if (gone) return this.#claimant.staged(this, gone);
    if (turns.length < this.#places.length) return;
    const blocked = turns.filter((turn) => turn.status === 'blocked');
    if (blocked.length > 0) {
      const ahead = Math.max(...blocked.map((turn) => turn.ahead));
      return this.#claimant.staged(this, {
        status: 'blocked',
        ahead,
        holders: blocked.flatMap((turn) => turn.holders),
      });
    }
    const settled$ = merge(...turns.map((turn) => (turn.status === 'first' && turn.settled$) || EMPTY));
    this.#claimant.staged(this, { status: 'first', settled$ });
  }

  asked(revocation: Revocation): void {
    this.#claimant.asked(this, revocation);
  }

  failed(error: unknown): void {
    this.#claimant.failed(error);
  }

  stop(): void {
    this.#isOver = true;
    for (const { line, mine } of this.#places) if (mine) line.leaves(mine);
  }

  dispose(answer: EnqueueAllResult | undefined, isClear: boolean): Observable<unknown> {
    this.#claimant.leaving(this);
    // With the end of the lease all of them go.
    if (answer?.status === 'lease-gone' || !this.session.isAlive() || this.#parts.isClosed()) return EMPTY;
    const entered = isClear && answer ? answer.places.map(({ claim }) => claim) : undefined;
    return withdrawn$(this.#parts, this.session, {
      what: this.what.replace('enter', 'leave'),
      send: (timeout) => this.#together.dequeue(this.#claims, entered, timeout),
    });
  }

  disposed(): void {
    for (const { line } of this.#places) line.release();
    this.#claimant.left(this);
  }
}
