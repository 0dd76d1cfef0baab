/**
 * The queue at one key: what is known of it, our claims in it, and the states that their contenders are told.
 */
import { Observable, Subject, defer, from, mergeMap } from 'rxjs';
import type { Subscription } from 'rxjs';
import { holding } from '../../rules/blockers.js';
import type { Holder } from '../../api/ownership.js';
import type { OnClaimState } from '../claim-state.js';
import { ClaimLost } from '../session.js';
import {
  changedPart,
  indexOf,
  isAsBefore,
  isLost,
  isRevocationRequest,
  isUnmodified,
  placeFor,
  placeOf,
  without,
} from '../../rules/place.js';
import type { Lease, Queue, QueuedClaim } from '../../backend/port.js';
import { ATTEMPTS } from '../io/request.js';
import { isSameRevocation } from '../../api/revocation.js';
import type { Runtime } from '../runtime.js';
import { ListWatch } from './list-watch.js';
import type { WatchHandler } from './list-watch.js';
import type { Resyncable } from './resync.js';
import { claimToWaitFor, isFar } from '../../rules/far.js';
import { Waiter } from './waiter.js';
import type { FollowedQueue } from './waiter.js';
import { holderOf } from '../../rules/ownership.js';

/** The queue as it is known, or why it is not known. */
export type View =
  { readonly status: 'known'; readonly queue: Queue } | { readonly status: 'unknown'; readonly cause: Error };

/** A hand-off: the claim that holds now, and the function to call when the release is acknowledged. */
export interface HandedOff {
  readonly successor: QueuedClaim;
  over(): void;
}

/** The owner of a key queue. */
export interface KeyQueueOwner {
  /** The queue is watched from now on, so the resync must visit it. */
  followed(queue: KeyQueue): void;
  /** The queue has no claims of ours and no observers any more. */
  empty(queue: KeyQueue): void;
}

/**
 * When more than this number of our waiters are told of a change, further changes are conflated: at most
 * `UPDATES_PER_TTL` reports in a ttl.
 */
const CONFLATE_ABOVE = 16;
const UPDATES_PER_TTL = 100;

/** Milliseconds until a holder without contention opens a watch. Most are released before that. */
const WATCH_AFTER = 50;

/** How long a watch stays open without a use, milliseconds at most: a lock that is acquired often then reuses it. */
const IDLE_MS = 500;

const NOBODY: readonly Waiter[] = [];
const NO_CLAIMS: readonly QueuedClaim[] = [];

/** The lower of two tokens; `undefined` counts as none. */
const least = (a: bigint | undefined, b: bigint | undefined): bigint | undefined =>
  a === undefined || (b !== undefined && b < a) ? b : a;

export class KeyQueue implements WatchHandler<Queue>, Resyncable, FollowedQueue {
  readonly key: string;
  readonly #runtime: Runtime;
  readonly #owner: KeyQueueOwner;
  readonly #watchAfter: number;

  /** Our claims in the queue, in the order of their tokens. */
  #waiters: Waiter[] = [];
  /** The queue as the server showed it last. */
  #queue: Queue | undefined;
  /** The claims of that queue, without those of ours that were handed off. */
  #claims: readonly QueuedClaim[] = [];
  #handedOff: Map<QueuedClaim, Subject<never>> | undefined;
  // What remains to be told. Mostly one claim of many comes or goes, so a token stands for all from it on.
  /** These may have left the queue: {@link #tellLost}. */
  #maybeLost = NOBODY;
  /** From this token on, claims may have become first or been asked to release: {@link #tellFirst}. */
  #firstFrom: bigint | undefined;
  /** From this token on, waiters may have moved up: {@link #tellWaiting}, which may put it off. */
  #movedFrom: bigint | undefined;
  /** From this token on, waiters may be new, without a place yet: {@link #tellWaiting}, which does not put it off. */
  #newFrom: bigint | undefined;
  #isTelling = false;

  /** The number of our claims that are being queued, are queued, or are leaving. */
  #kept = 0;
  #listWatch: ListWatch<Queue> | undefined;
  #followers = 0;
  #idle: Subscription | undefined;
  #isLive = false;
  /** Far from the head: nothing is told before this claim has left or changed. */
  #awaited: QueuedClaim | undefined;
  #lost: Error | undefined;
  #views: Subject<View> | undefined;
  #conflating: Subscription | undefined;

