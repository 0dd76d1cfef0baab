/**
 * The line at one key: our claims in it, what is known of the queue there, and who is told what.
 */
import { AsyncSubject, Observable, Subject, defer, merge } from 'rxjs';
import type { Subscription } from 'rxjs';
import { holding } from '../../rules/blockers.js';
import type { Holder } from '../../api/ownership.js';
import { indexOf, isRevocationRequest, isUnmodified, lostClaims, placeFor, placeOf } from '../../rules/place.js';
import type { OwnClaim, QueuePosition } from '../../rules/place.js';
import type { Lease, Queue, QueuedClaim } from '../../backend/port.js';
import type { Revocation } from '../../api/revocation.js';
import { ATTEMPTS } from '../io/request.js';
import { isSameRevocation } from '../../api/revocation.js';
import type { EngineParts } from '../runtime.js';
import type { DeadlineListener } from '../io/deadlines.js';
import { ListWatch } from './list-watch.js';
import type { WatchHandler } from './list-watch.js';
import type { Resyncable } from './resync.js';
import { holderOf } from '../../rules/ownership.js';

/** The queue as far as we know it, or why we do not. */
export type View =
  { readonly status: 'known'; readonly queue: Queue } | { readonly status: 'unknown'; readonly cause: Error };

/** What a claim of ours is told of its place. */
export type Turn =
  /** It holds. `settled$` completes when the releases of those who handed off to it here are acknowledged. */
  | { readonly status: 'first'; readonly settled$?: Observable<unknown> }
  | { readonly status: 'blocked'; readonly ahead: number; readonly holders: readonly Holder[] }
  | Extract<QueuePosition, { status: 'gone' }>;

/** A claim handed off: who holds now, and what to call when its own release is over. */
export interface HandedOff {
  readonly successor: QueuedClaim;
  over(): void;
}

/** Who is told where a claim stands. */
export interface WaiterListener {
  told(turn: Turn): void;
  /** It is first, and somebody wants it to go. */
  asked(revocation: Revocation): void;
  /** Nobody could find out, and it was never told. */
  failed(cause: Error): void;
}

/** Those around a line. */
export interface KeyQueueOwner {
  /** The line is followed from now on: to be patrolled. */
  followed(line: KeyQueue): void;
  /** Nobody is in it any more, and nobody looks at it. */
  empty(line: KeyQueue): void;
}

/** Where more than these wait here, what they are told of who is ahead is conflated: so many times a ttl at most. */
const CONFLATE_ABOVE = 16;
const UPDATES_PER_TTL = 100;

/** An uncontended lock is mostly given back before a watch on it would pay; a deletion is told within 100 ms. */
const WATCH_AFTER = 50;

/** One of our claims in a line. */
export class Waiter implements DeadlineListener, OwnClaim {
  status: 'new' | 'blocked' | 'first' | 'over' = 'new';
  isFollowing = false;
  /** What it was told last: how many are ahead, the first of those who hold, and how many hold. */
  ahead = 0;
  front: bigint | undefined;
  holders = 0;
  proposed: Set<string> | undefined;
  /** What it was asked last. */
  revocation: Revocation | undefined;

  constructor(
    readonly line: KeyQueue,
    public mine: QueuedClaim,
    public knownAt: bigint,
    readonly lease: Lease,
    readonly listener: WaiterListener,
  ) {}

  get token(): bigint {
    return this.mine.token;
  }

  /** It has held for a while. */
  timedOut(): void {
    this.line.follow(this);
  }
}

export class KeyQueue implements WatchHandler<Queue>, Resyncable {
  readonly key: string;
  readonly #engine: EngineParts;
  readonly #street: KeyQueueOwner;
  readonly #watchAfter: number;

  /** Ours that are in, in the order of their tokens. */
  #members: Waiter[] = [];
  /** As the server showed it last. */
  #queue: Queue | undefined;
  /** Of the queue, those that count: without the claims of ours that were handed off. */
  #claims: readonly QueuedClaim[] = [];
  #handedOff: Map<bigint, AsyncSubject<unknown>> | undefined;
  /** Whether each of ours was looked for in it. */
  #isChecked = true;
  #isTelling = false;

  /** Entries that are on their way in, in, or on their way out. */
  #kept = 0;
  #follower: ListWatch<Queue> | undefined;
  #followers = 0;
  #idleSince = 0;
  #isLive = false;
  #lost: Error | undefined;
  #views: Subject<View> | undefined;
  #conflating: Subscription | undefined;

