/**
 * The port: what the engine asks of a lock server. A backend is these verbs and nothing else.
 *
 * Each verb is a cold Observable of ONE attempt. It emits its answer once and completes, or errors with a
 * BackendError; unsubscribing cancels it. No retry, no timer, no policy: those are the engine's. (`queue` is the one
 * that goes on.) They are Observables and not Promises because a Promise cannot be tested in virtual time.
 */
import type { Observable } from 'rxjs';
import type { JsonValue } from '../api/json.js';
import type { LockKind } from '../api/ownership.js';
import type { Revocation } from '../api/revocation.js';
import type { Clock } from '../time/clock.js';

/** What is asked for at a key. */
export interface LockSpec {
  readonly key: string;
  readonly kind: LockKind;
  /** How many may hold at a time, of a semaphore. */
  readonly permits?: number | undefined;
  /** Of a candidate in an election: what is written instead of all that is written of a lock. */
  readonly value?: string | undefined;
}

/** The time-bounded right that claims hang on: when it ends, the server drops them. */
export interface Lease {
  /** Chosen by us, so that a grant whose answer was lost can be repeated: 63 random bits, lower-case hexadecimal. */
  readonly id: string;
  /** What is asked for, milliseconds. The server may grant more. */
  readonly ttl: number;
  /** The label of whoever takes it. */
  readonly owner: string;
  /** The one key it is for, where a lease carries a single claim. */
  readonly key: string | undefined;
}

/** A place in the queue of a key, as we ask for it. The same claim may be asked for again: it is one claim still. */
export interface ClaimRequest extends LockSpec {
  readonly lease: Lease;
  /** Unique within the lease. */
  readonly id: string;
  /** When it was made, for people to read. */
  readonly since: Date;
  readonly meta: JsonValue | undefined;
}

/** A claim as it stands in the queue on the server: ours, a peer's, or one nobody can read. */
export interface QueuedClaim {
  /** What tells it from any other claim of the same queue. */
  readonly id: string;
  /** Its place and its fencing token: v3 create_revision, v2 createdIndex. */
  readonly token: bigint;
  /** Changes when somebody writes over the claim. */
  readonly stamp: string;
  readonly kind: LockKind;
  readonly permits?: number | undefined;
  readonly owner: string;
  readonly since: Date | undefined;
  readonly meta: JsonValue | undefined;
  /** What a candidate proposes, or a peer has written; nothing for the claim of a lock. */
  readonly value?: string | undefined;
  /** What somebody has written over it who wants it to go. */
  readonly revocation?: Revocation | undefined;
}

/** All claims of one key at one moment of the server, oldest first. Always complete. */
export interface Queue {
  readonly key: string;
  /** The server's revision at which this was so. Grows. */
  readonly revision: bigint;
  readonly claims: readonly QueuedClaim[];
}

/**
 * How to queue. `show`: the answer includes the queue. `plain`: it need not, since the caller watches the queue.
 * `try`: only if the claims would hold at once, else nothing is written.
 */
export type EnqueueMode = 'show' | 'plain' | 'try';

/** A claim that is in the queue, with the queue where the answer showed all of it. */
export interface EnqueuedClaim {
  readonly claim: QueuedClaim;
  readonly queue: Queue | undefined;
}

/**
 * What became of an attempt to queue. `queued`: all claims are in, in the order of the request, as they were at that
 * revision of the server: a repeated attempt finds claims that may have been written over. `refused`: nothing of it is
 * in, and these queues show who was in the way.
 */
export type EnqueueResult =
  | { readonly status: 'queued'; readonly revision: bigint; readonly entries: readonly EnqueuedClaim[] }
  | { readonly status: 'refused'; readonly queues: readonly Queue[] }
  | { readonly status: 'lease-gone' };

/** The acknowledgement of a dequeue, and whether the successor that was asked about is still in the queue. */
export interface DequeueResult {
  readonly successor: 'there' | 'gone' | 'unknown';
}

/** What became of a renewal: the TTL granted from now on, or why there is nothing left to renew. */
export type RenewResult =
  | { readonly status: 'renewed'; readonly ttl: number }
  | {
      readonly status: 'gone';
      readonly reason: 'session' | 'deleted' | 'overwritten';
      readonly cause?: Error | undefined;
    };

/** The claim as it is once something was to be written over it, if it still is; at this revision of the server. */
export interface RewriteResult {
  readonly claim: QueuedClaim | undefined;
  readonly revision: bigint;
}