  constructor(runtime: Runtime, key: string, owner: KeyQueueOwner) {
    this.#runtime = runtime;
    this.key = key;
    this.#owner = owner;
    this.#watchAfter = Math.min(WATCH_AFTER, runtime.timing.renewEvery);
  }

  /** Whether the queue is being watched, so that what is known of it is up to date. */
  get isLive(): boolean {
    return this.#isLive;
  }

  /** A claim is about to be queued: this object stays until the claim has left. */
  keep(): void {
    this.#kept += 1;
  }

  release(): void {
    this.#kept -= 1;
    this.#forgetIfEmpty();
  }

  /**
   * Our claim is in the queue, as of this revision. It is told its state at once if the queue is known, and at each
   * change.
   */
  join(mine: QueuedClaim, revision: bigint, lease: Lease, queue: Queue | undefined, tell: OnClaimState): void {
    const waiter = new Waiter(this, mine, revision, lease, tell);
    // Mostly it is the only one, and an array that grows takes room for sixteen more.
    if (this.#waiters.length === 0) this.#waiters = [waiter];
    else this.#waiters.splice(placeFor(this.#waiters, mine.token), 0, waiter);
    if (queue) this.#adopt(queue);
    this.#maybeLost = [...this.#maybeLost, waiter];
    this.#firstFrom = least(this.#firstFrom, mine.token);
    this.#newFrom = least(this.#newFrom, mine.token);
    this.#tell();
    if (waiter.status === 'first') this.#runtime.deadlines.set(this.#watchAfter, waiter);
    else this.follow(waiter);
    // It was sent while the whole queue was followed, so its answer does not show the queue; now nothing else would.
    if (this.#awaited && this.#queue && this.#queue.revision < mine.token) this.readAgain();
  }

  /**
   * The views of the queue: emits the latest at once, then each change. With `fresh`, the first view is read after the
   * subscription. `from`: a view that an answer has just shown.
   */
  view$(fresh: boolean, from?: Queue): Observable<View> {
    return new Observable((subscriber) => {
      if (from) {
        this.#adopt(from);
        this.#tell();
      }
      const views = (this.#views ??= new Subject());
      const listening = views.subscribe(subscriber);
      // A watched view may lag behind an answer that this client just got, so the queue is read again. Not during an
      // outage: the next attempt reads anyway.
      const isBehind = fresh || this.#awaited !== undefined;
      const isStale = isBehind && this.#listWatch !== undefined && this.#lost === undefined;
      if (this.#isLive && this.#queue && !isStale) subscriber.next({ status: 'known', queue: this.#queue });
      else if (this.#lost) subscriber.next({ status: 'unknown', cause: this.#lost });
      this.#follow(from && this.#queue);
      if (isStale) this.readAgain();
      // An observer, such as a dashboard, keeps the process alive, also during an outage.
      const awake = this.#runtime.time.awake();
      return () => {
        awake.unsubscribe();
        listening.unsubscribe();
        if (!views.observed) this.#views = undefined;
        this.#unfollow();
      };
    });
  }

  /** From now on the waiter is told of changes on the server. */
  follow(waiter: Waiter): void {
    if (waiter.status === 'over' || waiter.isFollowing) return;
    waiter.isFollowing = true;
    this.#follow(this.#queue);
  }

  /** Our claim is about to leave: it is not told anything more. */
  leaves(mine: QueuedClaim): void {
    const waiter = this.#waiterOf(mine);
    if (waiter) this.#part(waiter);
  }

  /**
   * Ignores our claim from now on, if the next claim is also ours: the next one then holds. Its place and its token
   * have been fixed since it queued, nobody can come between the two, and both are on the same lease.
   * {@link notifyNext} tells it.
   */
  handOff(mine: QueuedClaim): HandedOff | undefined {
    // The usual case: no claim of ours is behind it.
    if (this.#lost || this.#waiters.length === 0) return undefined;
    const rest = without(this.#claims, mine.token);
    const successor = holding(rest).find((claim) => {
      const status = this.#waiterOf(claim)?.status;
      return status === 'new' || status === 'blocked';
    });
    if (!successor) return undefined;
    const over = new Subject<never>();
    this.#handedOff ??= new Map();
    this.#handedOff.set(mine, over);
    this.#claims = rest;
    this.#changed(mine.token);
    return { successor, over: () => over.complete() };
  }

  notifyNext(): void {
    this.#tell();
  }

  /** We are about to overwrite our claim with this value. Returns the claim as it is known, if it is in the queue. */
  rewriting(mine: QueuedClaim, value: string): QueuedClaim | undefined {
    const waiter = this.#waiterOf(mine);
    if (!waiter) return undefined;
    (waiter.proposed ??= new Set()).add(value);
    return waiter.mine;
  }

  /**
   * The answer to that write: the claim as the server has it now. Returns whether it is still ours; if not, its
   * contender is told.
   */
  rewritten(mine: QueuedClaim, found: QueuedClaim | undefined, revision: bigint): boolean {
    const waiter = this.#waiterOf(mine);
    if (!waiter) return false;
    if (found && isUnmodified(found, waiter)) {
      waiter.mine = found;
      waiter.knownAt = revision;
      waiter.proposed = undefined;
      return true;
    }
    this.#end(waiter, found ? 'overwritten' : 'deleted');
    return false;
  }

  /** The server said that the claim is no longer there. */
  gone(mine: QueuedClaim): void {
    const waiter = this.#waiterOf(mine);
    if (waiter) this.#end(waiter);
  }

  /** Reads the queue again if that is due. Returns whether the queue is still watched. */
  resync(): boolean {
    if (!this.#listWatch) return false;
    // Only for waiters and observers. Holders are checked by the audit of their lease.
    if (this.#views || this.#waiters.some(({ status }) => status !== 'first')) this.#listWatch.readAgainIfDue();
    return true;
  }

  /** Our claims that hold. */
  holders(): readonly Waiter[] {
    return this.#waiters.filter(({ status }) => status === 'first');
  }

  /** An event may have been missed: read the queue again. */
  readAgain(): void {
    this.#listWatch?.start();
  }

  /** The view may be out of date: the watch did not answer. */
  markStale(cause: unknown): void {
    this.#listWatch?.broken(cause);
  }

  /** Ends the watch; the streams of observers complete. */
  stop(): void {
    this.#views?.complete();
    this.#idle?.unsubscribe();
    this.#listWatch?.stop();
    this.#listWatch = undefined;
    this.#isLive = false;
    this.#lost = undefined;
    this.#conflating?.unsubscribe();
    this.#conflating = undefined;
    this.#forgetIfEmpty();
  }

  #part(waiter: Waiter): void {
    if (waiter.status === 'first' && !waiter.isFollowing) this.#runtime.deadlines.clear(this.#watchAfter, waiter);
    waiter.status = 'over';
    this.#waiters.splice(indexOf(this.#waiters, waiter.token), 1);
    if (waiter.isFollowing) this.#unfollow();
    this.#forgetView();
  }

  #follow(from: Queue | undefined): void {
    this.#followers += 1;
    if (this.#listWatch) return;
    this.#listWatch = new ListWatch(this.#runtime, this);
    this.#owner.followed(this);
    this.#listWatch.start(from);
  }

  /** The watch stays open for a while: a client that releases often queues again at once. */
  #unfollow(): void {
    this.#followers -= 1;
    if (this.#followers > 0) return;
    const { backend, time, timing } = this.#runtime;
    // Who queues again would be far from the head, and follow one claim.
    if (isFar(this.#claims.length, backend.near)) return this.stop();
    // It must end, since an open watch keeps the process alive.
    this.#idle?.unsubscribe();
    this.#idle = time.after(Math.min(IDLE_MS, timing.renewEvery)).subscribe(() => {
      if (this.#followers === 0) this.stop();
    });
  }

  #forgetIfEmpty(): void {
    this.#forgetView();
    if (this.#kept === 0 && this.#followers === 0 && !this.#listWatch) this.#owner.empty(this);
  }

  /**
   * A claim that is leaving may keep this object for long. Unwatched, it must not compare what it knew with a later
   * view: the server may have been restored from a backup meanwhile.
   */
  #forgetView(): void {
    if (!this.#listWatch && this.#waiters.length === 0) this.#queue = undefined;
  }

  watch(timeout: number, from: Queue | undefined): Observable<Queue> {
    this.#awaited = from && this.#toWaitFor(from);
    return this.#runtime.backend.queue(this.key, timeout, from, this.#awaited);
  }

  seen(queue: Queue): void {
    if (this.#awaited && !isAsBefore(queue.claims, this.#awaited)) this.#awaited = undefined;
    this.#isLive = this.#awaited === undefined;
    this.#lost = undefined;
    this.#adopt(queue);
    this.#tell();
    if (this.#queue) this.#views?.next({ status: 'known', queue: this.#queue });
    if (this.#isLive && this.#queue && this.#toWaitFor(this.#queue)) this.#listWatch?.start(this.#queue);
  }

  /** Holders and observers must hear of each change, and so must waiters near the head. */
  #toWaitFor({ claims, revision }: Queue): QueuedClaim | undefined {
    const [first] = this.#waiters;
    const newest = this.#waiters.at(-1);
    if (!first || first.status === 'first' || this.#views) return undefined;
    // A claim that is newer than the view has no place yet: only the whole queue shows it.
    if (newest && newest.token > revision) return undefined;
    return claimToWaitFor(claims, first.mine, this.#runtime.backend.near);
  }

  unknown(cause: Error, failures: number): void {
    this.#isLive = false;
    this.#lost = cause;
    // Forgotten, since the next view may be older: a server may have been restored from a backup.
    this.#queue = undefined;
    this.#views?.next({ status: 'unknown', cause });
    if (failures < ATTEMPTS) return;
    // A copy: a user that is told may end other waiters.
    for (const waiter of [...this.#waiters])
      if (waiter.status === 'new') waiter.tell({ status: 'failed', error: cause });
  }

  /** Takes over a newer view. An answer may be older than an event of the watch. */
  #adopt(queue: Queue): void {
    if (this.#queue && queue.revision < this.#queue.revision) return;
    this.#compare(this.#queue?.claims, queue.claims);
    this.#queue = queue;
    this.#claims = queue.claims;
    if (!this.#handedOff) return;
    for (const left of this.#handedOff.keys()) {
      // Another claim may have its token: after a restore of the server from a backup, tokens repeat.
      if (queue.claims[indexOf(queue.claims, left.token)]?.id !== left.id) this.#handedOff.delete(left);
      else this.#claims = without(this.#claims, left.token);
    }
    if (this.#handedOff.size === 0) this.#handedOff = undefined;
  }

  /** Notes what is to be told of the difference between two views. */
  #compare(before: readonly QueuedClaim[] = NO_CLAIMS, after: readonly QueuedClaim[]): void {
    const { start, end } = changedPart(before, after);
    const first = before[start]?.token;
    const last = before[end - 1]?.token;
    if (before === NO_CLAIMS) this.#maybeLost = this.#waiters.slice();
    else if (first !== undefined && last !== undefined)
      this.#maybeLost = [...this.#maybeLost, ...this.#between(first, last)];
    this.#changed(least(first, after[start]?.token));
  }

  /** The queue is another one from this token on; `undefined` for nowhere. */
  #changed(from: bigint | undefined): void {
    this.#firstFrom = least(this.#firstFrom, from);
    this.#movedFrom = least(this.#movedFrom, from);
  }

  /** Our claims with a token from `first` to `last`. */
  #between(first: bigint, last: bigint): readonly Waiter[] {
    return this.#waiters.slice(placeFor(this.#waiters, first), placeFor(this.#waiters, last + 1n));
  }

  /**
   * Tells waiters in a loop: a user that is told may release, withdraw or queue at once, and a long chain of these must
   * not recurse.
   */
  #tell(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      do this.#tellLost();
      while (this.#tellFirst());
    } finally {
      this.#isTelling = false;
    }
    this.#tellWaiting();
  }

  #tellLost(): void {
    const queue = this.#queue;
    const asked = this.#maybeLost;
    if (!queue || asked.length === 0) return;
    // A view that is older than the claim says nothing about it: the next view will.
    const isEarly = ({ knownAt }: Waiter): boolean => knownAt > queue.revision;
    this.#maybeLost = asked.some(isEarly) ? asked.filter(isEarly) : NOBODY;
    for (const waiter of asked) if (isLost(queue, waiter)) this.#end(waiter);
  }

  /** Tells new holders and requests to release. Returns whether something has changed meanwhile. */
  #tellFirst(): boolean {
    const claims = this.#claims;
    const from = this.#firstFrom;
    if (from === undefined) return false;
    this.#firstFrom = undefined;
    const first = holding(claims);
    let place = placeFor(first, from);
    try {
      for (let claim = first[place]; claim && claims === this.#claims; claim = first[place]) {
        const waiter = this.#waiterOf(claim);
        if (waiter && waiter.status !== 'first') this.#makeFirst(waiter);
        if (waiter?.status === 'first') this.#tellWanted(waiter, claim);
        place += 1;
      }
    } finally {
      // After a throw or a change: the claims behind the one told last remain to be told.
      this.#firstFrom = least(this.#firstFrom, first[place]?.token);
    }
    return this.#firstFrom !== undefined;
  }

  #makeFirst(waiter: Waiter): void {
    waiter.status = 'first';
    if (!this.#handedOff) return waiter.tell({ status: 'first' });
    const settled$ = defer(() => {
      const before = [...(this.#handedOff ?? [])].filter(([{ token }]) => token < waiter.token);
      return from(before).pipe(mergeMap(([, over]) => over));
    });
    waiter.tell({ status: 'first', settled$ });
  }

  #tellWanted(waiter: Waiter, claim: QueuedClaim): void {
    const { revocation } = claim;
    if (revocation === waiter.revocation || !revocation || !isRevocationRequest(claim, waiter.mine)) return;
    waiter.mine = claim;
    // An older answer that arrives late does not have the request yet, and must not count.
    if (this.#queue && this.#queue.revision > waiter.knownAt) waiter.knownAt = this.#queue.revision;
    if (isSameRevocation(revocation, waiter.revocation)) return;
    waiter.revocation = revocation;
    waiter.tell({ status: 'wanted', revocation });
  }

  #end(waiter: Waiter, reason: 'deleted' | 'overwritten' = 'deleted'): void {
    const { status, mine, revocation } = waiter;
    if (status === 'over') return;
    this.#part(waiter);
    const place = placeOf(this.#claims, mine);
    const { reason: why, by } = place.status === 'gone' ? place : { reason, by: undefined };
    // When the time of a request is over, the claim may be deleted without another message. The reason is then still
    // `revoked`.
    const isTaken = why === 'deleted' && revocation && revocation.within < Infinity;
    const loss = isTaken ? new ClaimLost('revoked', undefined, { revocation }) : new ClaimLost(why, undefined, by);
    waiter.tell({ status: 'lost', loss });
  }

  /** Tells new waiters immediately, and throttles updates to the others. */
  #tellWaiting(): void {
    const isDue = this.#conflating === undefined;
    const from = isDue ? least(this.#movedFrom, this.#newFrom) : this.#newFrom;
    const revision = this.#queue?.revision;
    if (from === undefined || revision === undefined) return;
    const waiting = this.#between(from, revision).filter(
      ({ status }) => status === 'new' || (isDue && status === 'blocked'),
    );
    if (isDue) this.#movedFrom = undefined;
    const holders = waiting.length > 0 ? holding(this.#claims).map(holderOf) : [];
    const told = waiting.filter((waiter) => this.#tellBlocked(waiter, holders));
    // The claims that are newer than the known queue.
    this.#newFrom = this.#waiters[placeFor(this.#waiters, revision + 1n)]?.token;
    if (told.length <= CONFLATE_ABOVE || !isDue) return;
    const { time, settings } = this.#runtime;
    this.#conflating = time.after(Math.ceil(settings.ttl / UPDATES_PER_TTL)).subscribe(() => {
      this.#conflating = undefined;
      this.#tellWaiting();
    });
  }

  /** Returns whether there was anything to tell. */
  #tellBlocked(waiter: Waiter, holders: readonly Holder[]): boolean {
    const place = placeOf(this.#claims, waiter.mine);
    const front = this.#claims[0]?.token;
    if (waiter.status === 'over' || place.status !== 'blocked') return false;
    const isSame = waiter.ahead === place.ahead && waiter.front === front && waiter.holders === holders.length;
    if (waiter.status === 'blocked' && isSame) return false;
    waiter.status = 'blocked';
    waiter.ahead = place.ahead;
    waiter.front = front;
    waiter.holders = holders.length;
    waiter.tell({ status: 'blocked', ahead: place.ahead, holders });
    return true;
  }

  /** By its id, too: after a restore of the server from a backup, tokens repeat. */
  #waiterOf({ token, id }: QueuedClaim): Waiter | undefined {
    const waiter = this.#waiters[indexOf(this.#waiters, token)];
    return waiter?.mine.id === id ? waiter : undefined;
  }
}
