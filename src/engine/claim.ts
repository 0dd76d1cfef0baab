/**
 * One claim of one or several keys, from joining a session to leaving the queues.
 */
import { EMPTY, catchError, defer, from, mergeMap, of, switchMap, tap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { JsonValue } from '../api/json.js';
import type { Holder } from '../api/ownership.js';
import type { Revocation } from '../api/revocation.js';
import type { ClaimRequest, DequeueResult, EnqueueResult, Lease, LockSpec, QueuedClaim } from '../backend/port.js';
import { wouldWait } from '../rules/blockers.js';
import { holderOf, holdersOf } from '../rules/ownership.js';
import type { ClaimState, OnClaimState } from './claim-state.js';
import type { ContendingClaim, QueuedRequest } from './contending-claim.js';
import { AcquireRelease } from './io/acquire-release.js';
import type { Resource } from './io/acquire-release.js';
import type { Limiter } from './io/limiter.js';
import { request } from './io/request.js';
import type { LocksRuntime } from './locks-runtime.js';
import type { Enqueuer } from './queue/enqueue-order.js';
import type { HandedOff, KeyQueue } from './queue/key-queue.js';
import { ClaimLost } from './session.js';
import type { Session } from './session.js';
import { leaseId } from './sessions.js';
import type { SessionUser } from './sessions.js';

/** The candidate of an election object that leads, if there is one. */
export interface LeaderRef {
  leader: { readonly claim: Claim; readonly key: string } | undefined;
}

/** What a claim asks for. */
export interface ClaimOptions {
  readonly specs: readonly LockSpec[];
  readonly isTry: boolean;
  /**
   * What it asks for, as one string: claims of the same shape are interchangeable. `undefined` if the claim must not be
   * exchanged.
   */
  readonly shape: string | undefined;
  readonly meta: JsonValue | undefined;
}

/**
 * A claim that is blocked at more keys than this tells its contender of only some changes, since each report visits all
 * keys.
 */
const CONFLATE_ABOVE = 16;

type Standing = Extract<ClaimState, { status: 'blocked' | 'first' }>;

/** The claim in the queue of one of its keys. */
class Place {
  readonly queue: KeyQueue;
  mine: QueuedClaim | undefined;
  state: ClaimState | undefined;

  constructor(queue: KeyQueue) {
    this.queue = queue;
  }
}

/**
 * Several keys cannot deadlock: all claims of one transaction have the same revision, and the revision is their place
 * in every queue. Of two claims of the same keys, one is ahead of the other in all queues.
 */
export class Claim implements ContendingClaim, Resource<EnqueueResult>, SessionUser, Enqueuer {
  listener: OnClaimState;
  state: ClaimState | undefined;
  session: Session | undefined;
  revocation: Revocation | undefined;
  readonly keys: readonly string[];
  readonly #runtime: LocksRuntime;
  readonly #options: ClaimOptions;
  readonly #places: readonly Place[];
  readonly #acquireRelease: AcquireRelease<EnqueueResult>;
  #requests: readonly ClaimRequest[] = [];
  readonly #leadsFor: LeaderRef[] = [];
  #isLeaving = false;
  #handsOff = false;
  /** How long the key stays taken after the release: an instant on the clock of the `Locks`, 0 for no longer. */
  #keepUntil = 0;
  #handedOff: HandedOff | undefined;
  /** The number of keys whose state is known, and the number of these at which it is blocked. */
  #known = 0;
  #blocked = 0;
  /** The number of changes since the contender was told. */
  #untold = 0;

  constructor(runtime: LocksRuntime, options: ClaimOptions, listener: OnClaimState) {
    this.#runtime = runtime;
    this.#options = options;
    this.listener = listener;
    this.keys = options.specs.map(({ key }) => key);
    this.#places = this.keys.map((key) => new Place(runtime.queues.at(key)));
    for (const { queue } of this.#places) queue.keep();
    this.#acquireRelease = new AcquireRelease(runtime, this);
  }

  get shape(): string | undefined {
    return this.#options.shape;
  }

  get token(): bigint | undefined {
    return this.#places[0]?.mine?.token;
  }

  get queued(): QueuedRequest | undefined {
    const [claim] = this.#requests;
    const mine = this.#places[0]?.mine;
    return claim && mine && { claim, mine };
  }

  get ids(): readonly string[] {
    return this.#places.flatMap(({ mine }) => mine?.id ?? []);
  }

  get what(): string {
    return `queue for ${this.keys.join(' + ')}`;
  }

  get timeout(): number {
    return this.session?.timing.attempt ?? this.#runtime.timing.attempt;
  }

  get limiter(): Limiter {
    return this.#runtime.limiter;
  }

  begin(): void {
    this.#runtime.sessions.join(this, this.keys[0]);
  }

  /** This claim leads an election: its election object writes proclamations over it, until it leaves. */
  leadsFor(ref: LeaderRef, key: string): void {
    ref.leader = { claim: this, key };
    this.#leadsFor.push(ref);
  }

  leave(handOff: boolean, keepUntil = 0): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#handsOff = handOff;
    this.#keepUntil = keepUntil;
    for (const ref of this.#leadsFor) if (ref.leader?.claim === this) ref.leader = undefined;
    this.#runtime.enqueueOrder.leave(this);
    this.#acquireRelease.release();
    // A claim that is kept needs the session until it has moved to a lease of its own.
    if (keepUntil === 0) this.#runtime.sessions.leave(this);
    const [place] = this.#places;
    if (this.#handedOff) place?.queue.notifyNext();
  }

  onSession(session: Session): void {
    const { meta, specs } = this.#options;
    const since = this.#runtime.time.date();
    this.session = session;
    this.#requests = specs.map(({ key, kind, permits, value }) => {
      return { key, kind, permits, value, lease: session.lease, id: this.#runtime.nextClaimId(), since, meta };
    });
    this.#runtime.enqueueOrder.join(this);
  }

  onSessionEnd(error: unknown): void {
    this.#tell(error instanceof ClaimLost ? { status: 'lost', loss: error } : { status: 'failed', error });
  }

  admitted(): void {
    // Claims on a lease past its deadline no longer hold, even if the timer of the deadline is late.
    const inTheWay = this.#isTry && this.session?.isAlive() ? this.#ownHolders() : [];
    if (inTheWay.length > 0) return this.#tell({ status: 'refused', holders: inTheWay });
    this.#acquireRelease.begin();
  }

  send(): Observable<EnqueueResult> {
    const { backend } = this.#runtime;
    const isWatched = this.#places.every(({ queue }) => queue.isLive);
    return backend.enqueue(this.#requests, this.timeout, this.#isTry ? 'try' : isWatched ? 'plain' : 'show');
  }

  use(answer: EnqueueResult): void {
    const { session } = this;
    this.#runtime.enqueueOrder.leave(this);
    if (answer.status === 'refused') {
      const { queues } = answer;
      return this.#tell({ status: 'refused', holders: queues.flatMap(holdersOf), queues });
    }
    // `gone()` tells all claims on the lease, this one included.
    if (answer.status === 'lease-gone' || !session) return session?.gone();
    const { revision, entries } = answer;
    this.#places.forEach((place, i) => (place.mine = entries[i]?.claim));
    for (const [i, place] of this.#places.entries()) {
      // Other claims are told by `join`, and sent by `enqueueOrder.leave`: one of their users may have ended this claim.
      if (this.#isLeaving) return;
      const { queue, mine } = place;
      if (mine) queue.join(mine, revision, session.lease, entries[i]?.queue, this.#onPlace(place));
    }
  }

  isGone(): void {
    for (const { queue, mine } of this.#places) if (mine) queue.gone(mine);
  }

  failed(error: unknown): void {
    this.#runtime.enqueueOrder.leave(this);
    this.#tell({ status: 'failed', error });
  }

  stop(): void {
    for (const { queue, mine } of this.#places) if (mine) queue.leaves(mine);
  }

  dispose(answer: EnqueueResult | undefined, isClear: boolean): Observable<unknown> {
    const there = answer?.status === 'queued' ? answer.entries.map(({ claim }) => claim) : undefined;
    // An unanswered attempt may still arrive at the server. It must then find that its claim was withdrawn.
    const queued = isClear ? there : undefined;
    if (there && this.#keepUntil > 0) return this.#kept$(there, queued);
    this.#handedOff = this.#handsOff && queued ? this.#handOff(queued) : undefined;
    return this.#isWorthLeaving(answer, isClear) ? this.#dequeued$(queued) : EMPTY;
  }

  disposed(): void {
    this.#handedOff?.over();
    for (const { queue } of this.#places) queue.release();
    this.#runtime.sessions.leave(this);
    this.#tell({ status: 'left' });
  }

  /**
   * Overwrites the claim with a new value, and repeats that until it is answered or the claim is no longer ours. Emits
   * whether it was written: if not, somebody else has deleted or overwritten the claim, and its contender is told so.
   */
  proclaimed$(key: string, value: string): Observable<boolean> {
    return defer(() => {
      const claim = this.#requests.find((one) => one.key === key);
      const place = this.#places.find(({ queue }) => queue.key === key);
      const { proclaim } = this.#runtime.backend;
      const { session } = this;
      const mine = place?.mine && place.queue.rewriting(place.mine, value);
      if (!proclaim || !claim || !mine || !session?.isAlive()) return of(false);
      return request(this.#runtime, {
        what: `proclaim at ${claim.key}`,
        timeout: this.timeout,
        send: () => proclaim(claim, mine, value, this.timeout),
        again: ({ retryable }) => retryable && session.isAlive(),
      }).pipe(
        switchMap(({ claim, revision }) => {
          if (!place.queue.rewritten(mine, claim, revision)) return of(false);
          // The server has the value of an earlier proclamation, whose answer was lost: write again.
          return claim?.value === value ? of(true) : this.proclaimed$(key, value);
        }),
      );
    });
  }

  get #isTry(): boolean {
    return this.#options.isTry;
  }

  /** Holders of this `Locks` that block a try: then the server need not be asked. */
  #ownHolders(): readonly Holder[] {
    return this.#places.flatMap(({ queue }, i) => {
      const spec = this.#options.specs[i];
      const holders = queue.holders().map(({ mine }) => mine);
      return spec && wouldWait(holders, spec) ? holders.map(holderOf) : [];
    });
  }

  #onPlace(place: Place): OnClaimState {
    return (state) => {
      if (state.status === 'wanted') this.revocation = state.revocation;
      else this.#stands(place, state);
      // After the deadline the claim went with its lease, even if the timer of the deadline is late.
      if (state.status === 'lost' && this.session?.isAlive() === false) return this.session.expired();
      if (state.status !== 'blocked' && state.status !== 'first') return this.#tell(state);
      if (this.#places.length === 1) return this.#tell(state);
      if (this.#isWorthTelling()) this.#tell(wholeOf(this.#places));
    };
  }

  #stands(place: Place, state: ClaimState): void {
    this.#known += Number(isStanding(state)) - Number(isStanding(place.state));
    this.#blocked += Number(state.status === 'blocked') - Number(place.state?.status === 'blocked');
    this.#untold += 1;
    place.state = state;
  }

  /**
   * Whether to report now. With many keys, which change one by one, not every change is reported; a change that may let
   * the claim hold always is.
   */
  #isWorthTelling(): boolean {
    if (this.#known < this.#places.length) return false;
    if (this.#blocked > CONFLATE_ABOVE && this.#untold < this.#blocked) return false;
    this.#untold = 0;
    return true;
  }

  #tell(state: ClaimState): void {
    if (state.status !== 'wanted') this.state = state;
    this.listener(state);
  }

  /** A claim of several keys is never handed off inside the process: the server acknowledges its release first. */
  #handOff([mine, ...others]: readonly QueuedClaim[]): HandedOff | undefined {
    return mine && others.length === 0 ? this.#places[0]?.queue.handOff(mine) : undefined;
  }

  /**
   * Whether the claim must be deleted by itself. Not if it was refused, and not if it is on a shared lease that has
   * ended or is about to end: the revoke of the lease deletes all its claims.
   */
  #isWorthLeaving(answer: EnqueueResult | undefined, isClear: boolean): boolean {
    const { session } = this;
    if (!session || answer?.status === 'lease-gone' || (answer?.status === 'refused' && isClear)) return false;
    const isOwnLease = session.lease.key !== undefined;
    return isOwnLease || (session.isAlive() && !this.#runtime.isClosed());
  }

  /**
   * Moves the claim to a lease of its own. Repeated until the time to keep it is over; until then the session holds it.
   */
  #kept$(there: readonly QueuedClaim[], queued: readonly QueuedClaim[] | undefined): Observable<unknown> {
    const { time, backend, settings } = this.#runtime;
    const { keep } = backend;
    if (!keep) return this.#dequeued$(queued);
    const id = leaseId();
    const lease = (): Lease => {
      const ttl = Math.max(1, this.#keepUntil - time.now());
      return { id, ttl, owner: settings.owner, key: this.session?.lease.key };
    };
    return request(this.#runtime, {
      what: `keep ${this.keys.join(' + ')}`,
      timeout: this.timeout,
      send: () => keep(this.#requests, there, lease(), this.timeout),
      again: () => time.now() < this.#keepUntil,
    }).pipe(catchError(() => this.#dequeued$(queued)));
  }

  /**
   * Deletes the claim. Repeated until the server has acknowledged or the lease has run out, even after a refusal:
   * nothing else would free the key.
   */
  #dequeued$(queued: readonly QueuedClaim[] | undefined): Observable<DequeueResult> {
    const { time, backend, timing } = this.#runtime;
    const { attempt, ttl } = this.session?.timing ?? timing;
    const giveUpAt = time.now() + 2 * ttl;
    const successor = this.#handedOff?.successor;
    const dequeued$ = request(this.#runtime, {
      what: `release ${this.keys.join(' + ')}`,
      timeout: attempt,
      send: () => backend.dequeue(this.#requests, queued, attempt, successor),
      // Also after a refusal: an administrator may free space or mend a role meanwhile.
      again: () => time.now() < giveUpAt || (this.session?.isAlive() ?? false),
    });
    if (!successor) return dequeued$;
    return dequeued$.pipe(
      tap((answer) => {
        if (answer.successor === 'gone') this.#places[0]?.queue.gone(successor);
      }),
    );
  }
}

const isStanding = (state: ClaimState | undefined): state is Standing =>
  state?.status === 'blocked' || state?.status === 'first';

/** The state of a claim of several keys, whose states are all known: it holds if it is first at every key. */
function wholeOf(places: readonly Place[]): ClaimState {
  const states = places.flatMap(({ state }) => (isStanding(state) ? state : []));
  const blocked = states.filter((state) => state.status === 'blocked');
  if (blocked.length > 0) {
    const ahead = blocked.reduce((most, one) => Math.max(most, one.ahead ?? 0), 0);
    return { status: 'blocked', ahead, holders: blocked.flatMap(({ holders }) => holders) };
  }
  const settled$ = from(states).pipe(mergeMap((state) => (state.status === 'first' && state.settled$) || EMPTY));
  return { status: 'first', settled$ };
}