/** What is left beside the queue of a key for a while: that its work is done, and what came of it. */
export interface Marker {
  /** Greater than that of every earlier marker of the key. */
  readonly token: bigint;
  /** Not looked into by a backend. */
  readonly value: string;
}

/** The marker of a key, or that there is none, at one moment of the server. */
export interface MarkerView {
  readonly key: string;
  /** The server's revision at which this was so. Grows. */
  readonly revision: bigint;
  readonly marker: Marker | undefined;
}

/** A marker that is to be written by the holder of the key. */
export interface MarkRequest {
  /** The claim by which the key is held, as it was asked for and as it is in the queue. */
  readonly claim: ClaimRequest;
  readonly mine: QueuedClaim;
  /** The marker's own, for as long as it is kept; never renewed. No other marker has it: that is how it is known again. */
  readonly lease: Lease;
  readonly value: string;
}

/**
 * What became of it. `written`: it is there, by this request or by an earlier attempt of it. `taken`: another marker is
 * there, by somebody who does not hold the key. `gone`: our claim is not in the queue any more, so nothing is written.
 */
export type MarkResult = 'written' | 'taken' | 'gone';

/** The markers of keys. Never below the name of the key: there, they would be in the way of peers. */
export interface Markers {
  /** As it is now: no older than the request. */
  read(key: string, timeout: number): Observable<MarkerView>;
  /** As it is now, and again whenever it changes. Errors when it can no longer be followed. */
  follow(key: string, timeout: number): Observable<MarkerView>;
  /** Writes it in one step with the comparison that our claim is in the queue. Asked again, it finds what is there. */
  write(request: MarkRequest, timeout: number): Observable<MarkResult>;
  /**
   * For an attempt to write that nobody knows the end of: from the answer on it can come in no more. What is written
   * stays, what was prepared for it is taken back. Our claim is taken out of the queue for that, if it still is there.
   */
  withdraw(request: MarkRequest, timeout: number): Observable<void>;
}

/** How a lease is to be renewed while the thread that holds it is blocked. Milliseconds. */
export interface RenewalPlan {
  /** By which the thread that holds it reads its deadlines. */
  readonly clock: Clock;
  readonly renewEvery: number;
  /** How long an attempt may take. */
  readonly attempt: number;
  /** How long the thread may be blocked: then the lease runs out, on purpose. */
  readonly maxStall: number;
  /** There is no such worker, or it has ended: renewals go on in the thread that holds the lease. */
  failed(error: Error): void;
}

/** A thread that renews a lease for another one. */
export interface RenewalWorker {
  /** The thread that holds the lease is not blocked: it renews by itself, now. */
  alive(): void;
  /** Until when the server keeps the lease by what the worker has renewed, by the clock of the plan. Never later than it does. */
  until(): number | undefined;
  /** It renews no more. */
  end(): void;
}

/** Says whether a claim of the audited lease is there. */
export type Audit = (key: string, claim: QueuedClaim) => boolean;

/** What every lock server has. `timeout` is how long the engine listens for the answer, milliseconds. */
interface Server {
  /** The name used in errors and events. */
  readonly name: string;
  /** Notes about the backend's set-up that its user should know, told once as events. */
  readonly notes: readonly string[];
  /** Why the server cannot carry this lock, as a sentence that says what to do, or nothing. */
  objection(spec: LockSpec): string | undefined;

  /**
   * The queue of a key now, and again whenever it changes. Errors when it can no longer be followed. With `from`, an
   * earlier view of it, it need not be read again: that view, once it is being followed, and what has changed since.
   */
  queue(key: string, timeout: number, from?: Queue): Observable<Queue>;
  /**
   * Asks whether changes of the followed queues would still be told: answers, or errors. Without an answer the streams
   * of `queue` cannot be relied on; where they share a connection, unsubscribing before the answer ends them with an
   * error.
   */
  probe(timeout: number): Observable<void>;
  /** That work is done, said beside the queue. Not on a server that has no place for it. */
  readonly markers?: Markers;
  /** Lets go of connections that the backend made for itself. Used again, it makes them anew. */
  close(): void;
}

/**
 * A lock server with leases and queues: all claims of a `Locks` hang on one lease, and a queue admits everyone in order.
 */
