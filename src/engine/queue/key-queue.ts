/**
 * The line at one key: our claims in it, what is known of the queue there, and who is told what.
 */
import { AsyncSubject, Observable, Subject, defer, from, mergeMap } from 'rxjs';
import type { Subscription } from 'rxjs';
import { holding } from '../../rules/blockers.js';
import type { Holder } from '../../api/ownership.js';
import type { OnClaimState } from '../claim-state.js';
import { ClaimLost } from '../session.js';
import {
  changedPart,
  indexOf,
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
import { Waiter } from './waiter.js';
import type { FollowedQueue } from './waiter.js';
import { holderOf } from '../../rules/ownership.js';

/** The queue as far as we know it, or why we do not. */
export type View =
  { readonly status: 'known'; readonly queue: Queue } | { readonly status: 'unknown'; readonly cause: Error };

/** A claim handed off: who holds now, and what to call when its own release is over. */
export interface HandedOff {
  readonly successor: QueuedClaim;
  over(): void;
}

/** Those around a line. */
export interface KeyQueueOwner {
  /** The line is followed from now on: to be patrolled. */
  followed(queue: KeyQueue): void;
  /** Nobody is in it any more, and nobody looks at it. */
  empty(queue: KeyQueue): void;
}

/** Where more than these wait here, what they are told of who is ahead is conflated: so many times a ttl at most. */
const CONFLATE_ABOVE = 16;
const UPDATES_PER_TTL = 100;

/** An uncontended lock is mostly given back before a watch on it would pay; a deletion is told within 100 ms. */
const WATCH_AFTER = 50;

/** How long a watch stays open that nobody needs, at most: a lock that is taken often need not open a new one each time. */
const IDLE_MS = 500;

const NOBODY: readonly Waiter[] = [];
const NO_CLAIMS: readonly QueuedClaim[] = [];

/** The lower one of two tokens, of those that there are. */
const least = (a: bigint | undefined, b: bigint | undefined): bigint | undefined =>
  a === undefined || (b !== undefined && b < a) ? b : a;

export class KeyQueue implements WatchHandler<Queue>, Resyncable, FollowedQueue {
  readonly key: string;
  readonly #runtime: Runtime;
  readonly #owner: KeyQueueOwner;
  readonly #watchAfter: number;

  /** Ours that are in, in the order of their tokens. */
  #waiters: Waiter[] = [];
  /** As the server showed it last. */
  #queue: Queue | undefined;
  /** Of the queue, those that count: without the claims of ours that were handed off. */
  #claims: readonly QueuedClaim[] = [];
  #handedOff: Map<bigint, AsyncSubject<unknown>> | undefined;
  // What is left to be told is known by the tokens from which on something changed: mostly one claim of many comes or goes.
  /** Ours that may not be in it any more. */
  #suspects = NOBODY;
  /** Who holds, and what is asked of whom. */
  #changedFrom: bigint | undefined;
  /** Where those stand that have been told where they stood. */
  #movedFrom: bigint | undefined;
  /** Where those stand that have not been told anything. */
  #unheardFrom: bigint | undefined;
  #isTelling = false;

  /** Entries that are on their way in, in, or on their way out. */
  #kept = 0;
  #listWatch: ListWatch<Queue> | undefined;
  #followers = 0;
  #idle: Subscription | undefined;
  #isLive = false;
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

  /** An entry is about to come: the line stays until it has left. */
  keep(): void {
    this.#kept += 1;
  }

  release(): void {
    this.#kept -= 1;
    this.#forgetIfEmpty();
  }

  /** Our claim is in, so as it was at that revision: it is told where it stands, at once if that is known, and at each change. */
  join(mine: QueuedClaim, revision: bigint, lease: Lease, queue: Queue | undefined, tell: OnClaimState): void {
    const waiter = new Waiter(this, mine, revision, lease, tell);
    // Mostly it is the only one, and an array that grows takes room for sixteen more.
    if (this.#waiters.length === 0) this.#waiters = [waiter];
    else this.#waiters.splice(placeFor(this.#waiters, mine.token), 0, waiter);
    if (queue) this.#adopt(queue);
    this.#suspects = [...this.#suspects, waiter];
    this.#changedFrom = least(this.#changedFrom, mine.token);
    this.#unheardFrom = least(this.#unheardFrom, mine.token);
    this.#tell();
    if (waiter.status === 'first') this.#runtime.deadlines.set(this.#watchAfter, waiter);
    else this.follow(waiter);
  }

  /** The views of the queue: the latest at once, then each change. `fresh`: the first is read after the subscription. */
  view$(fresh: boolean, from?: Queue): Observable<View> {
    return new Observable((subscriber) => {
      if (from) {
        this.#adopt(from);
        this.#tell();
      }
      const views = (this.#views ??= new Subject());
      const listening = views.subscribe(subscriber);
      // A view that is followed, or is about to be from an earlier one on, lags behind what this client was just told: it is
      // read again. Not while nobody answers: the next attempt reads.
      const isStale = fresh && this.#listWatch !== undefined && this.#lost === undefined;
      if (this.#isLive && this.#queue && !isStale) subscriber.next({ status: 'known', queue: this.#queue });
      else if (this.#lost) subscriber.next({ status: 'unknown', cause: this.#lost });
      this.#follow(from && this.#queue);
      if (isStale) this.#listWatch?.start();
      // A dashboard goes on though nothing else does, also while the server is gone.
      const awake = this.#runtime.time.awake();
      return () => {
        awake.unsubscribe();
        listening.unsubscribe();
        if (!views.observed) this.#views = undefined;
        this.#unfollow();
      };
    });
  }

  /** From now on the waiter is told of what happens on the server. */
  follow(waiter: Waiter): void {
    if (waiter.status === 'over' || waiter.isFollowing) return;
    waiter.isFollowing = true;
    this.#follow(this.#queue);
  }

  /** Our claim is about to leave: it is told nothing more. */
  leaves({ token }: QueuedClaim): void {
    const waiter = this.#waiters[indexOf(this.#waiters, token)];
    if (waiter) this.#part(waiter);
  }

  /**
   * Takes our claim out of what counts, if the claim right behind it is ours, too: that one holds then. Its place and
   * its token have been fixed since it queued, nobody can come between, and the lease is the same.
   * {@link notifyNext} tells it.
   */
  handOff(mine: QueuedClaim): HandedOff | undefined {
    // Mostly nobody of ours is behind it.
    if (this.#lost || this.#waiters.length === 0) return undefined;
    const rest = without(this.#claims, mine.token);
    const successor = holding(rest).find((claim) => {
      const status = this.#waiterOf(claim)?.status;
      return status === 'new' || status === 'blocked';
    });
    if (!successor) return undefined;
    const over = new AsyncSubject();
    this.#handedOff ??= new Map();
    this.#handedOff.set(mine.token, over);
    this.#claims = rest;
    this.#changedFrom = least(this.#changedFrom, mine.token);
    this.#movedFrom = least(this.#movedFrom, mine.token);
    return { successor, over: () => over.complete() };
  }

  notifyNext(): void {
    this.#tell();
  }

  /** The value is about to be written over our claim, by us. Returns the claim as it is known to be, if it is in. */
  rewriting({ token }: QueuedClaim, value: string): QueuedClaim | undefined {
    const waiter = this.#waiters[indexOf(this.#waiters, token)];
    if (!waiter) return undefined;
    (waiter.proposed ??= new Set()).add(value);
    return waiter.mine;
  }

  /** So it is now. Says whether it is ours still; else it is told. */
  rewritten({ token }: QueuedClaim, found: QueuedClaim | undefined, revision: bigint): boolean {
    const waiter = this.#waiters[indexOf(this.#waiters, token)];
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

  /** The server says that the claim is not there any more. */
  gone({ token }: QueuedClaim): void {
    const waiter = this.#waiters[indexOf(this.#waiters, token)];
    if (waiter) this.#end(waiter);
  }

  /** Looks after the watch, once in a while; says whether there is one. */
  resync(): boolean {
    if (!this.#listWatch) return false;
    // Holders are told by the audit of their lease, and an idle watch is about to end.
    if (this.#views || this.#waiters.some(({ status }) => status !== 'first')) this.#listWatch.readAgainIfDue();
    return true;
  }

  /** Ours that hold. */
  holders(): readonly Waiter[] {
    return this.#waiters.filter(({ status }) => status === 'first');
  }

  /** There are signs that an event was missed. */
  readAgain(): void {
    this.#listWatch?.start();
  }

  /** What was told of late cannot be relied on. */
  markStale(cause: unknown): void {
    this.#listWatch?.broken(cause);
  }

  /** Watches no more; who looks at it is told the end. */
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
    if (waiter.status === 'over') return;
    if (waiter.status === 'first' && !waiter.isFollowing) this.#runtime.deadlines.clear(this.#watchAfter, waiter);
    waiter.status = 'over';
    this.#waiters.splice(indexOf(this.#waiters, waiter.token), 1);
    if (waiter.isFollowing) this.#unfollow();
  }

  #follow(from: Queue | undefined): void {
    this.#followers += 1;
    if (this.#listWatch) return;
    this.#listWatch = new ListWatch(this.#runtime, this);
    this.#owner.followed(this);
    this.#listWatch.start(from);
  }

  /** The watch stays for a while: who releases often queues again at once. */
  #unfollow(): void {
    this.#followers -= 1;
    if (this.#followers > 0) return;
    const { time, timing } = this.#runtime;
    // An open watch would keep the process alive.
    this.#idle?.unsubscribe();
    this.#idle = time.after(Math.min(IDLE_MS, timing.renewEvery)).subscribe(() => {
      if (this.#followers === 0) this.stop();
    });
  }

  #forgetIfEmpty(): void {
    if (this.#kept === 0 && this.#followers === 0 && !this.#listWatch) this.#owner.empty(this);
  }

  watch(timeout: number, from: Queue | undefined): Observable<Queue> {
    return this.#runtime.backend.queue(this.key, timeout, from);
  }

  seen(queue: Queue): void {
    this.#isLive = true;
    this.#lost = undefined;
    this.#adopt(queue);
    this.#tell();
    if (this.#queue) this.#views?.next({ status: 'known', queue: this.#queue });
  }

  unknown(cause: Error, failures: number): void {
    this.#isLive = false;
    this.#lost = cause;
    // The next view may be older: that of a server restored from a backup.
    this.#queue = undefined;
    this.#views?.next({ status: 'unknown', cause });
    if (failures < ATTEMPTS) return;
    // Who is told may have others leave.
    for (const waiter of [...this.#waiters])
      if (waiter.status === 'new') waiter.tell({ status: 'failed', error: cause });
  }

  /** An answer may be older than what a watch has told meanwhile. */
  #adopt(queue: Queue): void {
    if (this.#queue && queue.revision < this.#queue.revision) return;
    this.#compare(this.#queue?.claims, queue.claims);
    this.#queue = queue;
    this.#claims = queue.claims;
    if (!this.#handedOff) return;
    for (const token of this.#handedOff.keys()) {
      if (indexOf(queue.claims, token) < 0) this.#handedOff.delete(token);
      else this.#claims = without(this.#claims, token);
    }
    if (this.#handedOff.size === 0) this.#handedOff = undefined;
  }

  #compare(before: readonly QueuedClaim[] = NO_CLAIMS, after: readonly QueuedClaim[]): void {
    const { start, end } = changedPart(before, after);
    const first = before[start]?.token;
    const last = before[end - 1]?.token;
    if (before === NO_CLAIMS) this.#suspects = this.#waiters.slice();
    else if (first !== undefined && last !== undefined && first <= last)
      this.#suspects = [...this.#suspects, ...this.#between(first, last)];
    const from = least(first, after[start]?.token);
    this.#changedFrom = least(this.#changedFrom, from);
    this.#movedFrom = least(this.#movedFrom, from);
  }

  /** Ours with a token from the first to the last. */
  #between(first: bigint, last: bigint): readonly Waiter[] {
    return this.#waiters.slice(placeFor(this.#waiters, first), placeFor(this.#waiters, last + 1n));
  }

  /** Whoever is told may release, withdraw or queue at once: told in a loop, so that long chains do not recurse. */
  #tell(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      do this.#tellMissing();
      while (this.#tellFirst());
    } finally {
      this.#isTelling = false;
    }
    this.#tellWaiting();
  }

  #tellMissing(): void {
    const queue = this.#queue;
    const suspects = this.#suspects;
    if (!queue || suspects.length === 0) return;
    // An older view says nothing about them: the next one does.
    const isEarly = ({ knownAt }: Waiter): boolean => knownAt > queue.revision;
    this.#suspects = suspects.some(isEarly) ? suspects.filter(isEarly) : NOBODY;
    for (const waiter of suspects) if (isLost(queue, waiter)) this.#end(waiter);
  }

  /** Says whether something has changed meanwhile. */
  #tellFirst(): boolean {
    const claims = this.#claims;
    const from = this.#changedFrom;
    if (from === undefined) return false;
    this.#changedFrom = undefined;
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
      // Who is behind the one that was told last is still to be told.
      this.#changedFrom = least(this.#changedFrom, first[place]?.token);
    }
    return this.#changedFrom !== undefined;
  }

  #makeFirst(waiter: Waiter): void {
    waiter.status = 'first';
    if (!this.#handedOff) return waiter.tell({ status: 'first' });
    const settled$ = defer(() => {
      const before = [...(this.#handedOff ?? [])].filter(([token]) => token < waiter.token);
      return from(before).pipe(mergeMap(([, over]) => over));
    });
    waiter.tell({ status: 'first', settled$ });
  }

  #tellWanted(waiter: Waiter, claim: QueuedClaim): void {
    const { revocation } = claim;
    if (revocation === waiter.revocation || !revocation || !isRevocationRequest(claim, waiter.mine)) return;
    waiter.mine = claim;
    // A late older answer, in which it was not asked for yet, says nothing about it.
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
    // A holder that was given some time does not hear more of it when that is over and the claim is deleted at once.
    const isTaken = why === 'deleted' && revocation && revocation.within < Infinity;
    const loss = isTaken ? new ClaimLost('revoked', undefined, { revocation }) : new ClaimLost(why, undefined, by);
    waiter.tell({ status: 'lost', loss });
  }

  /** Who is new is told at once where it stands; what changed for the others, not more often than they can use. */
  #tellWaiting(): void {
    const isDue = this.#conflating === undefined;
    const from = isDue ? least(this.#movedFrom, this.#unheardFrom) : this.#unheardFrom;
    const revision = this.#queue?.revision;
    if (from === undefined || revision === undefined) return;
    const waiting = this.#between(from, revision).filter(
      ({ status }) => status === 'new' || (isDue && status === 'blocked'),
    );
    if (isDue) this.#movedFrom = undefined;
    const holders = waiting.length > 0 ? holding(this.#claims).map(holderOf) : [];
    const told = waiting.filter((waiter) => this.#tellBlocked(waiter, holders));
    // Those that the queue as it is known does not show yet.
    this.#unheardFrom = this.#waiters[placeFor(this.#waiters, revision + 1n)]?.token;
    if (told.length <= CONFLATE_ABOVE || !isDue) return;
    const { time, settings } = this.#runtime;
    this.#conflating = time.after(Math.ceil(settings.ttl / UPDATES_PER_TTL)).subscribe(() => {
      this.#conflating = undefined;
      this.#tellWaiting();
    });
  }

  /** Says whether there was anything to tell. */
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

  #waiterOf({ token }: QueuedClaim): Waiter | undefined {
    return this.#waiters[indexOf(this.#waiters, token)];
  }
}