  constructor(engine: EngineParts, key: string, street: KeyQueueOwner) {
    this.#engine = engine;
    this.key = key;
    this.#street = street;
    const { renewEvery, ttl } = engine.settings;
    this.#watchAfter = Math.min(WATCH_AFTER, renewEvery ?? ttl / 3);
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
  join(mine: QueuedClaim, revision: bigint, lease: Lease, queue: Queue | undefined, listener: WaiterListener): void {
    const member = new Waiter(this, mine, revision, lease, listener);
    // Mostly it is the only one, and an array that grows takes room for sixteen more.
    if (this.#members.length === 0) this.#members = [member];
    else this.#members.splice(placeFor(this.#members, mine.token), 0, member);
    if (queue) this.#adopt(queue);
    this.#tell();
    if (member.status === 'first') this.#engine.deadlines.set(this.#watchAfter, member);
    else this.follow(member);
  }

  /** The views of the queue: the latest at once, then each change. */
  view$(): Observable<View> {
    return new Observable((subscriber) => {
      const views = (this.#views ??= new Subject());
      const listening = views.subscribe(subscriber);
      if (this.#isLive && this.#queue) subscriber.next({ status: 'known', queue: this.#queue });
      else if (this.#lost) subscriber.next({ status: 'unknown', cause: this.#lost });
      this.#follow(undefined);
      return () => {
        listening.unsubscribe();
        if (!views.observed) this.#views = undefined;
        this.#unfollow();
      };
    });
  }

  /** From now on the member is told of what happens on the server. */
  follow(member: Waiter): void {
    if (member.status === 'over' || member.isFollowing) return;
    member.isFollowing = true;
    this.#follow(this.#queue);
  }

  /** Our claim is about to leave: it is told nothing more. */
  leaves({ token }: QueuedClaim): void {
    const member = this.#members[indexOf(this.#members, token)];
    if (member) this.#part(member);
  }

  /**
   * Takes our claim out of what counts, if the claim right behind it is ours, too: that one holds then. Its place and
   * its token have been fixed since it queued, nobody can come between, and the lease is the same.
   * {@link notifyNext} tells it.
   */
  handOff(mine: QueuedClaim): HandedOff | undefined {
    // Mostly nobody of ours is behind it.
    if (this.#lost || this.#members.length === 0) return undefined;
    const rest = this.#claims.filter(({ token }) => token !== mine.token);
    const successor = holding(rest).find((claim) => {
      const status = this.#memberOf(claim)?.status;
      return status === 'new' || status === 'blocked';
    });
    if (!successor) return undefined;
    const over = new AsyncSubject();
    this.#handedOff ??= new Map();
    this.#handedOff.set(mine.token, over);
    this.#claims = rest;
    return { successor: successor, over: () => over.complete() };
  }

  notifyNext(): void {
    this.#tell();
  }

  /** The value is about to be written over our claim, by us. Returns the claim as it is known to be, if it is in. */
  rewriting({ token }: QueuedClaim, value: string): QueuedClaim | undefined {
    const member = this.#members[indexOf(this.#members, token)];
    if (!member) return undefined;
    (member.proposed ??= new Set()).add(value);
    return member.mine;
  }

  /** So it is now. Says whether it is ours still; else it is told. */
  rewritten({ token }: QueuedClaim, found: QueuedClaim | undefined, revision: bigint): boolean {
    const member = this.#members[indexOf(this.#members, token)];
    if (!member) return false;
    if (found && isUnmodified(found, member)) {
      member.mine = found;
      member.knownAt = revision;
      member.proposed = undefined;
      return true;
    }
    this.#end(member, found ? 'overwritten' : 'deleted');
    return false;
  }

  /** The server says that the claim is not there any more. */
  gone({ token }: QueuedClaim): void {
    const member = this.#members[indexOf(this.#members, token)];
    if (member) this.#end(member);
  }

  /** Looks after the watch, once in a while; says whether there is one. */
  resync(longEnough: number): boolean {
    if (!this.#follower) return false;
    if (this.#followers > 0) {
      // Who only holds is told by the audit of his lease.
      if (this.#views || this.#members.some(({ status }) => status !== 'first')) this.#follower.readAgainIfDue();
      return true;
    }
    if (this.#engine.time.now() - this.#idleSince < longEnough) return true;
    this.stop();
    return false;
  }

  /** Ours that hold. */
  holders(): readonly Waiter[] {
    return this.#members.filter(({ status }) => status === 'first');
  }

  /** There are signs that an event was missed. */
  readAgain(): void {
    this.#follower?.start();
  }

  /** What was told of late cannot be relied on. */
  markStale(cause: unknown): void {
    this.#follower?.broken(cause);
  }

  /** Watches no more; who looks at it is told the end. */
  stop(): void {
    this.#views?.complete();
    this.#follower?.stop();
    this.#follower = undefined;
    this.#isLive = false;
    this.#lost = undefined;
    this.#conflating?.unsubscribe();
    this.#conflating = undefined;
    this.#forgetIfEmpty();
  }

  #part(member: Waiter): void {
    if (member.status === 'over') return;
    if (member.status === 'first' && !member.isFollowing) this.#engine.deadlines.clear(this.#watchAfter, member);
    member.status = 'over';
    this.#members.splice(indexOf(this.#members, member.token), 1);
    if (member.isFollowing) this.#unfollow();
  }

  #follow(from: Queue | undefined): void {
    this.#followers += 1;
    if (this.#follower) return;
    this.#follower = new ListWatch(this.#engine, this);
    this.#street.followed(this);
    this.#follower.start(from);
  }

  /** The watch stays for a while: who releases often queues again at once. */
  #unfollow(): void {
    this.#followers -= 1;
    if (this.#followers === 0) this.#idleSince = this.#engine.time.now();
  }

  #forgetIfEmpty(): void {
    if (this.#kept === 0 && this.#followers === 0 && !this.#follower) this.#street.empty(this);
  }

  watch(timeout: number, from: Queue | undefined): Observable<Queue> {
    return this.#engine.backend.queue(this.key, timeout, from);
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
    for (const member of [...this.#members]) if (member.status === 'new') member.listener.failed(cause);
  }

  /** An answer may be older than what a watch has told meanwhile. */
  #adopt(queue: Queue): void {
    if (this.#queue && queue.revision < this.#queue.revision) return;
    this.#queue = queue;
    this.#claims = queue.claims;
    this.#isChecked = false;
    if (!this.#handedOff) return;
    for (const token of this.#handedOff.keys()) {
      if (indexOf(queue.claims, token) < 0) this.#handedOff.delete(token);
    }
    if (this.#handedOff.size === 0) this.#handedOff = undefined;
    else this.#claims = queue.claims.filter(({ token }) => !this.#handedOff?.has(token));
  }

  /** Whoever is told may release, withdraw or queue at once: told in a loop, so that long chains do not recurse. */
  #tell(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    let claims: readonly QueuedClaim[];
    do {
      claims = this.#claims;
      this.#tellMissing();
      this.#tellFirst();
    } while (claims !== this.#claims);
    this.#isTelling = false;
    this.#tellWaiting();
  }

  #tellMissing(): void {
    if (this.#isChecked || !this.#queue) return;
    this.#isChecked = true;
    for (const member of lostClaims(this.#claims, this.#members, this.#queue.revision)) this.#end(member);
  }

  #tellFirst(): void {
    const claims = this.#claims;
    for (const claim of holding(claims)) {
      const member = this.#memberOf(claim);
      if (member && member.status !== 'first') this.#makeFirst(member);
      if (member?.status === 'first') this.#tellAsked(member, claim);
      if (claims !== this.#claims) return;
    }
  }

  #makeFirst(member: Waiter): void {
    member.status = 'first';
    if (!this.#handedOff) return member.listener.told({ status: 'first' });
    const settled$ = defer(() => {
      const before = [...(this.#handedOff ?? [])].filter(([token]) => token < member.token);
      return merge(...before.map(([, over]) => over));
    });
    member.listener.told({ status: 'first', settled$ });
  }

  #tellAsked(member: Waiter, claim: QueuedClaim): void {
    const { revocation } = claim;
    if (revocation === member.revocation || !revocation || !isRevocationRequest(claim, member.mine)) return;
    member.mine = claim;
    if (isSameRevocation(revocation, member.revocation)) return;
    member.revocation = revocation;
    member.listener.asked(revocation);
  }

  #end(member: Waiter, reason: 'deleted' | 'overwritten' = 'deleted'): void {
    const { status, mine, revocation } = member;
    if (status === 'over') return;
    this.#part(member);
    const place = placeOf(this.#claims, mine);
    const turn = place.status === 'gone' ? place : ({ status: 'gone', reason } as const);
    // Who was given some time does not hear more of it when that is over and the claim is deleted at once.
    const isTaken = turn.reason === 'deleted' && revocation && revocation.within < Infinity;
    member.listener.told(isTaken ? { status: 'gone', reason: 'revoked', by: { revocation } } : turn);
  }

  /** Who is new is told at once where it stands; what changed for the others, not more often than they can use. */
  #tellWaiting(): void {
    const isDue = this.#conflating === undefined;
    const revision = this.#queue?.revision ?? 0n;
    const isToBeTold = ({ status, token }: Waiter): boolean =>
      token <= revision && (status === 'new' || (isDue && status === 'blocked'));
    const waiting = this.#members.filter(isToBeTold);
    if (waiting.length === 0) return;
    const holders = holding(this.#claims).map(holderOf);
    const told = waiting.filter((member) => this.#tellBlocked(member, holders));
    if (told.length <= CONFLATE_ABOVE || !isDue) return;
    const { time, settings } = this.#engine;
    this.#conflating = time.after(Math.ceil(settings.ttl / UPDATES_PER_TTL)).subscribe(() => {
      this.#conflating = undefined;
      this.#tellWaiting();
    });
  }

  /** Says whether there was anything to tell. */
  #tellBlocked(member: Waiter, holders: readonly Holder[]): boolean {
    const place = placeOf(this.#claims, member.mine);
    const front = this.#claims[0]?.token;
    if (member.status === 'over' || place.status !== 'blocked') return false;
    const isSame = member.ahead === place.ahead && member.front === front && member.holders === holders.length;
    if (member.status === 'blocked' && isSame) return false;
    member.status = 'blocked';
    member.ahead = place.ahead;
    member.front = front;
    member.holders = holders.length;
    member.listener.told({ status: 'blocked', ahead: place.ahead, holders });
    return true;
  }

  #memberOf({ token }: QueuedClaim): Waiter | undefined {
    return this.#members[indexOf(this.#members, token)];
  }
}