export interface QueueBackend extends Server {
  /** Grants the lease. Asked again for the same id it answers as if for the first time. */
  grant(lease: Lease, timeout: number): Observable<{ readonly ttl: number }>;
  renew(lease: Lease, timeout: number): Observable<RenewResult>;
  /** Starts a thread that renews the lease while this one is blocked. Not on a backend that cannot. */
  renewalWorker?(lease: Lease, plan: RenewalPlan): RenewalWorker;
  /** Ends the lease and drops what hangs on it. One that is gone is fine. */
  revoke(lease: Lease, timeout: number): Observable<void>;

  /** How many claims can be queued in one step, each at another key. */
  readonly maxClaims: number;
  /**
   * Puts the claims, of one lease and each at another key, at the ends of their queues: all of them at one revision, or
   * none. Asked again for the same claims it finds them where they are.
   */
  enqueue(claims: readonly ClaimRequest[], timeout: number, mode: EnqueueMode): Observable<EnqueueResult>;
  /**
   * Takes exactly these claims out of their queues; one that is gone is fine. Without `queued` nobody knows whether they
   * are in: then an attempt to queue that arrives later still must fail, too. `successor` is the claim that holds from
   * now on, of a single claim: the same request looks whether it is still there.
   */
  dequeue(
    claims: readonly ClaimRequest[],
    queued: readonly QueuedClaim[] | undefined,
    timeout: number,
    successor?: QueuedClaim,
  ): Observable<DequeueResult>;

  /**
   * Hangs exactly these claims on another lease, which is granted for its ttl and never renewed: then they stay for so
   * long, whatever becomes of their client. Place and token stay; one that is gone is fine, and asked again it is the
   * same lease. The server may keep them longer (etcd: whole seconds, at least 2). Not on a server that cannot.
   */
  keep?(
    claims: readonly ClaimRequest[],
    queued: readonly QueuedClaim[],
    lease: Lease,
    timeout: number,
  ): Observable<void>;

  /**
   * Writes another value over the claim of a candidate, if that is still as we know it, and answers with the claim that
   * is there then, written or not. Not on a server that keeps no values.
   */
  proclaim?(claim: ClaimRequest, mine: QueuedClaim, value: string, timeout: number): Observable<RewriteResult>;
  /** What can be done about the claims of others. Not on a server whose claims cannot carry a request. */
  readonly others?: ForeignClaims;
  /**
   * The queues of all keys that begin with the prefix: first of all those in which there are claims, then those that
   * have changed, with each change. Errors when they can no longer be followed. Not on a server that cannot tell.
   */
  queues?(prefix: string, timeout: number): Observable<readonly Queue[]>;
  /** Which claims hang on the lease: one question for all, against a lost event that said one is gone. */
  audit(lease: Lease, timeout: number): Observable<Audit>;
}

/** What became of a try: the claim as it is in its slot, or what is there instead. */
export type TakeResult =
  | { readonly status: 'taken'; readonly claim: QueuedClaim; readonly queue: Queue }
  | { readonly status: 'refused'; readonly queue: Queue };

/**
 * A lock server with one slot for each key and a TTL on the key itself: a claim is let in or refused, and a refused
 * client watches and tries again. Its queues show the holder at most.
 */
export interface SlotBackend extends Server {
  /** The TTL that the server grants when this one is asked for, milliseconds. */
  grantedTtl(asked: number): number;
  /** Takes the slot if it is free, or finds this very claim in it: an attempt whose answer was lost is repeated. */
  take(claim: ClaimRequest, timeout: number): Observable<TakeResult>;
  /** Extends the TTL if the claim of this lease is still in its slot. */
  renew(lease: Lease, timeout: number): Observable<RenewResult>;
  /** Frees the slot if this claim is in it. */
  release(claim: ClaimRequest, timeout: number): Observable<void>;
  /**
   * Leaves this claim in its slot for so many milliseconds from now, if it is there: a renewal that comes late does not
   * change that. Asked again, it finds it done. Not on a server that cannot.
   */
  keep?(claim: ClaimRequest, ms: number, timeout: number): Observable<void>;
}

/** What `createLocks` takes. */
export type LockBackend = QueueBackend | SlotBackend;

/** The claims of others, which stand in the queue of the key. */
export interface ForeignClaims {
  /**
   * Writes over the claim that it is wanted back, if it is still as we know it, and answers with the claim that is there
   * then, written or not. Its lease stays what it is.
   */
  ask(key: string, claim: QueuedClaim, revocation: Revocation, timeout: number): Observable<RewriteResult>;
  /** Takes it out of the queue, whatever is written there by now; one that is gone is fine. */
  remove(key: string, claim: QueuedClaim, timeout: number): Observable<void>;
}
