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

/** The candidate of an election object that leads, if any of them does. */
export interface LeaderRef {
  leader: { readonly claim: Claim; readonly key: string } | undefined;
}

/** What one claim asks for. */
export interface ClaimOptions {
  readonly specs: readonly LockSpec[];
  readonly isTry: boolean;
  /** What it asks for, in one string: claims of one shape are interchangeable. Nothing where none is. */
  readonly shape: string | undefined;
  readonly meta: JsonValue | undefined;
}

/** Of a claim that is blocked at more keys than these, its contender is told half of the time at most: each time all of them are looked at. */
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
 * With several keys there is no deadlock: all claims of a transaction have one revision, and that is their place in
 * every queue. Of two who want the same keys one is before the other in all of them.
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
  /** Until when it is to stay on the server, once it has left. */
  #keepUntil = 0;
  #handedOff: HandedOff | undefined;
  /** At how many of its keys it is known where it stands, and at how many of these it is blocked. */
  #known = 0;
  #blocked = 0;
  /** How often that has changed since its contender was told. */
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

  /** Of a candidate that holds: what is proclaimed by its election object is written over this claim, until it leaves. */
  leadsFor(ref: LeaderRef, key: string): void {
    ref.leader = { claim: this, key };
    this.#leadsFor.push(ref);
  }

  leave(handOff: boolean, keepUntil = 0): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#handsOff = handOff && keepUntil === 0;
    this.#keepUntil = keepUntil;
    for (const ref of this.#leadsFor) if (ref.leader?.claim === this) ref.leader = undefined;
    this.#runtime.enqueueOrder.leave(this);
    this.#acquireRelease.release();
    // What is to stay needs the session until it has moved to a lease of its own.
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
    // What was held on a lease past its deadline is held no more, though the timer that says so is late.
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
    // All claims on the lease are told, this one, too.
    if (answer.status === 'lease-gone' || !session) return session?.gone();
    const { revision, entries } = answer;
    this.#places.forEach((place, i) => (place.mine = entries[i]?.claim));
    for (const [i, place] of this.#places.entries()) {
      const { queue, mine } = place;
      if (mine) queue.join(mine, revision, session.lease, entries[i]?.queue, this.#onPlace(place));
      // Others are told on the way, and may have ended this one.
      if (this.#isLeaving) return;
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
    // An attempt that was not answered may arrive after all, and must find its claim withdrawn.
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
   * Writes another value over it, asked until answered or no longer ours. Emits whether it was: if not, somebody else
   * has deleted it or written over it, and its contender is told so.
   */
  proclaimed$(key: string, value: string): Observable<boolean> {
    return defer(() => {
      const claim = this.#requests.find((one) => one.key === key);
      const place = this.#places.find(({ queue }) => queue.key === key);
      const { proclaim } = this.#runtime.backend;
      const mine = place?.mine && place.queue.rewriting(place.mine, value);
      if (!proclaim || !claim || !mine || !this.session?.isAlive()) return of(false);
      return request(this.#runtime, {
        what: `proclaim at ${claim.key}`,
        timeout: this.timeout,
        send: () => proclaim(claim, mine, value, this.timeout),
        again: ({ retryable }) => retryable && (this.session?.isAlive() ?? false),
      }).pipe(
        switchMap(({ claim, revision }) => {
          if (!place.queue.rewritten(mine, claim, revision)) return of(false);
          // What is there is what an earlier proclamation wrote, whose answer was lost.
          return claim?.value === value ? of(true) : this.proclaimed$(key, value);
        }),
      );
    });
  }

  get #isTry(): boolean {
    return this.#options.isTry;
  }

  /** Claims of this `Locks` that hold and would keep a try out: the server need not be asked. */
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
      // Past the deadline it went with its lease, and the timer that would have said so is late.
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

  /** Each change is told only where that costs little, or where it may hold now: thousands of keys change one by one. */
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

  /** Of several keys never within the process: the acknowledgement comes first. */
  #handOff([mine, ...others]: readonly QueuedClaim[]): HandedOff | undefined {
    return mine && others.length === 0 ? this.#places[0]?.queue.handOff(mine) : undefined;
  }

  /**
   * There is nothing to leave for a claim that was not let in, nor on a lease shared with others that has ended or is
   * about to: its revoke takes all its claims along.
   */
  #isWorthLeaving(answer: EnqueueResult | undefined, isClear: boolean): boolean {
    const { session } = this;
    if (!session || answer?.status === 'lease-gone' || (answer?.status === 'refused' && isClear)) return false;
    const isOwnLease = session.lease.key !== undefined;
    return isOwnLease || (session.isAlive() && !this.#runtime.isClosed());
  }

  /** As long as it is to stay it is asked for, and the session holds it; then there is nothing more to be kept. */
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

  /** Asked until acknowledged, whatever the answer, or until the lease has run out: nothing else would ever free the key. */
  #dequeued$(queued: readonly QueuedClaim[] | undefined): Observable<DequeueResult> {
    const { time, backend, timing } = this.#runtime;
    const { attempt, ttl } = this.session?.timing ?? timing;
    const giveUpAt = time.now() + 2 * ttl;
    const successor = this.#handedOff?.successor;
    const dequeued$ = request(this.#runtime, {
      what: `release ${this.keys.join(' + ')}`,
      timeout: attempt,
      send: () => backend.dequeue(this.#requests, queued, attempt, successor),
      // Refused for good, too: a server out of space, a role that is changed, are put right some day.
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

/** Where a claim of several keys stands, which is known of each: it holds where it is first everywhere. */
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
